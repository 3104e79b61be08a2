import numpy as np
import pytest

from recbench.data.ragged import ragged
from recbench.questions.excluded import Excluded

VALUES = np.array([5, 3, 8, 8, 1, 9], dtype=np.int32)
SHARED = Excluded(VALUES, np.array([0, 0, 2, 0, 4, 2]), np.array([2, 4, 4, 2, 4, 6]))
LISTS = [[5, 3], [5, 3, 8, 8], [8, 8], [5, 3], [], [8, 8, 1, 9]]


def test_rows_are_pieces_of_one_array():
    assert [SHARED[row].tolist() for row in range(len(SHARED))] == LISTS
    assert all(np.shares_memory(SHARED[row], VALUES) for row in (0, 1, 5))
    assert SHARED.sizes.tolist() == [2, 4, 2, 2, 0, 4]


def test_lists_are_those_of_the_rows_that_are_asked_for():
    rows = np.array([5, 4, 0])
    lists = SHARED.lists(rows)
    assert [lists[i].tolist() for i in range(3)] == [LISTS[row] for row in rows]


def test_equal_pieces_are_listed_once():
    rows = np.array([3, 1, 0, 2, 3])
    lists, numbers = SHARED.distinct(rows)
    assert len(lists) == 3
    assert [lists[i].tolist() for i in numbers] == [LISTS[row] for row in rows]


def test_what_is_hashed_of_rows_with_lists_of_their_own_is_what_was_before_they_could_share():
    own = ragged(VALUES, np.array([2, 0, 4]))
    values, offsets = Excluded.each(own).arrays
    assert (values.tolist(), offsets.tolist()) == (VALUES.tolist(), [0, 2, 2, 6])
    none = Excluded.each(ragged(VALUES[:0], np.zeros(0, dtype=np.int64)))
    assert [part.tolist() for part in none.arrays] == [[], [0]]


@pytest.mark.parametrize(
    ("starts", "ends"),
    [([0, 2], [2, 5]), ([1, 2], [2, 6]), ([0, 3], [2, 6]), ([0, 1], [2, 6])],
    ids=["short", "late", "gap", "overlap"],
)
def test_what_is_hashed_of_others_holds_both_ends(starts, ends):
    arrays = Excluded(VALUES, np.array(starts), np.array(ends)).arrays
    assert [part.tolist() for part in arrays[1:]] == [starts, ends]


@pytest.mark.parametrize(
    ("most_rows", "most_items", "runs"),
    [
        (6, 100, [[0, 1, 2, 3, 4, 5]]),
        (4, 100, [[0, 1, 2, 3], [4, 5]]),
        (6, 6, [[0, 1], [2, 3, 4], [5]]),
        (2, 6, [[0, 1], [2, 3], [4, 5]]),
        (6, 1, [[0], [1], [2], [3], [4], [5]]),
    ],
)
def test_runs_fit_into_memory(most_rows, most_items, runs):
    assert [run.tolist() for run in SHARED.runs(most_rows, most_items)] == runs


def test_no_rows_are_no_runs():
    none = Excluded(VALUES, np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))
    assert [*none.runs(5, 5)] == []
    assert len(none) == 0
