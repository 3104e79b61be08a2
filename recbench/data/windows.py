"""Ragged rows cut, chosen and turned into (history, target) windows, without a loop over rows."""

import numpy as np
from numpy.typing import NDArray

from recbench.data.split import PAD, Examples, Ragged


def lengths(rows: Ragged) -> NDArray[np.int64]:
    """Return int64 [rows]."""
    return np.diff(rows.offsets)


def ragged(values: NDArray[np.int32], row_lengths: NDArray[np.int64]) -> Ragged:
    """Cut int32 [total] into rows of the given lengths."""
    offsets = np.zeros(len(row_lengths) + 1, dtype=np.int64)
    np.cumsum(row_lengths, out=offsets[1:])
    return Ragged(values, offsets)


def chosen(rows: Ragged, picks: NDArray[np.int64]) -> Ragged:
    """Return the picked rows, in the order of `picks`."""
    return _cut(rows, rows.offsets[picks], lengths(rows)[picks])


def without_last(rows: Ragged, left_out: NDArray[np.int64]) -> Ragged:
    """Return every row without its last ``left_out[row]`` values, of which it must have as many."""
    return _cut(rows, rows.offsets[:-1], lengths(rows) - left_out)


def _cut(rows: Ragged, starts: NDArray[np.int64], kept: NDArray[np.int64]) -> Ragged:
    offsets = np.concatenate([[0], np.cumsum(kept)])
    flat = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], kept)
    return Ragged(rows.values[flat], offsets)


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


def places(rows: Ragged) -> NDArray[np.int64]:
    """Return int64 [total]: how many values of its row stand before each value."""
    return np.arange(len(rows.values)) - np.repeat(rows.offsets[:-1], lengths(rows))


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
