"""
Losses of next-item prediction: over the whole catalogue, an estimate of that, or against negatives.

Of the sampled ones a negative that is the target itself does not count, as `negatives` says.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F


def full_softmax(users: Tensor, items: Tensor, targets: Tensor) -> Tensor:
    """
    Cross-entropy of the target among all items.

    Parameters
    ----------
    users
        float [P, d], one a position.
    items
        float [N, d].
    targets
        int64 [P], codes in 0..N-1.

    Returns
    -------
    Tensor
        Scalar, the mean over positions, in nats; NaN if there is none.
    """
    return F.cross_entropy(users @ items.T, targets)


def estimated_softmax(users: Tensor, items: Tensor, targets: Tensor, drawn: Tensor) -> Tensor:
    """
    Estimate `full_softmax` from some of the items.

    What the softmax divides by is the target's own term and a sum over the N - 1 others. That sum
    is estimated by importance sampling (Bengio and Senécal, IEEE Transactions on Neural Networks
    19, 2008): m of the others were drawn, uniformly, so each counts (N - 1) / m times, which is
    what subtracting log Q does to a score. The target is always there and is not drawn, so it
    counts once (Khrylchenko et al., RecSys 2025, arXiv 2507.09331). The divisor's estimate is
    without bias; the loss, its logarithm, is too low by about its variance, which falls with m.

    Parameters
    ----------
    users, items, targets
        As for `full_softmax`.
    drawn
        int64 [S], distinct codes in 0..N-1, for all positions; a position's target does not count.
        All N of them give `full_softmax`.

    Returns
    -------
    Tensor
        Scalar, the mean over positions, in nats; 0 of a position that none counts for.
    """
    positive = (users * F.embedding(targets, items)).sum(-1)
    is_target = drawn == targets[:, None]  # [P, S]
    counted = (len(drawn) - is_target.sum(1, keepdim=True)).clamp(min=1)
    times = torch.log((len(items) - 1) / counted)
    others = (users @ F.embedding(drawn, items).T + times).masked_fill(is_target, -math.inf)
    return F.cross_entropy(torch.cat([positive[:, None], others], dim=1), torch.zeros_like(targets))


def sampled_softmax(users: Tensor, items: Tensor, targets: Tensor, negatives: Tensor) -> Tensor:
    """
    Cross-entropy of the target among itself and sampled items.

    Nothing corrects for how likely an item was to be drawn (logQ): uniform drawing adds the same to
    every score, which changes no softmax.

    Parameters
    ----------
    users, items, targets
        As for `full_softmax`.
    negatives
        int64 [P, S], codes in 0..N-1; one that equals its position's target does not count.

    Returns
    -------
    Tensor
        Scalar, the mean over positions, in nats; 0 of a position that no negative counts for.
    """
    positive, negative = _logits(users, items, targets, negatives)
    others = negative.masked_fill(negatives == targets[:, None], -math.inf)
    return F.cross_entropy(torch.cat([positive[:, None], others], dim=1), torch.zeros_like(targets))


def sampled_bce(
    users: Tensor, items: Tensor, targets: Tensor, negatives: Tensor, beta: float = 1.0
) -> Tensor:
    """
    Binary cross-entropy of the target against sampled items (Kang and McAuley, ICDM 2018, eq. 6).

    Parameters
    ----------
    users, items, targets
        As for `full_softmax`.
    negatives
        int64 [P, S], codes in 0..N-1; one that equals its position's target does not count. (The
        paper draws from the items that the user never touched.)
    beta
        Power to which the target's probability is raised: its term is beta times as large.

    Returns
    -------
    Tensor
        Scalar: the mean over positions of the target's term plus the sum of the negatives' terms.
    """
    positive, negative = _logits(users, items, targets, negatives)
    counted = negatives != targets[:, None]
    return (beta * F.softplus(-positive) + (F.softplus(negative) * counted).sum(-1)).mean()


def sampled_gbce(
    users: Tensor, items: Tensor, targets: Tensor, negatives: Tensor, calibration: float
) -> Tensor:
    """
    Generalised binary cross-entropy (Petrov and Macdonald, RecSys 2023, eq. 8).

    Few negatives make a model too sure of the target; here its probability is raised to a power
    `gbce_beta` below 1, so that less of it is needed.

    Parameters
    ----------
    users, items, targets, negatives
        As for `sampled_bce`.
    calibration
        The paper's t, as for `gbce_beta`.

    Returns
    -------
    Tensor
        Scalar: `sampled_bce` with that power, divided by the S + 1 items of a position.
    """
    beta = gbce_beta(negatives.shape[1], len(items), calibration)
    return sampled_bce(users, items, targets, negatives, beta) / (negatives.shape[1] + 1)


def gbce_beta(negatives: int, items: int, calibration: float) -> float:
    """
    Return beta = alpha (t (1 - 1 / alpha) + 1 / alpha), in (0, 1].

    Parameters
    ----------
    negatives, items
        Alpha, the share of the other items that is drawn, is the one over the other less 1. (It
        is at most 1 here: ours are drawn with replacement, so there can be more.)
    calibration
        t: 0 gives beta = 1, plain binary cross-entropy; 1 gives beta = alpha, with which the
        model's probabilities are those of a training against all items.
    """
    alpha = min(1.0, negatives / max(1, items - 1))
    return calibration * (alpha - 1) + 1


def _logits(
    users: Tensor, items: Tensor, targets: Tensor, negatives: Tensor
) -> tuple[Tensor, Tensor]:
    """
    Return the scores of targets [P] and negatives [P, S].

    The negatives' are looked up among those of all items where these, [P, N], take less memory
    than the negatives' vectors, [P, S, d]; that is also much faster. Looked up by `F.embedding`:
    the gradients of an index add up in whatever order threads come to them.
    """
    positive = (users * F.embedding(targets, items)).sum(-1)
    if len(items) <= negatives.shape[1] * items.shape[1]:
        return positive, (users @ items.T).gather(1, negatives)
    return positive, torch.einsum("pd,psd->ps", users, F.embedding(negatives, items))
