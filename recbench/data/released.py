"""
A dataset that is a finished split: its rows were published, the interactions behind them were not.

ID models learn from whole sequences, so these are pieced together from the training rows: a row
whose history is the end of the row before it, target included, is taken to go on with it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from recbench.data.ragged import Ragged, lengths, ragged

PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class Rows:
    """
    The rows of a finished split, as released.

    Attributes
    ----------
    train, validation, test
        Each row holds a history, oldest first, and its target as last value.
    validation_candidates, test_candidates
        int32 [rows, C], the items to choose from that the rows bring, the target among them,
        ascending: they are a set, whose order in the file could give the target away. None where
        the rows bring none.
    """

    train: Ragged
    validation: Ragged
    test: Ragged
    validation_candidates: NDArray[np.int32] | None = None
    test_candidates: NDArray[np.int32] | None = None

    @property
    def candidates(self) -> int | None:
        """Candidates that each test row brings; None where they are drawn."""
        return None if self.test_candidates is None else self.test_candidates.shape[1]

    def arrays(self) -> list[NDArray[Any]]:
        """Return everything there is, to be hashed."""
        parts = [array for part in self._parts() for array in (part.values, part.offsets)]
        brought = self.validation_candidates, self.test_candidates
        return parts + [array for array in brought if array is not None]

    def table(self) -> pa.Table:
        """Return the rows as a table, the parts one after another."""
        parts = self._parts()
        counts = [len(part) for part in parts]
        items = pa.array(np.concatenate([part.values for part in parts]))
        cuts = np.cumsum([0, *np.concatenate([lengths(part) for part in parts])])
        columns = {
            "part": np.repeat(PARTS, counts),
            "items": pa.LargeListArray.from_arrays(cuts, items),
        }
        if self.test_candidates is not None:
            columns["candidates"] = _as_lists(
                [None, self.validation_candidates, self.test_candidates], counts
            )
        return pa.table(columns)

    @classmethod
    def of(cls, table: pa.Table) -> "Rows":
        """Read what `table` made."""
        train, validation, test = (_rows_of(_of_part(table, name)["items"]) for name in PARTS)
        if "candidates" not in table.column_names:
            return cls(train, validation, test)
        brought = (_as_array(_of_part(table, name)["candidates"]) for name in PARTS[1:])
        return cls(train, validation, test, *brought)

    def _parts(self) -> list[Ragged]:
        return [self.train, self.validation, self.test]


def _of_part(table: pa.Table, name: str) -> pa.Table:
    return table.filter(pa.compute.equal(table["part"], name))


def _rows_of(lists: pa.ChunkedArray) -> Ragged:
    sizes = pa.compute.list_value_length(lists).to_numpy()
    return ragged(pa.compute.list_flatten(lists).to_numpy(), sizes)


def _as_lists(parts: list[NDArray[np.int32] | None], counts: list[int]) -> pa.Array:
    """Return one list a row, empty where its part has no array."""
    arrays = [
        np.empty((count, 0), np.int32) if part is None else part
        for part, count in zip(parts, counts, strict=True)
    ]
    sizes = np.concatenate([np.full(len(array), array.shape[1]) for array in arrays])
    values = pa.array(np.concatenate([array.ravel() for array in arrays]))
    return pa.LargeListArray.from_arrays(np.cumsum([0, *sizes]), values)


def _as_array(lists: pa.ChunkedArray) -> NDArray[np.int32] | None:
    """Return int32 [rows, C]; None of empty lists."""
    values: NDArray[np.int32] = pa.compute.list_flatten(lists).to_numpy()
    return values.reshape(len(lists), -1) if len(values) else None


def pieced(rows: Ragged) -> tuple[Ragged, NDArray[np.int32]]:
    """
    Piece sequences together from the windows that were cut out of them.

    Parameters
    ----------
    rows
        Each holds a history, oldest first, and its target as last value. The windows of a user
        stand together, oldest first, and are of one history length H: the longest there is.

    Returns
    -------
    sequences : Ragged
        In the order of their first rows. Row t + 1 continues row t if its history is not empty
        and the last H values of row t (all of them, if row t is shorter). A user whose windows do
        not overlap this way becomes several sequences, two users whose rows happen to fit become
        one.
    owners : ndarray
        int32 [rows], the sequence of each row, from 0.

    Examples
    --------
    >>> rows = Ragged(np.array([7, 8, 9, 8, 9, 5, 8, 9, 6], np.int32), np.array([0, 3, 6, 9]))
    >>> sequences, owners = pieced(rows)
    >>> [sequences[i].tolist() for i in range(len(sequences))], owners.tolist()
    ([[7, 8, 9, 5], [8, 9, 6]], [0, 0, 1])
    """
    row_lengths = lengths(rows)
    begins = ~_continues(rows, row_lengths)
    owners = np.cumsum(begins) - 1
    # A sequence is its first row and the targets of the others.
    kept = np.repeat(begins, row_lengths)
    kept[rows.offsets[1:] - 1] = True
    sizes = np.bincount(np.repeat(owners, row_lengths)[kept], minlength=int(begins.sum()))
    return ragged(rows.values[kept], sizes), owners.astype(np.int32)


def _continues(rows: Ragged, row_lengths: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return bool [rows]: whether a row goes on with the row before it."""
    history = row_lengths - 1
    expected = np.minimum(history.max(initial=0), np.roll(row_lengths, 1))
    found = (history == expected) & (history > 0)
    found[:1] = False
    likely = np.flatnonzero(found)
    # Each value of a likely row's history, and the value that should be equal: the history's
    # length before it, where the end of the row before lies.
    ends = np.cumsum(history[likely])
    shift = np.repeat(history[likely], history[likely])
    here = np.arange(len(shift)) + np.repeat(
        rows.offsets[likely] - ends + history[likely], history[likely]
    )
    differ = rows.values[here] != rows.values[here - shift]
    found[np.repeat(likely, history[likely])[differ]] = False
    return found
