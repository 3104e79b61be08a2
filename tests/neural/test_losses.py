import itertools
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from recbench.neural.losses import (
    estimated_softmax,
    full_softmax,
    gbce_beta,
    sampled_bce,
    sampled_gbce,
    sampled_softmax,
)

USERS = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
ITEMS = torch.tensor([[1.0, 1.0], [0.0, 1.0], [-1.0, 0.0]])
TARGETS = torch.tensor([0, 1])


def test_full_softmax_by_hand() -> None:
    # logits: row 0 -> 1, 0, -1 (target 0); row 1 -> 2, 2, 0 (target 1)
    first = -math.log(math.e / (math.e + 1 + 1 / math.e))
    second = -math.log(math.exp(2) / (2 * math.exp(2) + 1))
    assert full_softmax(USERS, ITEMS, TARGETS).item() == pytest.approx((first + second) / 2)


NEGATIVES = torch.tensor([[1, 2], [0, 1]])  # the last one is its row's target


def term(x: float) -> float:
    return -math.log(1 / (1 + math.exp(-x)))


def test_bce_by_hand() -> None:
    expected = (term(1) + term(0) + term(1) + term(2) + term(-2)) / 2
    assert sampled_bce(USERS, ITEMS, TARGETS, NEGATIVES).item() == pytest.approx(expected)


def test_sampled_softmax_by_hand() -> None:
    # logits: row 0 -> 1 against 0, -1; row 1 -> 2 against 2, and its own target not counted
    first = -math.log(math.e / (math.e + 1 + 1 / math.e))
    second = -math.log(1 / 2)
    found = sampled_softmax(USERS, ITEMS, TARGETS, NEGATIVES).item()
    assert found == pytest.approx((first + second) / 2)


def test_sampled_softmax_against_all_others_is_the_full_one() -> None:
    others = torch.tensor([[1, 2], [0, 2]])
    found = sampled_softmax(USERS, ITEMS, TARGETS, others)
    assert found.item() == pytest.approx(full_softmax(USERS, ITEMS, TARGETS).item())


def test_sampled_softmax_of_the_target_alone_says_nothing() -> None:
    users = USERS.clone().requires_grad_()
    loss = sampled_softmax(users, ITEMS, TARGETS, TARGETS[:, None])
    loss.backward()
    assert loss.item() == 0
    assert users.grad is not None
    assert (users.grad == 0).all()


def test_gbce_by_hand() -> None:
    # One negative of four other items: alpha = 1/4, t = 1/2 -> beta = 1/4 (1/2 (1 - 4) + 4) = 5/8.
    assert gbce_beta(1, 5, 0.5) == 0.625
    items = torch.cat([ITEMS, torch.zeros(2, 2)])
    # The target's term is -log(sigmoid(s)^beta); one negative each; 1 + 1 items a position.
    positive = [-math.log((1 / (1 + math.exp(-s))) ** 0.625) for s in (1, 2)]
    negative = [-math.log(1 - 1 / (1 + math.exp(-s))) for s in (0, 2)]
    expected = (sum(positive) + sum(negative)) / 2 / 2
    found = sampled_gbce(USERS, items, TARGETS, NEGATIVES[:, :1], calibration=0.5)
    assert found.item() == pytest.approx(expected)


def test_gbce_without_calibration_is_the_mean_bce() -> None:
    found = sampled_gbce(USERS, ITEMS, TARGETS, NEGATIVES, calibration=0).item()
    assert found == pytest.approx(sampled_bce(USERS, ITEMS, TARGETS, NEGATIVES).item() / 3)


def test_beta_is_the_share_that_is_drawn_at_full_calibration_and_never_above_1() -> None:
    assert gbce_beta(256, 1683, 1) == pytest.approx(256 / 1682)
    assert gbce_beta(256, 1683, 0) == 1
    assert gbce_beta(9, 5, 1) == 1  # drawn with replacement
    assert gbce_beta(1, 1, 1) == 1


def test_scores_of_negatives_are_the_same_however_they_are_looked_up() -> None:
    random = torch.Generator().manual_seed(0)
    users, items = (torch.randn(rows, 4, generator=random) for rows in (5, 24))
    targets = torch.randint(24, (5,), generator=random)
    negatives = torch.randint(24, (5, 6), generator=random)  # 24 items <= 6 * 4: among all scores
    more = torch.cat([items, torch.zeros(1, 4)])  # 25 are more: by their vectors
    for loss in (sampled_softmax, sampled_bce):
        torch.testing.assert_close(
            loss(users, items, targets, negatives), loss(users, more, targets, negatives)
        )


@pytest.mark.parametrize("items", [20, 4000])
@pytest.mark.parametrize("loss", [sampled_softmax, sampled_bce])
def test_the_gradients_are_the_same_twice_in_several_threads(
    loss: Callable[..., Tensor], items: int
) -> None:
    """Indexing by a tensor adds up its gradients in the order in which threads come to them."""
    random = torch.Generator().manual_seed(0)
    users = torch.randn(4000, 32, generator=random)
    targets = torch.randint(20, (4000,), generator=random)
    negatives = torch.randint(20, (4000, 8), generator=random)

    def gradient() -> Tensor:
        vectors = torch.linspace(-1, 1, items * 32).view(items, 32).requires_grad_()
        loss(users, vectors, targets, negatives).backward()
        assert vectors.grad is not None
        return vectors.grad

    before = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        assert all(torch.equal(gradient(), gradient()) for _ in range(5))
    finally:
        torch.set_num_threads(before)


def rows(positions: int, items: int) -> tuple[Tensor, Tensor, Tensor]:
    drawn = torch.Generator().manual_seed(0)
    users, vectors = (torch.randn(n, 3, generator=drawn) for n in (positions, items))
    return users, vectors, torch.randint(items, (positions,), generator=drawn)


def test_a_softmax_estimated_from_all_items_is_the_full_one() -> None:
    users, items, targets = rows(5, 7)
    shuffled = torch.tensor([3, 6, 0, 5, 1, 4, 2])
    found = estimated_softmax(users, items, targets, shuffled)
    torch.testing.assert_close(found, full_softmax(users, items, targets))


@pytest.mark.parametrize("size", [1, 3, 6])
def test_the_estimate_of_what_a_softmax_divides_by_has_no_bias(size: int) -> None:
    users, items, targets = rows(1, 7)
    own = users @ items[targets].T
    # The loss is the divisor's logarithm less the target's score.
    estimates = [
        (estimated_softmax(users, items, targets, torch.tensor(drawn)) + own).exp().item()
        for drawn in itertools.combinations(range(7), size)
        if drawn != (targets.item(),)  # from which nothing can be estimated
    ]
    expected = (users @ items.T).exp().sum().item()
    assert sum(estimates) / len(estimates) == pytest.approx(expected)
    assert len({round(estimate, 4) for estimate in estimates}) > 1


def test_a_target_that_is_drawn_does_not_count() -> None:
    users, items, targets = rows(4, 7)
    others = [code for code in range(7) if code != targets[0]][:3]
    without = estimated_softmax(users[:1], items, targets[:1], torch.tensor(others))
    drawn = torch.tensor([*others, targets[0].item()])
    torch.testing.assert_close(estimated_softmax(users[:1], items, targets[:1], drawn), without)


def test_where_nothing_but_the_target_is_drawn_nothing_is_learnt() -> None:
    users = USERS[:1].clone().requires_grad_()
    loss = estimated_softmax(users, ITEMS, TARGETS[:1], TARGETS[:1])
    loss.backward()
    assert loss.item() == 0
    assert users.grad is not None
    assert (users.grad == 0).all()


def test_more_items_estimate_a_softmax_better() -> None:
    users, items, targets = rows(200, 50)
    random = torch.Generator().manual_seed(1)
    off = [
        sum(
            abs(
                estimated_softmax(
                    users, items, targets, torch.randperm(50, generator=random)[:size]
                ).item()
                - full_softmax(users, items, targets).item()
            )
            for _ in range(20)
        )
        for size in (5, 20, 45)
    ]
    assert off[0] > 2 * off[1] > 4 * off[2] > 0
