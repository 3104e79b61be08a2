"""Candidates that are read alike."""

import numpy as np
import pytest

from recbench.neural.ties import scored_once
from recbench.questions.queries import Queries

SCORES = np.array([[0.1, 0.2, 0.3, 0.4], [1.1, 1.2, 1.3, 1.4]], dtype=np.float32)
HISTORIES = np.zeros((2, 1), dtype=np.int32)
TITLES = ("A", "B", "A", "C", "C", "B")


@pytest.mark.honesty
def test_the_first_of_a_row_gives_its_score_to_those_read_alike() -> None:
    candidates = np.array([[0, 1, 2, 3], [5, 4, 1, 3]], dtype=np.int32)
    found = scored_once(SCORES, Queries(HISTORIES, candidates), TITLES.__getitem__)
    expected = np.array([[0.1, 0.2, 0.1, 0.4], [1.1, 1.2, 1.1, 1.2]], dtype=np.float32)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == np.float32


@pytest.mark.honesty
def test_of_the_whole_catalogue_as_well() -> None:
    found = scored_once(SCORES, Queries.of_all(HISTORIES, 4), TITLES.__getitem__)
    np.testing.assert_array_equal(found, SCORES[:, [0, 1, 0, 3]])
    assert scored_once(SCORES, Queries.of_all(HISTORIES, 4), int) is SCORES


def test_no_rows_have_no_scores() -> None:
    none = Queries(HISTORIES[:0], np.empty((0, 4), dtype=np.int32))
    assert scored_once(SCORES[:0], none, TITLES.__getitem__).shape == (0, 4)
