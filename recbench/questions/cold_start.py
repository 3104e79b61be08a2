"""How much there is to go on in each test row: what cold-start analysis groups rows by."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recbench.data.ragged import lengths
from recbench.questions.split import PAD, Split


@dataclass(frozen=True)
class ColdStart:
    """
    Counts of each test example.

    Attributes
    ----------
    target_count
        int32 [examples], training interactions of the target; 0 is a cold item.
    user_count
        int32 [examples], training interactions of the user; 0 is a new user.
    history_length
        int32 [examples], items in the visible history.
    """

    target_count: NDArray[np.int32]
    user_count: NDArray[np.int32]
    history_length: NDArray[np.int32]


def cold_start(split: Split) -> ColdStart:
    """Count in the training sequences and the histories of a split."""
    test, users = split.test, split.sequence_users
    items = np.bincount(split.sequences.values, minlength=len(split.catalogue))
    most = max(users.max(initial=-1), test.users.max(initial=-1)) + 1
    by_user = np.zeros(most, dtype=np.int64)
    by_user[users] = lengths(split.sequences)
    return ColdStart(
        target_count=items[test.targets].astype(np.int32),
        user_count=by_user[test.users].astype(np.int32),
        history_length=(test.histories != PAD).sum(axis=1).astype(np.int32),
    )
