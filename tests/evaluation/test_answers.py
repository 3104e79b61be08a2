import numpy as np
import pytest

from recbench.errors import RecbenchError
from recbench.evaluation.answers import NO_CANDIDATE, SHARED_TITLE, first_line, match

TITLES = ("Heat", "Red Heat", "Café Noir", "Hamlet", "hamlet ", "Dead Heat")


def one(answer, candidates, matching="exact"):
    return match([answer], np.array([candidates], dtype=np.int32), TITLES, matching)[0]


@pytest.mark.parametrize(
    ("answer", "slot"),
    [
        ("Heat", 1),
        ("  heat \n", 1),
        ("HEAT\nand more", 1),
        ("red   heat", 0),
        ("Cafe\u0301 noir", 2),
        ("Heat.", NO_CANDIDATE),
        ("I would watch Heat", NO_CANDIDATE),
        ("Dead Heat", NO_CANDIDATE),
        ("", NO_CANDIDATE),
    ],
)
def test_exact_titles_apart_from_case_spaces_and_accents(answer, slot):
    assert one(answer, [1, 0, 2]) == slot


def test_a_title_that_two_candidates_share_is_told_apart_from_nonsense():
    assert one("Hamlet", [0, 3, 4]) == SHARED_TITLE
    assert one("Hamlet", [0, 3, 1]) == 1
    assert one("Macbeth", [0, 3, 4]) == NO_CANDIDATE


@pytest.mark.parametrize(
    ("answer", "slot"),
    [
        ("I would watch CAFÉ NOIR next", 2),
        ("Red Heat", NO_CANDIDATE),  # "heat" is in it too: the released rule calls this invalid
        ("Heat", 0),
        ("heat and café noir", NO_CANDIDATE),
        ("well\nHeat", NO_CANDIDATE),
        ("", NO_CANDIDATE),
    ],
)
def test_the_released_rule_takes_exactly_one_substring(answer, slot):
    assert one(answer, [0, 1, 2], "substring") == slot


def test_the_released_rule_counts_shared_titles_as_well():
    assert one("Hamlet!", [0, 3, 4], "substring") == SHARED_TITLE


@pytest.mark.parametrize("matching", ["exact", "substring"])
@pytest.mark.parametrize("blank", ["", " ", "\u3000"])
def test_nothing_names_a_candidate_without_a_title(matching, blank):
    titles, candidates = ("Heat", blank), np.array([[0, 1]] * 3, dtype=np.int32)
    slots = match(["", " \n", "Heat"], candidates, titles, matching)
    assert slots.tolist() == [NO_CANDIDATE, NO_CANDIDATE, 0]


def test_rows_are_matched_with_their_own_candidates():
    candidates = np.array([[0, 1], [1, 0], [2, 1]], dtype=np.int32)
    for matching in ("exact", "substring"):
        slots = match(["Heat", "Heat", "Heat"], candidates, TITLES, matching)
        np.testing.assert_array_equal(slots, [0, 1, NO_CANDIDATE])
        assert slots.dtype == np.int32


def test_no_rows():
    nothing = np.empty((0, 4), dtype=np.int32)
    assert len(match([], nothing, TITLES)) == len(match([], nothing, TITLES, "substring")) == 0


def test_a_missing_answer_is_an_error():
    with pytest.raises(RecbenchError, match="1 answers to 2 queries"):
        match(["Heat"], np.zeros((2, 3), dtype=np.int32), TITLES)


def test_first_line():
    assert first_line("\n  Heat \r\nmore") == "Heat"
    assert first_line(" \n ") == ""
