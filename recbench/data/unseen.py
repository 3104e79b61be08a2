"""The items that a row may draw, addressed by rank, so that drawing without looking is possible."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recbench.data.split import Ragged
from recbench.data.windows import lengths, ragged


@dataclass(frozen=True)
class Unseen:
    """
    For each row the items that may be drawn, addressed by their rank.

    Attributes
    ----------
    counts
        int64 [rows], free items.
    steps
        int64 [total], ascending: ``row * (items + 1)`` + the rank from which on one more blocked
        item lies below.
    offsets
        int64 [rows + 1], of `steps`.
    items
        Size of the catalogue.
    """

    counts: NDArray[np.int64]
    steps: NDArray[np.int64]
    offsets: NDArray[np.int64]
    items: int

    @classmethod
    def outside(cls, blocked: Ragged, items: int) -> "Unseen":
        """Take each row's blocked items (ascending, distinct) out of ``0..items - 1``."""
        row_lengths = lengths(blocked)
        owners = np.repeat(np.arange(len(blocked)), row_lengths)
        below = np.arange(len(owners)) - blocked.offsets[owners]
        steps = owners * (items + 1) + blocked.values - below
        return cls(items - row_lengths, steps, blocked.offsets, items)

    def at(self, rows: NDArray[np.int64], ranks: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the items that have these ranks (int64 [n, rows]) among each row's free items."""
        passed = np.searchsorted(self.steps, rows * (self.items + 1) + ranks, side="right")
        return ranks + passed - self.offsets[rows]


def union(first: Ragged, second: Ragged) -> Ragged:
    """Return for each row the values of both, ascending and distinct."""
    parts = (first, second)
    owners = np.concatenate([np.repeat(np.arange(len(part)), lengths(part)) for part in parts])
    values = np.concatenate([part.values for part in parts]).astype(np.int64)
    pairs = np.sort(owners << 32 | values)
    pairs = pairs[np.diff(pairs, prepend=-1) > 0]
    counts = np.bincount(pairs >> 32, minlength=len(first))
    return ragged((pairs & 0xFFFFFFFF).astype(np.int32), counts)
