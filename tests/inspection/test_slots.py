import numpy as np

from recbench.evaluation.outcome import Outcome
from recbench.inspection.slots import slots
from recbench.statistics.intervals import figure


def test_slots_by_hand():
    outcome = Outcome(
        draws=2,
        users=np.array([3, 4], dtype=np.int32),
        writes=True,
        target_slot=np.array([0, 1, 0, 0], dtype=np.int32),
        answer_slot=np.array([0, 0, 0, -1], dtype=np.int32),
        scores=np.zeros((4, 3), dtype=np.float32),
    )
    first, second, third = slots(outcome, 3)
    assert (first.slot, first.rows, first.answered) == (1, 3, 1.0)
    assert first.hit == figure(np.array([1.0, 1.0, 0.0]), 1, np.array([3, 4, 4]))
    assert (second.rows, second.hit.value, second.answered) == (1, 0.0, 0.0)
    assert (third.rows, third.hit, third.answered) == (0, None, 0.0)


def test_where_nothing_valid_was_answered_no_place_has_a_share():
    outcome = Outcome(
        draws=1,
        users=np.zeros(1, dtype=np.int32),
        writes=True,
        target_slot=np.array([1], dtype=np.int32),
        answer_slot=np.array([-1], dtype=np.int32),
    )
    assert [one.answered for one in slots(outcome, 2)] == [None, None]
