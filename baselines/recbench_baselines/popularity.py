"""Popularity: how often an item occurs in the training sequences, the same for everyone."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from recbench.questions.controls import Control
from recbench.questions.queries import Queries
from recbench.recommender import Recommender, Runtime, TrainingData
from recbench.settings import Settings


class Popularity(Recommender):
    """The floor every model should stand above."""

    settings_class = Settings
    summary = "how often an item occurs in the training sequences"
    reference = "non-personalised baseline"
    random_training = False
    controls = frozenset[Control]()

    counts: NDArray[np.float32]

    def fit(self, data: TrainingData, runtime: Runtime) -> dict[str, Any]:  # noqa: ARG002
        """Count; nothing is trained and nothing is random."""
        counts = np.bincount(data.sequences.values, minlength=len(data.catalogue))
        self.counts = counts.astype(np.float32)
        return {"parameters_trained": 0}

    def score(self, queries: Queries, runtime: Runtime) -> NDArray[np.float32]:  # noqa: ARG002
        """Return the candidates' counts, float32 [rows, C]: equal counts stay equal scores."""
        return self.counts[queries.candidates]

    def save(self, folder: Path) -> None:
        """Write ``model.safetensors``."""
        save_file({"counts": self.counts}, folder / "model.safetensors")

    def load(self, folder: Path, data: TrainingData, runtime: Runtime) -> None:  # noqa: ARG002
        """Read back the counts."""
        self.counts = load_file(folder / "model.safetensors")["counts"]
