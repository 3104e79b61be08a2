"""
A part of the training users: how much a model learns from less data.

Validation and test rows stay as they are. The parts are nested: whoever is among 10% of the users
is among 25% of them, too, whatever the seed of training.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from recbench.data.ragged import chosen
from recbench.errors import UserError
from recbench.questions.sampling import Words
from recbench.questions.split import Examples, Split
from recbench.settings import digest


def with_fraction(split: Split, fraction: float) -> Split:
    """
    Keep the training sequences and rows of a part of the training users.

    Parameters
    ----------
    split
        Under any protocol; where the tested users train as well, it is their training part that is
        kept or left out.
    fraction
        In (0, 1]; 1 returns `split` itself.

    Returns
    -------
    Split
        Of another digest. The number of users is rounded to the nearest, and at least 1. What may
        be drawn as a negative does not change.

    Raises
    ------
    UserError
        If the fraction is not in (0, 1], or the users that are kept have no training row.
    """
    if not 0 < fraction <= 1:
        raise UserError(f"--train-fraction must be above 0 and at most 1, not {fraction:g}")
    if fraction == 1:
        return split
    users = _first(split.sequence_users, max(1, round(fraction * len(split.sequence_users))))
    rows = np.flatnonzero(np.isin(split.train.users, users))
    if not rows.size:
        raise UserError(
            f"--train-fraction {fraction:g} keeps {len(users)} users without a training row; "
            "give a larger one"
        )
    kept = np.flatnonzero(np.isin(split.sequence_users, users))
    train = split.train
    return replace(
        split,
        sequences=chosen(split.sequences, kept),
        sequence_users=split.sequence_users[kept],
        train=Examples(train.histories[rows], train.targets[rows], train.users[rows]),
        digest=digest([split.digest, "training users", users.tolist()]),
    )


def _first(users: NDArray[np.int32], count: int) -> NDArray[np.int32]:
    """Return `count` of the distinct `users`, ascending, by numbers drawn for all users once."""
    bounds = np.full(int(users.max()) + 1, 2**32 - 1)
    drawn = Words(0, "training users").below(bounds)
    return np.sort(users[np.argsort(drawn[users], kind="stable")[:count]])
