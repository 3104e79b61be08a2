import numpy as np
import pytest

from recbench.evaluation.outcome import Outcome
from recbench.inspection.recommended import recommended

HOLDERS = np.array([3, 1, 0, 2])


def outcome_of(answers):
    return Outcome(
        draws=1,
        users=np.arange(len(answers), dtype=np.int32),
        writes=True,
        target_slot=np.ones(len(answers), dtype=np.int32),
        answer_slot=np.array(answers, dtype=np.int32),
    )


def test_recommended_by_hand():
    candidates = np.array([[0, 1], [0, 2], [1, 0]], dtype=np.int32)
    found = recommended(outcome_of([0, 0, -1]), candidates, HOLDERS, sequences=3)
    assert (found.answers, found.items, found.offered) == (2, 1, 3)  # item 0, of items 0, 1 and 2
    assert found.coverage == pytest.approx(1 / 3)
    assert found.popularity == 3
    assert found.popularity_of_targets == pytest.approx((1 + 0 + 3) / 3)
    assert found.popularity_of_candidates == pytest.approx((3 + 1 + 3 + 0 + 1 + 3) / 6)
    assert found.lift == pytest.approx(3 / (11 / 6))
    assert found.novelty == 0  # all three sequences hold it


def test_an_item_that_nobody_has_touched_is_new():
    found = recommended(outcome_of([0]), np.array([[2, 3]], dtype=np.int32), HOLDERS, sequences=3)
    assert found.novelty == 2  # bits: one of four


def test_without_a_valid_answer_there_is_nothing_to_describe():
    assert recommended(outcome_of([-1]), np.array([[0, 1]], dtype=np.int32), HOLDERS, 3) is None


def test_items_that_nobody_has_touched_have_no_lift():
    candidates = np.array([[2, 2]], dtype=np.int32)
    assert recommended(outcome_of([0]), candidates, HOLDERS, 3).lift is None
