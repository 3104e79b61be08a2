"""Titles, names and words of others stay text in whatever a command prints or writes."""

import csv
import json
import pickle
from contextlib import suppress
from typing import get_args

import pandas as pd
import pytest
from hostile import (
    HOSTILE,
    Elements,
    formulas,
    of_markdown,
    shows_only_text,
    unescaped_latex,
)
from pydantic import ValidationError
from typer.main import get_command

from recbench.cells import local
from recbench.cells.process import Ended
from recbench.data.card import cards
from recbench.llm.cards import language_models
from recbench.plain_text import printable
from recbench.questions.protocols import protocol
from recbench_cli import main as cli

pytestmark = pytest.mark.honesty

DATA = ("--dataset", "odd", "--protocol", "next-item,candidates=6")
SAID = {name: text[:300] for name, text in HOSTILE.items() if text.isprintable()}
TITLES = [*HOSTILE.values(), *(f"Plain {number}" for number in range(12))]
NAME = "external:theirs"
THEIRS = ("--results", "theirs")
ADDED = ("--interactions", "events.csv", "--items", "items.csv")
FORGED = "a\nFORGED\r\x1b[31m\u202e<b>$x$|=1"
"""Begins a line of its own, which would pass for one of ours."""

ACME = f"""
from recbench_baselines.popularity import Popularity
class Acme(Popularity):
    summary, reference = {FORGED!r}, {FORGED!r}
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with data whose titles are hostile, two runs, and what their maker says."""
    folder = tmp_path_factory.mktemp("hostile")
    with (folder / "items.csv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([("item", "title"), *enumerate(TITLES)])
    rows = [f"{u},{(u * 5 + t) % len(TITLES)},{t}" for u in range(12) for t in range(6)]
    (folder / "events.csv").write_text("\n".join(["user,item,time", *rows]))
    (folder / "llara").mkdir()
    rows = pd.DataFrame({"seq": [[0, 1, 2, 3]], "len_seq": [4], "next": [4]})
    for part in ("train", "Val", "Test"):
        (folder / f"llara/{part}_data.df").write_bytes(pickle.dumps(rows, 4))
    names = [f"{number}::{title}" for number, title in enumerate(TITLES)]
    (folder / "llara/id2name.txt").write_text("\n".join(names), encoding="utf-8")
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
        assert not any(line.startswith("FORGED") for line in (out + err).splitlines())
        assert "Traceback" not in err
        return out if code == 0 else err

    return run


@pytest.fixture
def asked(ask, place, made):
    """The same with everything added, run and scored, once."""
    if not (place / "results").exists():
        ask("data", "add", "odd", *ADDED, "--noun", "[red]<b>/=x")
        for model in ("gru4rec", "sasrec"):
            made(model=model, settings={"llm": FORGED}, results=place / "theirs")
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


PLACES = {
    "RUN": "results/odd/*/popularity",
    "LLM": "results/odd/*/zero-shot",
    "BAD": "theirs/movielens/*/gru4rec",
}
"""What stands for the folder of a run, and where that lies."""

STUDY = ("cost", "--models", "popularity")
LIKE = ("--history", "id:20", "id:21")
AMONG = ("--candidates", *(f"id:{number}" for number in range(6)))
ZERO_SHOT = ("--model", "zero-shot", "--llm", "tiny", *DATA, "--draws", "1", "--no-audit")
CASES: dict[str, list[tuple[str, ...]]] = {
    "run": [(*ZERO_SHOT, "--show-prompt")],
    "leaderboard": [(), THEIRS, ("--run", "--dry-run", "--models", "random", "--datasets", "odd")],
    "compare": [(NAME, "popularity"), ("gru4rec", "sasrec", *THEIRS)],
    "plan": [("--dataset", "odd", *DATA[2:]), THEIRS],
    "report": [("--out", "page.html"), (*THEIRS, "--out", "theirs.html")],
    "verify": [("results",), ("theirs",)],
    "submit": [("RUN", "LLM", "--out", "sent.zip")],
    "export": [("theirs", "--out", "eee", "--organization", "=A1 <b> {x} $y$")],
    "inspect": [
        *(("RUN",), ("RUN", "--example", "0"), ("LLM", "--example", "0")),
        *(("LLM", look, "--rows", "2") for look in ("--templates", "--rotate")),
    ],
    "recommend": [("--run", "RUN", *LIKE), ("--run", "LLM", *LIKE, *AMONG, "--explain")],
    "memory": [("--llm", "tiny", "--dataset", "odd", "--rows", "2", "--lines", "2")],
    "questions": [(*DATA, "--draws", "1", "--out", "more", "--with-prompts")],
    "score": [("answers.jsonl", "--name", "ours", "--questions", "asked")],
    "models": [(), ("acme",), ("--llms",)],
    "study": [(*STUDY, "--dataset", "odd", "--draws", "1", "--results", "studied")],
    "reproduce": [("ilora", *THEIRS)],
    "candidates": [(*DATA, "--draws", "1", "--out", "pack.parquet")],
    "runs list": [(), THEIRS],
    "runs show": [("RUN",), ("LLM",), ("BAD", *THEIRS)],
    "runs clean": [("--older-than", "0")],
    "runs import": [("theirs", "--results", "taken")],
    "data show": [("odd",)],
    "data doctor": [("odd", *DATA[2:])],
    "data add": [("other", *ADDED)],
    "data remove": [("spare",)],
    "data import-splits": [("handed-on", "--name", "whole")],
    "data import-llara": [("llara", "--name", "games")],
    "data list": [()],
    "data prepare": [DATA[:2]],
    "data export": [(*DATA, "--out", "split")],
    "protocols list": [()],
    "protocols show": [("paper",)],
}
"""Every command, with arguments that make it show what others wrote."""


def commands(group=None, words=()):
    """Return the commands that there are by what a user types."""
    group = get_command(cli.app) if group is None else group
    found = {}
    for word, one in group.commands.items():
        inner = hasattr(one, "commands")
        found |= commands(one, (*words, word)) if inner else {" ".join((*words, word)): one}
    return found


def test_no_command_is_forgotten():
    assert set(CASES) == set(commands()), "give it a case that shows what others wrote"


@pytest.fixture
def ready(asked, place, install, monkeypatch):
    """The same with all that a case needs; cells run in this process."""
    install(ACME)
    with suppress(ImportError):  # the report takes an extra
        monkeypatch.setattr("recbench.report.page._vega", lambda: "")
    if not (place / "handed-on").exists():
        asked("run", *ZERO_SHOT)
        asked("data", "add", "spare", *ADDED)
        asked("data", "export", *DATA, "--out", "handed-on")

    def cell(arguments, device, *_):
        with pytest.raises(SystemExit) as left:
            cli.main(["run", *arguments, "--device", device])
        return Ended(left.value.code or 0)

    monkeypatch.setattr(local, "run_cell", cell)
    return asked


def only_text(page):
    assert not of_markdown(page)[0] & {"html_inline", "html_block", "link_open", "image"}


def no_commands(page):
    assert not unescaped_latex(page)


def no_formulas(page):
    assert not formulas(page)


WELL_FORMED = {
    "json": json.loads,
    "csv": no_formulas,
    "latex": no_commands,
    "markdown": only_text,
}


def forms_of(command):
    """Return the forms in which a command prints."""
    for option in commands()[command].params:
        if "--format" in option.opts and option.help == "Of the output.":
            return get_args(option.type_descriptor.annotation)
    return (None,)


@pytest.mark.parametrize(
    ("command", "arguments"),
    [(command, one) for command, cases in CASES.items() for one in cases],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_every_command_shows_text_in_every_form(ready, place, command, arguments, monkeypatch):
    # A study is drawn in each form: the next test looks at what is saved.
    monkeypatch.setattr("recbench.studies.folder.save", lambda *_: None)
    words = list(arguments)
    for word in PLACES.keys() & set(words):
        (record,) = place.glob(f"{PLACES[word]}/*/record.json")
        words[words.index(word)] = str(record.parent)
    for form in forms_of(command):
        page = ready(*command.split(), *words, *(["--format", form] if form else []))
        WELL_FORMED.get(form, str)(page)


def test_what_a_study_writes_is_text(ready, place):
    shown = ready("study", *STUDY, "--dataset", "odd", "--draws", "1", "--results", "studied")
    (folder,) = place.glob("studied/studies/cost/*")
    assert shows_only_text(shown)
    only_text((folder / "table.md").read_text(encoding="utf-8"))
    for name in ("study.json", "figure.svg"):
        assert shows_only_text((folder / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize("study", ["order", "curves"])
def test_a_study_of_what_others_have_run_shows_text(ready, study):
    ready("study", study, "--dataset", "movielens", *THEIRS, code=2)


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


@pytest.mark.parametrize(
    ("known", "texts", "lists"),
    [
        (
            lambda: cards()["movielens"],
            ("title", "description", "licence", "citation", "homepage"),
            ("known_flaws",),
        ),
        (lambda: language_models(print)["tiny"], ("title", "licence", "terms"), ()),
        (lambda: protocol("paper"), ("summary",), ("why", "limits")),
    ],
    ids=["dataset", "language model", "protocol"],
)
def test_what_a_card_says_is_one_line_each(known, texts, lists):
    card = known()
    fields = card.model_dump()
    for name, said in (dict.fromkeys(texts, FORGED) | dict.fromkeys(lists, (FORGED,))).items():
        with pytest.raises(ValidationError, match="expected one line of text"):
            type(card).model_validate(fields | {name: said})
