"""LLaRA's and iLoRA's ``test.csv``, as their ``on_test_epoch_end`` writes it."""

import random

import pandas as pd
import pytest

from recbench.errors import DataError, UserError
from recbench.outside.answers import read_answers
from recbench.outside.formats import llara


def content(sheet):
    """Return what their code collects, one a batch of one row, and what it stands for by key."""
    titles, test = sheet.question.split.catalogue.titles, sheet.question.split.test
    found = {"generate": [], "real": [], "cans": []}
    written = {}
    for number in range(len(test)):
        cans = [titles[code] for code in sheet.shown(number)]
        text = "" if number == 3 else cans[0] if number % 2 else 'No, "really", I\'d say'
        written[sheet.keys[number]] = text
        found["generate"].append(text)
        found["real"].append(titles[test.targets[number]])
        found["cans"].append(cans)
    return found, written


def saved(found, file):
    pd.DataFrame(found).to_csv(file)
    return file


def read(file, sheet):
    return read_answers(file, llara.read(file, sheet), sheet)


@pytest.mark.parametrize("kind", ["text", "scores"])
def test_a_row_answers_the_question_with_its_candidates(sheet, tmp_path, kind):
    made = sheet(kind, "paper", draws=1)
    found, written = content(made)
    for cans in found["cans"]:
        random.Random(0).shuffle(cans)  # their loader may shuffle them again
    file = saved(pd.DataFrame(found).sample(frac=1, random_state=0), tmp_path / "test.csv")
    answers = read(file, made)
    assert answers.texts == [written[key] for key in made.keys]


def test_questions_that_are_not_answered_in_text_are_refused(sheet, tmp_path):
    made = sheet(draws=3)
    with pytest.raises(UserError, match=r"LLaRA answers in text; .*--kind text"):
        read(saved(content(sheet("text", "paper"))[0], tmp_path / "a"), made)


BROKEN = {
    "other columns": (lambda t: t.rename(columns={"cans": "can"}), "line 1: expected the columns"),
    "other order": (lambda t: t[["cans", "real", "generate"]], "line 1: expected the columns"),
    "more columns": (lambda t: t.assign(**{"a": 1, "b": 2})[["a", "b", *t.columns]],
                     "line 1: expected the columns"),
    "other candidates": (lambda t: t.assign(cans=[["Film 1"]] * len(t)), "line 2.*those of none"),
    "no list": (lambda t: t.assign(cans="Film 1"), "line 2: expected a list of titles as cans"),
    "a call": (lambda t: t.assign(cans="__import__('os').system('true')"), "a list of titles"),
    "deep": (lambda t: t.assign(cans="[" * 50_000), "a list of titles"),
    "no titles": (lambda t: t.assign(cans="[1, 2]"), "a list of titles"),
    "double": (lambda t: pd.concat([t, t[:1]]), "expected each question once"),
    "missing": (lambda t: t[1:], "1 of 6 questions have no answer"),
    "empty": (lambda t: t[:0], "6 of 6 questions have no answer"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_not_as_theirs_is_refused(sheet, tmp_path, name):
    change, message = BROKEN[name]
    made = sheet("text", "paper")
    file = saved(change(pd.DataFrame(content(made)[0])), tmp_path / "test.csv")
    with pytest.raises(DataError, match=message):
        read(file, made)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: expected the columns generate, real, cans, found "),
        ('generate,real,cans\na,"b', "CSV as pandas writes it"),
        ("generate,real,cans\na,b\n", "line 2: expected 3 fields, found 2"),
    ],
)
def test_what_is_no_table_is_refused(sheet, tmp_path, text, message):
    (tmp_path / "a").write_text(text)
    with pytest.raises(DataError, match=message):
        read(tmp_path / "a", sheet("text", "paper"))


def test_what_is_not_utf8_is_refused(sheet, tmp_path):
    (tmp_path / "a").write_bytes(b"generate,real,cans\n\xff,b,c\n")
    with pytest.raises(DataError, match="line 2"):
        read(tmp_path / "a", sheet("text", "paper"))
