"""Sequences turned into (history, target) windows, without a loop over rows."""

import numpy as np
from numpy.typing import NDArray

from recbench.data.ragged import Ragged, places, ragged
from recbench.questions.split import PAD, Examples


def windows(rows: Ragged, users: NDArray[np.int32], history: int, min_history: int) -> Examples:
    """
    Make every position of every row with enough before it a target.

    Parameters
    ----------
    rows
        Sequences, oldest first.
    users
        int32 [rows], whose they are.
    history, min_history
        Items before the target: at most, at least (0 admits a row's first item, its history all
        PAD).

    Returns
    -------
    The examples in the order of rows, oldest target first.
    """
    return examples_at(rows, users, history, np.flatnonzero(places(rows) >= min_history))


def last_windows(rows: Ragged, users: NDArray[np.int32], history: int, back: int = 0) -> Examples:
    """Make one example a row, its target `back` before the last; rows must be longer than that."""
    return examples_at(rows, users, history, rows.offsets[1:] - 1 - back)


def seen(examples: Examples) -> Ragged:
    """Return each example's visible history without padding."""
    visible = examples.histories != PAD
    return ragged(examples.histories[visible], visible.sum(axis=1))


def examples_at(
    rows: Ragged, users: NDArray[np.int32], history: int, targets: NDArray[np.int64]
) -> Examples:
    """Make the values at `targets` (int64 [n], positions in ``rows.values``) targets, in order."""
    owners = np.searchsorted(rows.offsets, targets, side="right") - 1
    room = targets - rows.offsets[owners]
    padded = np.concatenate([np.full(history, PAD, dtype=np.int32), rows.values])
    histories = np.lib.stride_tricks.sliding_window_view(padded, history)[targets]
    # Where its row begins within the window, what lies before is another row's.
    short = np.flatnonzero(room < history)
    cut = histories[short]
    cut[np.arange(history) < history - room[short, None]] = PAD
    histories[short] = cut
    return Examples(histories, rows.values[targets], users[owners])
