"""
Co-occurrence: how often an item came soon after those that the user touched last.

Ludewig and Jannach, "Evaluation of session-based recommendation algorithms", UMUAI 2018,
arXiv 1803.09587: sequential rules (SR), which read the last item and weigh by distance.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from safetensors.numpy import load_file, save_file
from scipy.sparse import csr_array

from recbench.data.ragged import Ragged, lengths
from recbench.questions.controls import Control
from recbench.questions.queries import Queries
from recbench.questions.split import PAD
from recbench.recommender import Runtime, TrainingData
from recbench.settings import Settings
from recbench_baselines.item_weights import ItemWeights


class CooccurrenceSettings(Settings):
    """
    Settings of `Cooccurrence`.

    Attributes
    ----------
    window
        How many places after an item another is counted as coming after it; 1 counts the next item
        alone.
    last
        How many of the last items of the history are read.
    decay
        What comes n places after counts for 1 / n ** decay, in counting and in reading: 0 counts
        every place alike.
    """

    window: int = Field(default=20, ge=1)
    last: int = Field(default=10, ge=1)
    decay: float = Field(default=1.0, ge=0)


class Cooccurrence(ItemWeights):
    """
    Counts of what came after what, in the training sequences.

    The item that stands n places from the end of the history counts for 1 / n ** decay. To the sum
    is added the candidate's share of all training interactions, which is below 1: what whole counts
    leave equal, and an empty history, is decided by popularity, as far as float32 tells scores
    apart. From a sum of 2^e on its steps are 2^(e - 23): of N interactions, two candidates of one
    sum that occur less than N 2^(e - 23) times apart may tie, which counts against the target.
    """

    settings_class = CooccurrenceSettings
    settings: CooccurrenceSettings
    summary = "how often an item came soon after those that the user touched last"
    reference = "Ludewig and Jannach, UMUAI 2018, arXiv 1803.09587"

    controls = frozenset[Control]({"shuffled-history"})

    shares: NDArray[np.float32]

    def fit(self, data: TrainingData, runtime: Runtime) -> dict[str, Any]:  # noqa: ARG002
        """Count; nothing is trained and nothing is random."""
        items, sequences = len(data.catalogue), data.sequences
        longest = int(lengths(sequences).max())
        weights = csr_array((items, items))
        for places in range(1, min(self.settings.window, longest - 1) + 1):
            weights += followed(sequences, places, items) * places**-self.settings.decay
        self.weights = weights.astype(np.float32)
        counts = np.bincount(sequences.values, minlength=items)
        self.shares = (counts / counts.sum()).astype(np.float32)
        return {"parameters_trained": 0, "pairs_counted": int(self.weights.nnz)}

    def read(self, histories: NDArray[np.int32], items: int) -> csr_array:
        """Return what the last items count for, float32 [rows, items]."""
        latest = histories[:, : -self.settings.last - 1 : -1]  # [rows, last], the last item first
        rows, back = np.nonzero(latest != PAD)
        counted = (back + 1.0) ** -self.settings.decay
        shape = len(histories), items
        return csr_array((counted.astype(np.float32), (rows, latest[rows, back])), shape=shape)

    def score(self, queries: Queries, runtime: Runtime) -> NDArray[np.float32]:
        """Return the weighted counts and the candidates' shares, float32 [rows, C]."""
        return super().score(queries, runtime) + self.shares[queries.candidates]

    def save(self, folder: Path) -> None:
        """Write ``model.safetensors`` and ``shares.safetensors``."""
        super().save(folder)
        save_file({"shares": self.shares}, folder / "shares.safetensors")

    def load(self, folder: Path, data: TrainingData, runtime: Runtime) -> None:
        """Read back weights and shares."""
        super().load(folder, data, runtime)
        self.shares = load_file(folder / "shares.safetensors")["shares"]


def followed(sequences: Ragged, places: int, items: int) -> csr_array:
    """Count how often each item stands so many places after each other: float64 [items, items]."""
    values, owners = sequences.values, np.repeat(np.arange(len(sequences)), lengths(sequences))
    inside = owners[places:] == owners[:-places]
    pairs = values[:-places][inside], values[places:][inside]
    return csr_array((np.ones(inside.sum()), pairs), shape=(items, items))
