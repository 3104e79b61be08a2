import json
from importlib.metadata import EntryPoint

import pytest

from recbench.questions import protocols as module
from recbench.questions.protocols import protocol
from recbench_cli import main as cli


@pytest.fixture
def call(capsys):
    """Run a command; return code, stdout, stderr."""

    def run(*arguments):
        with pytest.raises(SystemExit) as left:
            cli.main(["protocols", *arguments])
        shown = capsys.readouterr()
        return left.value.code or 0, shown.out, shown.err

    return run


def test_they_are_listed(call):
    code, out, err = call("list")
    assert (code, err) == (0, "")
    for name in ("next-item", "paper", "temporal"):
        assert f"{protocol(name).label}: {protocol(name).summary}" in out.splitlines()
    assert json.loads(call("list", "--format", "json")[1])["paper"] == protocol("paper").summary


def test_a_broken_card_is_named_and_hides_no_other(call, monkeypatch):
    broken = EntryPoint("broken", "no_such_package:broken.toml", "recbench.protocols")
    points = {**module.listed("protocols"), "broken": broken}
    monkeypatch.setattr(module, "listed", lambda _: points)
    code, out, err = call("list")
    assert code == 0
    assert "paper: " in out
    assert err.startswith("the card of the protocol 'broken' of package unknown package (no_such_")
    assert err.count("\n") == 1


def test_one_is_shown_in_words_with_limits_and_digest(call):
    code, out, err = call("show", "temporal")
    assert (code, err) == (0, "")
    asked = protocol("temporal")
    assert out.startswith(f"temporal v3: {asked.summary}\n")
    assert "before 80% of all in order of time train, those up to 90% validate" in out
    assert "at least 3 earlier ones of its user" in out
    assert "  candidates: 20: the target and 19 negatives, shuffled, all of different titles" in out
    assert "from the whole catalogue, save all items that the user touched before the" in out
    for sentence in (*asked.why, *asked.limits):
        assert sentence in out
    assert out.endswith(f"  digest: {asked.digest}\n")


def test_what_is_changed_is_shown(call):
    out = call("show", "paper", "--candidates", "30", "--negatives", "popular", "--history", "5")[1]
    assert out.startswith("paper,candidates=30,negatives=popular,history=5: ")
    assert "30: the target and 29 negatives" in out
    assert "in proportion to training count + 1" in out
    assert "the last 5 items" in out
    assert call("show", "paper,candidates=30,negatives=popular,history=5")[1] == out
    full = call("show", "next-item", "--candidates", "all")[1]
    assert "the whole catalogue is ranked" in full
    assert "negatives:" not in full
    assert protocol("next-item,candidates=all").digest in full


def test_json_holds_the_same(call):
    page = json.loads(call("show", "temporal", "--history", "7", "--format", "json")[1])
    asked = protocol("temporal,history=7")
    assert (page["name"], page["digest"], page["history"]) == (asked.name, asked.digest, 7)
    assert page["limits"] == list(asked.limits)
    assert "the last 7 items" in page["words"]["history"]


def test_a_typo_is_one_line(call):
    code, out, err = call("show", "temporl")
    assert (code, out) == (2, "")
    assert err == "error: unknown protocol 'temporl'; did you mean 'temporal'?\n"
    assert call("show", "temporal", "--candidates", "0")[0] == 2
