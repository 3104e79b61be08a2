import math
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from recbench.neural.ranking import expected_hit_ratio, full_ranking_ndcg, validation_steps
from recbench.questions.fraction import with_fraction
from recbench.questions.split import PAD, Examples
from recbench.testing.toy import toy_next_item_split, toy_split, toy_training_data


def example(history: list[int], target: int) -> Examples:
    codes = [np.array(values, dtype=np.int32) for values in ([history], [target], [0])]
    return Examples(*codes)


SCORES = np.array([[5.0, 4.0, 3.0, 3.0, 1.0]], dtype=np.float32)


@pytest.mark.parametrize(
    ("history", "target", "rank"),
    [
        ([PAD, PAD], 0, 1),
        ([PAD, PAD], 1, 2),
        ([PAD, 0], 1, 1),  # what was seen is not ranked
        ([PAD, 0], 2, 3),  # a tie counts against the model
        ([PAD, 2], 3, 3),  # unless the tied item was seen
        ([0, 1], 1, 1),  # a target that was seen stays
        ([PAD, PAD], 4, 5),
    ],
)
def test_ranks_by_hand(history: list[int], target: int, rank: int) -> None:
    rows = example(history, target)
    assert full_ranking_ndcg(SCORES, rows) == pytest.approx(1 / math.log2(1 + rank))
    assert full_ranking_ndcg(SCORES, rows, k=rank - 1) == 0


def test_a_constant_scorer_gets_nothing() -> None:
    rows = example([PAD], 3)
    assert full_ranking_ndcg(np.zeros((1, 20), dtype=np.float32), rows) == 0


@pytest.mark.parametrize("target", range(8))
@pytest.mark.parametrize("candidates", [2, 4, 7, 8, 20])
def test_the_expected_hit_ratio_is_the_mean_over_all_candidate_sets(
    target: int, candidates: int
) -> None:
    scores = np.array([[3, 1, 4, 1, 5, 9, 2, 6]], dtype=np.float32)
    rows = example([PAD, 0], target)
    others = [item for item in range(1, 8) if item != target]
    sets = list(combinations(others, min(candidates - 1, len(others))))
    hits = [all(scores[0, target] > scores[0, item] for item in drawn) for drawn in sets]
    expected = sum(hits) / len(sets)
    assert expected_hit_ratio(scores, rows, candidates) == pytest.approx(expected)


def steps_of(validation_user: int, users_known: bool = True) -> list[tuple[list[int], int]]:
    full, short = [0, 1, 2, 3, 4, 5, 6, 7], [PAD, PAD, 0, 1, 2, 3, 4, 5]
    codes = np.array([full, short], dtype=np.int32)
    validation = Examples(
        codes, np.array([8, 6], np.int32), np.array([validation_user, 8], np.int32)
    )
    train = Examples(codes[:1], validation.targets[:1], np.array([7], np.int32))
    data = replace(toy_training_data(), train=train, validation=validation)
    steps = validation_steps(replace(data, users_known=users_known))
    assert steps.histories.dtype == codes.dtype
    rows = zip(steps.histories.tolist(), steps.targets.tolist(), strict=True)
    return [([item for item in history if item != PAD], target) for history, target in rows]


def test_validation_rows_are_read_step_by_step() -> None:
    assert steps_of(9) == [
        ([0, 1, 2, 3, 4, 5, 6, 7], 8),
        ([0, 1, 2, 3, 4, 5, 6], 7),
        ([0, 1, 2, 3, 4, 5], 6),
        ([0, 1, 2, 3, 4], 5),
        ([0, 1, 2, 3, 4, 5], 6),  # the second row
        ([0, 1, 2, 3, 4], 5),
    ]


def test_what_a_training_user_saw_is_no_validation_step() -> None:
    assert steps_of(7) == [
        ([0, 1, 2, 3, 4, 5, 6, 7], 8),
        ([0, 1, 2, 3, 4, 5], 6),
        ([0, 1, 2, 3, 4], 5),
    ]


def test_validation_steps_do_not_hang_on_the_part_that_is_learnt_from() -> None:
    """A user who trains under the protocol counts as one where a fraction leaves the user out."""
    whole = toy_next_item_split()
    parts = [toy_training_data(with_fraction(whole, share)) for share in (0.1, 0.5, 1)]
    for data in parts:
        assert len(validation_steps(data)) == len(whole.validation)
    apart = toy_split()  # no validation user trains
    read = [
        len(validation_steps(toy_training_data(with_fraction(apart, share)))) for share in (0.1, 1)
    ]
    assert read[0] == read[1] > len(apart.validation)


def test_what_may_be_of_a_training_user_is_no_validation_step() -> None:
    assert steps_of(9, users_known=False) == [
        ([0, 1, 2, 3, 4, 5, 6, 7], 8),
        ([0, 1, 2, 3, 4, 5], 6),
    ]
