"""
ItemKNN: items whose users are the same.

Deshpande and Karypis, "Item-based top-N recommendation algorithms", TOIS 2004, with the shrinkage
that Dacrema et al., "Are we really making much progress?", RecSys 2019, arXiv 1907.06902, tune.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.sparse import csr_array, vstack

from recbench.recommender import Runtime, TrainingData
from recbench.settings import Settings
from recbench_baselines.item_weights import CELLS_AT_ONCE, ItemWeights, occurring


class ItemKNNSettings(Settings):
    """
    Settings of `ItemKNN`.

    Attributes
    ----------
    neighbours
        How many of the items most similar to an item of the history it speaks for.
    shrinkage
        Added to the cosine's denominator, in users: of two pairs of one cosine the one that is seen
        in more users is the more similar.
    """

    neighbours: int = Field(default=1000, ge=1)
    shrinkage: float = Field(default=0.0, ge=0)


class ItemKNN(ItemWeights):
    """
    The cosine of the users of two items, for the nearest neighbours of each.

    With n(i) the training sequences that hold i and n(i, j) those that hold both, the similarity is
    n(i, j) / (sqrt(n(i) n(j)) + shrinkage), and nought from an item to itself. A candidate's score
    is the sum of the similarities of those items of the history of which it is a neighbour. An item
    that is as similar as the last of the neighbours is one as well, so that no order of the items
    decides. Candidates that are neighbours of none have equal scores of nought.
    """

    settings_class = ItemKNNSettings
    settings: ItemKNNSettings
    summary = "items whose users are the same: cosine, nearest neighbours"
    reference = "Deshpande and Karypis, TOIS 2004, doi:10.1145/963770.963776"

    def fit(self, data: TrainingData, runtime: Runtime) -> dict[str, Any]:  # noqa: ARG002
        """Compare all items, a block of them at a time; nothing is random."""
        items = len(data.catalogue)
        touched = occurring(data.sequences, items)
        users = touched.T.tocsr()  # [items, sequences]
        counts = np.diff(users.indptr)
        size = max(1, CELLS_AT_ONCE // items)
        blocks = []
        for start in range(0, items, size):
            both = users[start : start + size] @ touched  # sparse [block, items]
            one, other = start + row_of_each(both), both.indices
            norms = np.sqrt(counts[one] * counts[other].astype(np.float64))
            similar = both.data / np.maximum(norms + self.settings.shrinkage, 1)
            similar[one == other] = 0
            blocks.append(nearest(both, similar, self.settings.neighbours))
        self.weights = vstack(blocks, format="csr")
        return {"parameters_trained": 0, "similarities_kept": int(self.weights.nnz)}


def row_of_each(table: csr_array) -> NDArray[np.int32]:
    """Return the row of each stored value."""
    return np.repeat(np.arange(table.shape[0], dtype=np.int32), np.diff(table.indptr))


def nearest(table: csr_array, values: NDArray[np.float64], neighbours: int) -> csr_array:
    """Keep of each row the largest values above nought, and all that equal the last of them."""
    least = np.zeros(table.shape[0])
    for row in np.flatnonzero(np.diff(table.indptr) > neighbours):
        own = values[table.indptr[row] : table.indptr[row + 1]]
        least[row] = np.partition(own, -neighbours)[-neighbours]
    rows = row_of_each(table)
    kept = (values >= least[rows]) & (values > 0)
    found = values[kept].astype(np.float32), (rows[kept], table.indices[kept].astype(np.int32))
    return csr_array(found, shape=table.shape)
