"""
A part of the training users: how much a model learns from less data.

Validation and test rows stay as they are. The parts are nested: whoever is among 10% of the users
is among 25% of them, too, whatever the seed of training.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from recbench.data.ragged import chosen, lengths
from recbench.errors import UserError
from recbench.questions.sampling import Words
from recbench.questions.split import Examples, Split
from recbench.settings import digest

FEWEST = 2
"""Users from whom a model can learn what is alike in several."""


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
        Of another digest. The number of users is rounded to the nearest. What may be drawn as a
        negative does not change, nor how validation rows are read: those of a user who is left out
        stay rows of a training user (`Split.left_out_users`).

    Raises
    ------
    UserError
        If the fraction is not in (0, 1], or keeps fewer than `FEWEST` users or no training row; the
        message names one that works.
    """
    if not 0 < fraction <= 1:
        raise UserError(f"--train-fraction must be above 0 and at most 1, not {fraction:g}")
    if fraction == 1:
        return split
    there = split.sequence_users
    users = np.sort(_in_turn(there)[: round(fraction * len(there))])
    rows = np.flatnonzero(np.isin(split.train.users, users))
    if len(users) < FEWEST or not rows.size:
        least = _fewest(split) / len(there)
        found = f"{len(users)} of {len(there)} users, {len(rows)} training rows"
        raise UserError(
            f"--train-fraction {fraction:g} keeps {found}, from which nothing can be learnt; "
            + (f"give {least:g} or more" if least < 1 else "leave it out")
        )
    kept = np.flatnonzero(np.isin(there, users))
    train, times = split.train, split.times
    idle = np.intersect1d(np.setdiff1d(train.users, users), split.validation.users)
    if times is not None:
        times = times[np.repeat(np.isin(there, users), lengths(split.sequences))]
    return replace(
        split,
        sequences=chosen(split.sequences, kept),
        sequence_users=there[kept],
        times=times,
        train=Examples(train.histories[rows], train.targets[rows], train.users[rows]),
        digest=digest([split.digest, "training users", users.tolist()]),
        left_out_users=np.union1d(split.left_out_users, idle),
    )


def _in_turn(users: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return the distinct `users` in the order of numbers that were drawn for all users once."""
    bounds = np.full(int(users.max()) + 1, 2**32 - 1)
    drawn = Words(0, "training users").below(bounds)
    return users[np.argsort(drawn[users], kind="stable")]


def _fewest(split: Split) -> int:
    """Return how many users it takes to have `FEWEST` of them and a training row."""
    there = split.sequence_users
    learnt = np.isin(_in_turn(there), split.train.users)
    return max(FEWEST, int(learnt.argmax()) + 1) if learnt.any() else len(there)
