"""
Base of the models that know which item goes with which, by one weight for every two items.

A candidate's score is the sum of the weights from the items of the history to it, each times what
that item counts for in the history: of histories H [rows, items] and weights W the scores are H W.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from scipy.sparse import csr_array, issparse

from recbench.data.ragged import Ragged, ragged
from recbench.questions.controls import Control
from recbench.questions.queries import Queries
from recbench.questions.split import PAD
from recbench.recommender import Recommender, Runtime, TrainingData

CELLS_AT_ONCE = 1 << 23
"""Most rows times items held as a whole, unless one row has more; no result depends on it."""

_FEW = 8
"""Weights are looked up where the catalogue is so many times the candidates; no result depends."""


def occurring(rows: Ragged, items: int) -> csr_array:
    """Return float32 [rows, items], one where an item occurs in a row, however often."""
    ones = np.ones(len(rows.values), dtype=np.float32)
    # Copied: scipy would write into the rows' own offsets where an item occurs more than once.
    found = csr_array((ones, rows.values, rows.offsets), shape=(len(rows), items), copy=True)
    found.sum_duplicates()
    found.data[:] = 1
    return found


def looked_up(
    table: csr_array | NDArray[np.float32], rows: NDArray[Any], columns: NDArray[Any]
) -> NDArray[np.float32]:
    """
    Return the values at some places, by bisection where the table is sparse.

    Parameters
    ----------
    table
        [items, items]; a sparse one has the columns of each row in order.
    rows, columns
        Integers of shapes that broadcast.
    """
    if isinstance(table, np.ndarray):
        return table[rows, columns]
    first, end = np.broadcast_arrays(table.indptr[rows], table.indptr[rows + 1], columns)[:2]
    if not table.nnz:
        return np.zeros(first.shape, np.float32)
    last = end
    while (open_ := first < last).any():
        middle = first + (last - first) // 2  # a sum of two may not fit
        before = open_ & (table.indices.take(middle, mode="clip") < columns)
        first, last = np.where(before, middle + 1, first), np.where(before, last, middle)
    there = (first < end) & (table.indices.take(first, mode="clip") == columns)
    return np.where(there, table.data.take(first, mode="clip"), np.float32(0))


class ItemWeights(Recommender):
    """
    A model whose score is a sum over the history.

    Attributes
    ----------
    weights
        float32 [items, items], from an item of the history (row) to a candidate (column): sparse,
        or whole where few of them are nought.
    """

    random_training = False
    controls = frozenset[Control]()

    weights: csr_array | NDArray[np.float32]

    def read(self, histories: NDArray[np.int32], items: int) -> csr_array:
        """
        Return what each item counts for in each history, float32 [rows, items].

        Here a history is a set: one for each item in it.
        """
        visible = histories != PAD
        return occurring(ragged(histories[visible], visible.sum(axis=1)), items)

    def score(self, queries: Queries, runtime: Runtime) -> NDArray[np.float32]:  # noqa: ARG002
        """Return the sums, float32 [rows, C]; an empty history gives noughts."""
        items = self.weights.shape[0]
        few = queries.candidates.shape[1] * _FEW <= items
        return self._of_few(queries, items) if few else self._of_all(queries, items)

    def _of_few(self, queries: Queries, items: int) -> NDArray[np.float32]:
        """Look the weights up, in the order in which a product adds them up."""
        read = self.read(queries.histories, items)
        scores, held = np.zeros(queries.candidates.shape, np.float32), np.diff(read.indptr)
        for place in range(held.max(initial=0)):
            rows = np.flatnonzero(held > place)
            at = read.indptr[rows] + place
            weights = looked_up(self.weights, read.indices[at, None], queries.candidates[rows])
            scores[rows] += read.data[at, None] * weights
        return scores

    def _of_all(self, queries: Queries, items: int) -> NDArray[np.float32]:
        """Multiply the histories with all weights, some rows at a time."""
        size = max(1, CELLS_AT_ONCE // items)
        scores = np.empty(queries.candidates.shape, dtype=np.float32)
        for start in range(0, len(queries), size):
            part = queries[start : start + size]
            of_all = self.read(part.histories, items) @ self.weights
            whole = of_all.toarray() if issparse(of_all) else of_all
            scores[start : start + size] = np.take_along_axis(whole, part.candidates, axis=1)
        return scores

    def save(self, folder: Path) -> None:
        """Write ``model.safetensors``."""
        parts = ("data", "indices", "indptr")
        sparse = {name: getattr(self.weights, name) for name in parts if issparse(self.weights)}
        save_file(sparse or {"weights": self.weights}, folder / "model.safetensors")

    def load(self, folder: Path, data: TrainingData, runtime: Runtime) -> None:  # noqa: ARG002
        """Read back the weights."""
        stored = load_file(folder / "model.safetensors")
        if "weights" in stored:
            self.weights = stored["weights"]
        else:
            parts = stored["data"], stored["indices"], stored["indptr"]
            self.weights = csr_array(parts, shape=(len(data.catalogue),) * 2)
