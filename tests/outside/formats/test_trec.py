"""Run files as TREC's evaluation reads them."""

import random

import pytest

from recbench.errors import DataError
from recbench.evaluation.ranks import target_ranks
from recbench.outside.answers import read_answers
from recbench.outside.formats import plain, trec


def lines(sheet, others=()):
    ids = sheet.ids
    return [
        f"{sheet.keys[number]} Q0 {ids[code]} {rank} {100 - int(ids[code])}.5 bm25"
        for number in sheet.order
        for rank, code in enumerate([*sheet.shown(number), *others], start=1)
    ]


def read(file, sheet):
    return read_answers(file, trec.read(file, sheet), sheet)


@pytest.fixture
def saved(tmp_path):
    def save(found):
        (tmp_path / "a.run").write_text("\n".join(found) + "\n")
        return tmp_path / "a.run"

    return save


def test_a_run_ranks_by_its_scores_in_whatever_order(sheet, rows_of, write, saved):
    made = sheet(draws=3)
    file = write(rows_of(made, "ranking"))
    wanted = read_answers(file, plain.read(file, made), made)
    found = read(saved(random.Random(0).sample(lines(made), len(lines(made)))), made)
    target = made.question.pack.target_position.ravel()
    assert target_ranks(found.scores, target).tolist() == (
        target_ranks(wanted.scores, target).tolist()
    )


def test_items_that_are_no_candidates_are_passed_over(sheet, saved):
    made = sheet(draws=1)
    whole = {number: set(made.shown(number).tolist()) for number in range(len(made.keys))}
    other = [code for code in range(80) if not any(code in one for one in whole.values())]
    ranked = read(saved(lines(made)), made)
    assert read(saved(lines(made, other)), made).digest == ranked.digest


def test_ties_count_against_the_system(sheet, saved):
    made = sheet(draws=1)
    same = [line.rpartition(" ")[0].rpartition(" ")[0] + " 1 a" for line in lines(made)]
    found = read(saved(same), made)
    ranks = target_ranks(found.scores, made.question.pack.target_position.ravel())
    assert set(ranks.tolist()) == {20}


def test_a_run_of_other_items_alone_is_refused(sheet, saved):
    made = sheet(draws=1)
    whole = [set(made.shown(number).tolist()) for number in range(len(made.keys))]
    rows = [
        f"{key} Q0 {next(made.ids[c] for c in range(80) if c not in shown)} 1 1 t"
        for key, shown in zip(made.keys, whole, strict=True)
    ]
    with pytest.raises(DataError, match="no row names a candidate of its question"):
        read(saved(rows), made)


def test_rows_whose_top_holds_no_candidate_are_counted(sheet, saved):
    made = sheet(draws=1)
    other = lines(made)
    for number, line in enumerate(other[: 20 * 7]):
        key, *_ = line.split()
        shown = made.shown(made.examples[key]).tolist()
        elsewhere = [made.ids[code] for code in range(80) if code not in shown]
        other[number] = f"{key} Q0 {elsewhere[number % 20]} 1 1 t"
    assert read(saved(other), made).unnamed == 7
    assert read(saved(lines(made)), made).unnamed == 0


BROKEN = {
    "five fields": (lambda ls: [ls[0][:-5], *ls[1:]], "line 1: expected a line of six fields"),
    "no number": (lambda ls: [*ls[:2], "a Q0 b 1 x t"], "line 3: expected a line of six fields"),
    "twice": (lambda ls: [*ls, ls[0]], r"line \d+: expected each item of a key once"),
    "NaN": (lambda ls: [ls[0].replace(".5 ", "nan "), *ls[1:]], "expected a line of six"),
    "not a number": (lambda ls: [" ".join([*ls[0].split()[:4], "nan", "t"]), *ls[1:]],
                     "finite numbers, found nan"),
    "foreign": (lambda ls: ["a Q0 1 1 1 t", *ls], "line 1: expected the key of a question"),
    "no item": (lambda ls: [*ls, f"{ls[0].split()[0]} Q0 x 1 1 t"], "items of the dataset"),
    "missing": (lambda ls: ls[:-20], "1 of 60 questions have no answer"),
    "empty": (lambda _: [], "60 of 60 questions have no answer"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_run_is_refused(sheet, saved, name):
    change, message = BROKEN[name]
    made = sheet(draws=1)
    with pytest.raises(DataError, match=message):
        read(saved(change(lines(made))), made)
