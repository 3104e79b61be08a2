import numpy as np
import pytest

from recbench.errors import RecbenchError
from recbench.evaluation import ranks
from recbench.evaluation.ranks import candidate_ranks, checked_scores, target_ranks, top_slots


def test_ranks_by_hand_with_ties_against_the_model():
    scores = np.array([[0.9, 0.5, 0.1], [0.5, 0.9, 0.1], [0.5, 0.9, 0.5], [0.9, 0.9, 0.1]])
    target = np.array([0, 0, 0, 0], dtype=np.int16)
    np.testing.assert_array_equal(target_ranks(scores, target), [1, 2, 3, 2])


def test_a_constant_scorer_ranks_every_target_last_wherever_it_stands():
    target = np.arange(20, dtype=np.int16)
    scores = np.zeros((20, 20), dtype=np.float32)
    assert (target_ranks(scores, target) == 20).all()
    assert (top_slots(scores, target) != target).all()


def test_the_named_candidate_is_the_target_exactly_where_it_ranks_first():
    random = np.random.default_rng(0)
    scores = random.integers(0, 4, size=(500, 6)).astype(np.float32)
    target = random.integers(0, 6, size=500).astype(np.int16)
    named = top_slots(scores, target)
    np.testing.assert_array_equal(named == target, target_ranks(scores, target) == 1)
    assert (np.take_along_axis(scores, named[:, None].astype(int), 1)[:, 0] == scores.max(1)).all()


@pytest.mark.parametrize("cells", [1, 6, 20, 599, 600])
def test_many_rows_are_looked_at_by_blocks(monkeypatch, cells):
    random = np.random.default_rng(0)
    scores = random.integers(0, 4, size=(100, 6)).astype(np.float32)
    target = random.integers(0, 6, size=100).astype(np.int16)
    expected = target_ranks(scores, target), top_slots(scores, target)
    compared, real = [], ranks._target_ranks
    monkeypatch.setattr(ranks, "CELLS_AT_ONCE", cells)
    monkeypatch.setattr(
        ranks, "_target_ranks", lambda *given: compared.append(given[0].size) or real(*given)
    )
    np.testing.assert_array_equal(target_ranks(scores, target), expected[0])
    np.testing.assert_array_equal(top_slots(scores, target), expected[1])
    assert max(compared) <= max(cells, 6)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_scores_that_are_no_numbers_are_an_error_that_names_the_row(bad):
    scores = np.zeros((3, 4), dtype=np.float32)
    rows = np.array([4, 12, 7])
    checked_scores(scores, (3, 4), rows)
    scores[2, 1] = bad
    with pytest.raises(RecbenchError, match="row 7, candidate 1"):
        checked_scores(scores, (3, 4), rows)


def test_scores_of_another_shape_are_an_error():
    with pytest.raises(RecbenchError, match=r"\(3, 1\), expected \(3, 4\)"):
        checked_scores(np.zeros((3, 1), dtype=np.float32), (3, 4), np.arange(3))


def test_scores_that_float32_cannot_tell_apart_are_an_error():
    with pytest.raises(RecbenchError, match="type float64, expected float32"):
        checked_scores(np.array([[1.7e9, 1.7e9 + 1]]), (1, 2), np.arange(1))


def test_every_candidate_is_ranked_as_a_target_is() -> None:
    scores = np.array([0.5, 2.0, 0.5, -1.0], dtype=np.float32)
    assert candidate_ranks(scores).tolist() == [3, 1, 3, 4]
    for slot in range(4):
        (own,) = target_ranks(scores[None], np.array([slot], dtype=np.int32))
        assert candidate_ranks(scores)[slot] == own
