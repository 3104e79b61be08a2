"""Training rows cut from whole sequences; histories cut and moved to where a module wants them."""

import numpy as np
from numpy.typing import NDArray

from recbench.data.ragged import Ragged
from recbench.questions.split import PAD

Codes = NDArray[np.int32]


def chunks(sequences: Ragged, length: int) -> tuple[Codes, Codes]:
    """
    Cut sequences into pieces in which every item but a sequence's first is a target once.

    Parameters
    ----------
    sequences
        Oldest first; one with fewer than 2 items gives nothing.
    length
        Most inputs a piece has, at least 1.

    Returns
    -------
    inputs, targets
        int32 [pieces, length], PAD on the right; ``targets[i, t]`` follows ``inputs[i, t]``. Pieces
        are cut from the end, so that only a sequence's oldest piece is shorter.
    """
    rows = _cut(sequences, length)
    inputs = np.full((len(rows), length), PAD, dtype=np.int32)
    targets = inputs.copy()
    for row, piece in enumerate(rows):
        inputs[row, : len(piece) - 1] = piece[:-1]
        targets[row, : len(piece) - 1] = piece[1:]
    return inputs, targets


def pieces(sequences: Ragged, length: int) -> Codes:
    """
    Cut sequences into pieces that overlap in one item, so that each has company.

    Parameters
    ----------
    sequences
        Oldest first; one with fewer than 2 items gives nothing.
    length
        Most items a piece has, at least 2.

    Returns
    -------
    numpy.ndarray
        int32 [pieces, length], PAD on the left, of 2 items or more each. Pieces are cut from the
        end, so that only a sequence's oldest piece is shorter.
    """
    rows = _cut(sequences, length - 1)
    cut = np.full((len(rows), length), PAD, dtype=np.int32)
    for row, piece in enumerate(rows):
        cut[row, length - len(piece) :] = piece
    return cut


def _cut(sequences: Ragged, steps: int) -> list[Codes]:
    """Return runs of at most so many steps from item to item; every step is in one of them."""
    return [
        sequence[max(0, end - steps) : end + 1]
        for sequence in (sequences[row] for row in range(len(sequences)))
        for end in range(len(sequence) - 1, 0, -steps)
    ]


def last_columns(histories: Codes, length: int) -> Codes:
    """Return int32 [rows, length]: the latest items of left-padded histories [rows, H]."""
    missing = max(0, length - histories.shape[1])
    padded = np.pad(histories, ((0, 0), (missing, 0)), constant_values=PAD)
    return padded[:, padded.shape[1] - length :]


def flush_left(histories: Codes) -> tuple[Codes, NDArray[np.int64]]:
    """
    Move the padding of histories from the left to the right.

    Returns
    -------
    histories
        int32 [rows, H], PAD on the right.
    lengths
        int64 [rows], items in each, 0 for an empty one.
    """
    lengths = (histories != PAD).sum(axis=1)
    columns = np.arange(histories.shape[1])[None] + (histories.shape[1] - lengths)[:, None]
    moved = np.take_along_axis(histories, columns % max(1, histories.shape[1]), axis=1)
    return np.where(np.arange(histories.shape[1]) < lengths[:, None], moved, PAD), lengths


def longest(histories: Codes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """
    Find the histories that contain the others: many begin as another does, and end before it.

    Parameters
    ----------
    histories
        int32 [rows, H], PAD on the right, H at least 1.

    Returns
    -------
    kept
        int64 [K], rows of which none is the beginning of another; of equal rows one.
    beginning
        int64 [rows], in 0..K-1: of which of the `kept` each row is the beginning, or the whole.
    """
    # PAD is the least: right after the beginning of a row comes one that begins as it does.
    order = np.lexsort(histories.T[::-1])
    before, after = histories[order[:-1]], histories[order[1:]]
    differs = ((before != after) & (before != PAD)).any(axis=1)
    ends = np.append(differs, True)[: len(order)]
    beginning = np.empty(len(order), dtype=np.int64)
    beginning[order] = ends.cumsum() - ends
    return order[ends], beginning
