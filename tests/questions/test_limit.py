from dataclasses import replace

import numpy as np
import pytest

from recbench.questions.candidates import draw
from recbench.questions.full_ranking import FullRanking
from recbench.questions.limit import first_rows
from recbench.questions.protocols import protocol
from recbench.testing.toy import toy_split


@pytest.fixture(scope="module")
def split():
    return toy_split(users=120)


def test_the_first_rows_are_asked_as_they_are_among_all(split):
    pack = draw(split, protocol("paper"), "test", 3, 0)
    few, first = first_rows(split, pack, 5)
    np.testing.assert_array_equal(first.candidates, pack.candidates[:5])
    np.testing.assert_array_equal(first.target_position, pack.target_position[:5])
    np.testing.assert_array_equal(few.test.histories, split.test.histories[:5])
    assert len(few.excluded_test) == 5
    assert first.hash != pack.hash
    assert few.digest != split.digest
    assert few.training_digest == split.training_digest


def test_a_full_ranking_is_of_the_first_rows(split):
    few, first = first_rows(split, FullRanking.of(split, "test"), 5)
    assert (len(first), first.size) == (5, 40)
    assert first.examples is few.test


def test_rows_that_bring_their_candidates_keep_them(split):
    given = np.zeros((12, 4), dtype=np.int32)
    few, _ = first_rows(replace(split, given_test=given), FullRanking.of(split, "test"), 5)
    assert few.given_test.shape == (5, 4)
