"""
EASE: a linear model of all items that is solved at once.

Steck, "Embarrassingly shallow autoencoders for sparse data", WWW 2019, arXiv 1905.03375.
"""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.linalg import lapack

from recbench.data.ragged import Ragged
from recbench.errors import UserError
from recbench.recommender import Runtime, TrainingData
from recbench.settings import Settings
from recbench_baselines.item_weights import CELLS_AT_ONCE, ItemWeights, occurring

CELL_BYTES = 12
"""Of a pair of items, at the peak: a float64 that is inverted, and the float32 that is kept."""


class EASESettings(Settings):
    """
    Settings of `EASE`.

    Attributes
    ----------
    l2
        Weight of the squared weights, the paper's lambda, in users.
    most_items
        The largest catalogue that is tried: it takes 12 bytes of memory, and 4 on disk, for every
        two items, and time as the cube of their number.
    """

    runtime: ClassVar[frozenset[str]] = frozenset({"most_items"})
    l2: float = Field(default=1200.0, ge=1e-3)
    most_items: int = Field(default=30_000, ge=1)


class EASE(ItemWeights):
    """
    The weights that best restore every training user's set of items, none from an item to itself.

    With X [sequences, items], one where an item occurs, and P the inverse of X'X + l2 I, the weight
    from i to j is -P[i, j] / P[j, j].
    """

    settings_class = EASESettings
    settings: EASESettings
    summary = "a linear model of all items, solved at once"
    reference = "Steck, WWW 2019, arXiv 1905.03375"

    def rehearse(self, data: TrainingData, candidates: int, runtime: Runtime) -> None:  # noqa: ARG002
        """Refuse a catalogue that is too large; of any other say how much memory it takes."""
        runtime.report(f"ease: {self._memory(len(data.catalogue))}")

    def fit(self, data: TrainingData, runtime: Runtime) -> dict[str, Any]:  # noqa: ARG002
        """
        Solve; nothing is random.

        Raises
        ------
        UserError
            For more than `most_items` items.
        """
        items = len(data.catalogue)
        self._memory(items)
        inverse = inverted(gram(data.sequences, items, self.settings.l2))
        self.weights = np.empty((items, items), dtype=np.float32)
        np.divide(inverse, -np.diag(inverse), out=self.weights, casting="same_kind")
        np.fill_diagonal(self.weights, 0)
        return {"parameters_trained": items * (items - 1)}

    def _memory(self, items: int) -> str:
        """Say what so many items take, or refuse them."""
        takes = f"{items:,} items take {CELL_BYTES * items**2 / 2**20:,.0f} MiB of memory"
        if items > (most := self.settings.most_items):
            raise UserError(
                f"ease solves for at most most_items={most} items, and {takes}: give --set "
                f"most_items={items} where there is as much, or take itemknn"
            )
        return takes


def gram(sequences: Ragged, items: int, l2: float) -> NDArray[np.float64]:
    """Count the sequences that hold both of two items, and add l2 from an item to itself."""
    touched = occurring(sequences, items)
    users = touched.T.tocsr()  # [items, sequences]
    counts, size = np.empty((items, items)), max(1, CELLS_AT_ONCE // items)
    for start in range(0, items, size):
        counts[start : start + size] = (users[start : start + size] @ touched).toarray()
    counts.flat[:: items + 1] += l2
    return counts


def inverted(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Invert a symmetric positive definite matrix in its own memory."""
    # LAPACK reads columns first, and so the transpose, which is the same matrix; it writes a half.
    factor, failed = lapack.dpotrf(counts.T, lower=True, clean=False, overwrite_a=True)
    assert not failed, "l2 is large enough for every matrix of counts"
    inverse, _ = lapack.dpotri(factor, lower=True, overwrite_c=True)
    for row in range(len(inverse)):
        inverse[row, row + 1 :] = inverse[row + 1 :, row]
    return inverse
