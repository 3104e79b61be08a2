"""Rows of unequal length in two arrays: cut and chosen without a loop over rows."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Ragged:
    """
    Rows of unequal length: row i is ``values[offsets[i]:offsets[i + 1]]``.

    Attributes
    ----------
    values
        int32 [total], catalogue codes in 0..items-1.
    offsets
        int64 [rows + 1], ascending, from 0 to total.
    """

    values: NDArray[np.int32]
    offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> NDArray[np.int32]:
        return self.values[self.offsets[row] : self.offsets[row + 1]]


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
    return cut(rows.values, rows.offsets[picks], lengths(rows)[picks])


def without_last(rows: Ragged, left_out: NDArray[np.int64]) -> Ragged:
    """Return every row without its last ``left_out[row]`` values, of which it must have as many."""
    return cut(rows.values, rows.offsets[:-1], lengths(rows) - left_out)


def cut(
    values: NDArray[np.int32], starts: NDArray[np.int64], row_lengths: NDArray[np.int64]
) -> Ragged:
    """Return the pieces of int32 [total] that begin at `starts`; they may overlap."""
    offsets = np.concatenate([[0], np.cumsum(row_lengths)])
    flat = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], row_lengths)
    return Ragged(values[flat], offsets)


def places(rows: Ragged) -> NDArray[np.int64]:
    """Return int64 [total]: how many values of its row stand before each value."""
    return np.arange(len(rows.values)) - np.repeat(rows.offsets[:-1], lengths(rows))
