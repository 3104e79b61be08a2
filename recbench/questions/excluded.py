"""What a row may not be given as a wrong answer: pieces of sequences, shared and not copied."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recbench.data.ragged import Ragged, cut


@dataclass(frozen=True)
class Excluded:
    """
    For each row the items that are neither drawn nor ranked.

    Those of row i are ``values[starts[i]:ends[i]]``. The pieces may overlap: what a user has
    touched before each of a hundred targets is a hundred beginnings of one sequence, so that a row
    takes two numbers, however long its list is.

    Attributes
    ----------
    values
        int32 [total], catalogue codes; within a row in any order, repeats allowed.
    starts, ends
        int64 [rows], 0 <= start <= end <= total.
    """

    values: NDArray[np.int32]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]

    @classmethod
    def each(cls, lists: Ragged) -> "Excluded":
        """Give every row its own list."""
        return cls(lists.values, lists.offsets[:-1], lists.offsets[1:])

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, row: int) -> NDArray[np.int32]:
        return self.values[self.starts[row] : self.ends[row]]

    @property
    def sizes(self) -> NDArray[np.int64]:
        """How long each row's list is, int64 [rows]."""
        return self.ends - self.starts

    @property
    def arrays(self) -> tuple[NDArray[np.int32] | NDArray[np.int64], ...]:
        """
        What a digest of it is made of.

        Where rows follow each other without gap or overlap, `values` and the offsets of a `Ragged`;
        these were hashed before rows could share, and published digests hold them.
        """
        offsets = np.append(self.starts, len(self.values))
        follow = np.array_equal(self.ends, offsets[1:]) and offsets[0] == 0
        return (self.values, offsets) if follow else (self.values, self.starts, self.ends)

    def of(self, rows: NDArray[np.int64]) -> "Excluded":
        """Return what is excluded for `rows`, in their order; `values` are shared."""
        return Excluded(self.values, self.starts[rows], self.ends[rows])

    def lists(self, rows: NDArray[np.int64]) -> Ragged:
        """Return the lists of `rows`, copied."""
        return cut(self.values, self.starts[rows], self.sizes[rows])

    def distinct(self, rows: NDArray[np.int64]) -> tuple[Ragged, NDArray[np.int64]]:
        """Return the different lists of `rows`, copied, and which each row has, int64 [rows]."""
        pieces = self.starts[rows] * (len(self.values) + 1) + self.ends[rows]
        _, first, numbers = np.unique(pieces, return_index=True, return_inverse=True)
        return self.lists(rows[first]), numbers

    def runs(self, most_rows: int, most_items: int) -> Iterator[NDArray[np.int64]]:
        """
        Cut the rows, in their order, into runs whose lists fit into memory.

        Parameters
        ----------
        most_rows, most_items
            Of a run, at least 1: rows, and items on their lists; a row with more is alone.

        Yields
        ------
        ndarray
            int64 [run], row numbers; nothing where there are no rows.
        """
        listed = np.cumsum(self.sizes)
        start = 0
        while start < len(self):
            before = listed[start] - self.sizes[start]
            fitting = int(np.searchsorted(listed, before + most_items, side="right"))
            end = min(max(fitting, start + 1), start + most_rows)
            yield np.arange(start, end)
            start = end
