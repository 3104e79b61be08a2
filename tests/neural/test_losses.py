import math

import pytest
import torch

from recbench.neural.losses import full_softmax, sampled_bce

USERS = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
ITEMS = torch.tensor([[1.0, 1.0], [0.0, 1.0], [-1.0, 0.0]])
TARGETS = torch.tensor([0, 1])


def test_full_softmax_by_hand() -> None:
    # logits: row 0 -> 1, 0, -1 (target 0); row 1 -> 2, 2, 0 (target 1)
    first = -math.log(math.e / (math.e + 1 + 1 / math.e))
    second = -math.log(math.exp(2) / (2 * math.exp(2) + 1))
    assert full_softmax(USERS, ITEMS, TARGETS).item() == pytest.approx((first + second) / 2)


def test_bce_by_hand() -> None:
    def term(x: float) -> float:
        return -math.log(1 / (1 + math.exp(-x)))

    negatives = torch.tensor([[1, 2], [0, 1]])  # the last one is its row's target
    expected = (term(1) + term(0) + term(1) + term(2) + term(-2)) / 2
    assert sampled_bce(USERS, ITEMS, TARGETS, negatives).item() == pytest.approx(expected)
