"""Titles, names and words of others stay text in whatever a command prints or writes."""

import csv
import json

import pytest
from hostile import (
    HOSTILE,
    Elements,
    formulas,
    of_markdown,
    shows_only_text,
    unescaped_latex,
)

from recbench.plain_text import printable

pytestmark = pytest.mark.honesty

DATA = ("--dataset", "odd", "--protocol", "next-item,candidates=6")
SAID = {name: text[:300] for name, text in HOSTILE.items() if text.isprintable()}
TITLES = [*HOSTILE.values(), *(f"Plain {number}" for number in range(9))]
NAME = "external:theirs"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with data whose titles are hostile, two runs, and what their maker says."""
    folder = tmp_path_factory.mktemp("hostile")
    with (folder / "items.csv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([("item", "title"), *enumerate(TITLES)])
    rows = [f"{u},{(u * 5 + t) % len(TITLES)},{t}" for u in range(12) for t in range(6)]
    (folder / "events.csv").write_text("\n".join(["user,item,time", *rows]))
    return folder


@pytest.fixture
def ask(call, place, monkeypatch):
    """Run a command in that folder; standard output and error are checked."""
    monkeypatch.chdir(place)
    monkeypatch.setenv("RECBENCH_CACHE", str(place / "cache"))

    def run(*arguments, code=0):
        left, out, err = call(*arguments)
        assert left == code, err
        assert shows_only_text(out + err), arguments
        assert "Traceback" not in err
        return out if code == 0 else err

    return run


@pytest.fixture
def asked(ask, place):
    """The same with everything added, run and scored, once."""
    if not (place / "results").exists():
        added = ("--interactions", "events.csv", "--items", "items.csv")
        ask("data", "add", "odd", *added, "--noun", "[red]<b>/=x")
        words = [f"{field} = {json.dumps(text)}" for field, text in zip(FIELDS, FOUR, strict=True)]
        (place / "about.toml").write_text("\n".join(words))
        ask("questions", *DATA, "--draws", "1", "--out", "asked", "--with-prompts")
        ask("run", "--model", "popularity", *DATA, "--draws", "1", "--no-audit")
        lines = (place / "asked/questions.jsonl").read_text(encoding="utf-8").splitlines()
        texts = zip(map(json.loads, lines), TITLES, strict=False)
        answers = [{"key": row["key"], "text": text} for row, text in texts]
        (place / "answers.jsonl").write_text("\n".join(map(json.dumps, answers)))
        told = ("--questions", "asked", "--about", "about.toml")
        ask("score", "answers.jsonl", "--name", "theirs", *told)
    return ask


FIELDS = ("model", "code", "data", "cost")
FOUR = (f"{SAID['markup']} {SAID['entity']}", SAID["latex"], SAID["markdown"], SAID["formula"])


def test_what_programs_read_is_exact(asked, place):
    """A title is its item's, sign by sign, wherever it is not shown but handed on."""
    known = [" ".join(title.replace("\0", " ").split()) for title in TITLES]
    asked("data", "export", *DATA, "--out", "split")
    lines = (place / "split/items.tsv").read_text(encoding="utf-8").split("\n")[1:-1]
    assert [line.partition("\t")[2] for line in lines] == known
    rows = (place / "asked/questions.jsonl").read_text(encoding="utf-8").split("\n")[:-1]
    for row in map(json.loads, rows):
        prompt = row["prompt"].split("\n")
        assert set(row["candidate_titles"]) <= set(known)
        assert all(prompt.count(title) for title in row["candidate_titles"])


@pytest.mark.parametrize(
    "command",
    [
        ("data", "list"),
        ("data", "show", "odd"),
        ("data", "doctor", "odd", *DATA[2:]),
        ("inspect", "RUN"),
        ("inspect", "RUN", "--example", "0"),
        ("recommend", "--run", "RUN", "--history", "id:3"),
        ("verify", "results"),
    ],
    ids=" ".join,
)
def test_a_terminal_is_not_steered(asked, place, command):
    (record,) = place.glob("results/odd/*/popularity/*/record.json")
    command = [str(record.parent) if word == "RUN" else word for word in command]
    asked(*command)
    if command[:2] != ["data", "list"]:
        json.loads(asked(*command, "--format", "json"))


@pytest.mark.parametrize("name", HOSTILE)
def test_a_title_that_is_given_is_said_as_text(asked, place, name):
    (record,) = place.glob("results/odd/*/popularity/*/record.json")
    said = asked("recommend", "--run", str(record.parent), "--history", f"x{HOSTILE[name]}", code=2)
    assert said.startswith("error: ")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    "command",
    [
        ("leaderboard",),
        ("leaderboard", "--group-by", "target-count"),
        ("compare", NAME, "popularity"),
    ],
    ids=" ".join,
)
def test_what_a_maker_says_stays_text_in_every_form(asked, command):
    page = asked(*command)
    assert all(printable(text) in page for text in FOUR)
    kinds, shown = of_markdown(asked(*command, "--format", "markdown"))
    assert kinds <= {"strong_open", "strong_close"}
    assert all(text in shown for text in FOUR)
    assert not unescaped_latex(asked(*command, "--format", "latex"))
    assert not formulas(asked(*command, "--format", "csv"))
    json.loads(asked(*command, "--format", "json"))


def test_pages_hold_no_markup_of_others(asked, place, monkeypatch):
    page = pytest.importorskip("recbench.report.page")
    pytest.importorskip("altair")
    monkeypatch.setattr(page, "_vega", lambda: "")
    asked("report", "--out", "report.html")
    asked("leaderboard", "--site", "site")
    for file in (place / "report.html", *(place / "site").glob("*.html")):
        text = file.read_text(encoding="utf-8")
        found = Elements(text)
        assert shows_only_text(text)
        assert not {"img", "b", "i", "a onerror", "script src"} & found.found
        assert "index" in file.name or all(one in found.said for one in FOUR[:3])


def test_words_that_steer_are_refused_by_file_and_field(asked, place):
    for name in HOSTILE.keys() - SAID.keys():
        (place / "bad.toml").write_text(f"code = {json.dumps(HOSTILE[name])}")
        told = ("--questions", "asked", "--about", "bad.toml")
        said = asked("score", "answers.jsonl", "--name", "theirs", *told, code=2)
        assert said.startswith("error: bad.toml")
    for name in HOSTILE.values():
        asked("score", "answers.jsonl", f"--name={name}", "--questions", "asked", code=2)
