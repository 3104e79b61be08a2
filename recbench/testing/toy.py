"""
A toy dataset that any model can learn in seconds.

Items stand on a ring; a user starts anywhere and mostly steps to the next item, so the next item is
predictable from the last one, popularity says nothing, and every title is short and distinct.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from recbench.data.catalogue import Catalogue
from recbench.data.ragged import Ragged
from recbench.questions.excluded import Excluded
from recbench.questions.split import PAD, Examples, Split
from recbench.recommender import TrainingData
from recbench.seeding import generator
from recbench.settings import digest

_COLOURS = ("Red", "Green", "Blue", "White", "Black", "Silver")
_THINGS = ("River", "Garden", "Tower", "Harbour", "Forest", "Mirror", "Letter", "Winter")


def toy_split(users: int = 60, items: int = 40, length: int = 12, seed: int = 0) -> Split:
    """
    Make a split: `users` training users, a tenth as many (at least 8) in each evaluation part.

    Parameters
    ----------
    users, items, length
        Training users, catalogue size (at most 48), interactions a user.
    seed
        Another seed, other walks.

    Returns
    -------
    Split
        Histories of 10; raw ids are integers from 100; excluded items are those of the history.
    """
    held_out = max(8, users // 10)
    walks = _walks(users + 2 * held_out, items, length, seed)
    titles = tuple(f"{_COLOURS[i % 6]} {_THINGS[i // 6]}" for i in range(items))
    ids = np.arange(100, 100 + items, dtype=np.int64)
    catalogue = Catalogue(ids, titles, digest([ids.tolist(), titles]))
    validation = _last(walks[users : users + held_out], users)
    test = _last(walks[users + held_out :], users + held_out)
    return Split(
        catalogue=catalogue,
        sequences=Ragged(walks[:users].ravel(), np.arange(users + 1, dtype=np.int64) * length),
        sequence_users=np.arange(users, dtype=np.int32),
        train=_windows(walks[:users]),
        validation=validation,
        test=test,
        excluded_validation=Excluded.each(_ragged(validation.histories)),
        excluded_test=Excluded.each(_ragged(test.histories)),
        digest=digest(["toy", users, items, length, seed]),
        times=_times(users, length),
    )


def toy_next_item_split(users: int = 60, items: int = 40, length: int = 12, seed: int = 0) -> Split:
    """
    Make a split in which all users train: the last item is tested, the one before it validates.

    Parameters
    ----------
    users, items, length, seed
        As for `toy_split`.
    """
    everyone = np.arange(users, dtype=np.int32)
    split, walks = toy_split(users, items, length, seed), _walks(users, items, length, seed)
    validation, test = (Examples(walks[:, :-2], walks[:, -2], everyone), _last(walks, 0))
    return replace(
        split,
        sequences=_ragged(walks[:, :-2]),
        train=_windows(walks[:, :-2]),
        validation=validation,
        test=test,
        excluded_validation=Excluded.each(_ragged(validation.histories)),
        excluded_test=Excluded.each(_ragged(test.histories)),
        digest=digest(["toy next item", users, items, length, seed]),
        times=_times(users, length).reshape(users, length)[:, :-2].ravel(),
    )


def toy_training_data(split: Split | None = None, timed: bool = False) -> TrainingData:
    """Return what a model that reads times, or none, may learn from `split` (`toy_split()`)."""
    split = split or toy_split()
    return TrainingData(
        catalogue=split.catalogue,
        noun=("book", "books"),
        verb="read",
        sequences=split.sequences,
        sequence_users=split.sequence_users,
        train=split.train,
        validation=split.validation,
        digest=split.digest,
        times=split.times if timed else None,
        users_known=split.users_known,
        left_out_users=split.left_out_users,
    )


def _walks(users: int, items: int, length: int, seed: int) -> NDArray[np.int32]:
    random = generator(seed, "toy")
    steps = np.where(random.random((users, length)) < 0.9, 1, 2)
    steps[:, 0] = random.integers(items, size=users)
    return (steps.cumsum(axis=1) % items).astype(np.int32)


def _times(users: int, length: int) -> NDArray[np.int64]:
    """Let a user begin every day, and take a step every hour."""
    days, hours = np.arange(users)[:, None] * 86_400, np.arange(length) * 3_600
    return (days + hours).ravel()


def _last(walks: NDArray[np.int32], first_user: int) -> Examples:
    users = np.arange(first_user, first_user + len(walks), dtype=np.int32)
    return Examples(walks[:, -11:-1], walks[:, -1], users)


def _windows(walks: NDArray[np.int32]) -> Examples:
    users, length = walks.shape
    padded = np.concatenate([np.full((users, 10), PAD, dtype=np.int32), walks], axis=1)
    windows = np.lib.stride_tricks.sliding_window_view(padded, 11, axis=1)[:, 3:].reshape(-1, 11)
    owners = np.repeat(np.arange(users, dtype=np.int32), length - 3)
    return Examples(windows[:, :10].copy(), windows[:, 10].copy(), owners)


def _ragged(rows: NDArray[np.int32]) -> Ragged:
    offsets = np.arange(len(rows) + 1, dtype=np.int64) * rows.shape[1]
    return Ragged(rows.ravel().copy(), offsets)
