"""Losses of next-item prediction: full softmax cross-entropy, and BCE with sampled negatives."""

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


def sampled_bce(users: Tensor, items: Tensor, targets: Tensor, negatives: Tensor) -> Tensor:
    """
    Binary cross-entropy of the target against sampled items (Kang and McAuley, ICDM 2018, eq. 6).

    Parameters
    ----------
    users, items, targets
        As for `full_softmax`.
    negatives
        int64 [P, S], codes in 0..N-1; one that equals its position's target does not count. (The
        paper draws from the items that the user never touched.)

    Returns
    -------
    Tensor
        Scalar: the mean over positions of the target's term plus the sum of the negatives' terms.
    """
    positive = (users * items[targets]).sum(-1)  # [P]
    negative = torch.einsum("pd,psd->ps", users, items[negatives])  # [P, S]
    counted = negatives != targets[:, None]
    return (F.softplus(-positive) + (F.softplus(negative) * counted).sum(-1)).mean()
