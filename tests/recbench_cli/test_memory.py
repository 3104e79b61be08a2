import json

import pytest


@pytest.fixture
def recite(call_here, raw_folder):
    """Return a function that asks the built-in model about made-up data, as `call` does."""
    data = ("--dataset", "movielens", "--data-dir", str(raw_folder))

    def run(*options, llm="tiny"):
        return call_here("memory", "--llm", llm, *data, *options)

    return run


@pytest.fixture
def call_here(call, tmp_path):
    return lambda *arguments: call(*arguments, "--cache", str(tmp_path / "cache"))


def test_a_model_is_asked_for_titles_and_next_items(recite):
    code, out, err = recite("--rows", "3", "--lines", "4", "--format", "json")
    assert code == 0
    assert "title of an item, behind its neighbours: 3 and as many controls" in err
    found = json.loads(out)
    assert (found["llm"], found["dataset"]) == ("tiny", "movielens")
    assert [len(one["answers"]) for one in found["recitals"]] == [3, 3]
    for one in found["recitals"]:
        assert one["low"] <= one["difference"] <= one["high"]
        assert one["difference"] == one["recited"]["value"] - one["control"]["value"]
    code, out, _ = recite("--rows", "3", "--lines", "4")
    assert code == 0
    assert "tiny, as it is, goes on behind the files of movielens" in out
    assert "memory of the file" in out


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--lines", "80"), "show fewer with --lines"),
        (("--lines", "24", "--rows", "2"), "no user has another item behind 24 others"),
        (("--rows", "0"), "greater than or equal to 1"),
        (("--device", "tpu"), "unknown device 'tpu'"),
    ],
)
def test_what_cannot_be_asked_is_one_line(recite, options, says):
    code, out, err = recite(*options)
    assert (code, out) == (2, "")
    assert says in err.splitlines()[-1]


def test_an_unknown_model_is_one_line(recite):
    code, out, err = recite("--rows", "2", llm="./nothing")
    assert (code, out) == (2, "")
    assert "./nothing" in err.splitlines()[-1]
