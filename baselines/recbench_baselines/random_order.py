"""Random: every item gets a number that says nothing of it; what chance alone is worth."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recbench.questions.controls import Control
from recbench.questions.queries import Queries
from recbench.questions.split import PAD
from recbench.recommender import Recommender, Runtime, TrainingData
from recbench.seeding import generator
from recbench.settings import Settings

SEED = "seed.txt"


class RandomOrder(Recommender):
    """
    Chance.

    The numbers of a row come from the seed and its own history, one for each item of the catalogue.
    A generator that went on from row to row would answer a row by what was asked before it, and
    another copy of the model would answer otherwise; one that drew for the candidates in their
    order would answer each by the others. Rows of one history are answered alike.
    """

    settings_class = Settings
    summary = "a random order of the items, another for every history and seed"
    reference = "non-personalised baseline: chance"
    controls = frozenset[Control]()

    items: int
    seed: int

    def fit(self, data: TrainingData, runtime: Runtime) -> dict[str, Any]:
        """Keep the seed, and how many items there are."""
        self.items, self.seed = len(data.catalogue), runtime.seed
        return {"parameters_trained": 0}

    def score(self, queries: Queries, runtime: Runtime) -> NDArray[np.float32]:  # noqa: ARG002
        """Return numbers in [0, 1), float32 [rows, C]."""
        scores = np.empty(queries.candidates.shape, dtype=np.float32)
        for row, (history, candidates) in enumerate(
            zip(queries.histories, queries.candidates, strict=True)
        ):
            own = generator(self.seed, "random", *history[history != PAD].tolist())
            scores[row] = own.random(self.items, dtype=np.float32)[candidates]
        return scores

    def save(self, folder: Path) -> None:
        """Write ``seed.txt``: all that one such model has and another has not."""
        (folder / SEED).write_text(f"{self.seed}\n", encoding="utf-8")

    def load(self, folder: Path, data: TrainingData, runtime: Runtime) -> None:  # noqa: ARG002
        """Read the seed back, and count the items again."""
        self.items = len(data.catalogue)
        self.seed = int((folder / SEED).read_text(encoding="utf-8"))
