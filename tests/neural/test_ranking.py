import math

import numpy as np
import pytest

from recbench.data.split import PAD, Examples
from recbench.neural.ranking import full_ranking_ndcg


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
