"""
The smallest id above that of the last item, and so on upwards.

It knows nothing of users. Where it does well, sequences are sorted by id and not by time: then no
figure says anything about sequences. (LastFM under ``paper`` is such a case.)
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recbench.questions.queries import Queries
from recbench.recommender import Recommender, Runtime, TrainingData
from recbench.settings import Settings


class LastId(Recommender):
    """
    A test of the data, not of taste.

    Ids are compared as the catalogue sorts them: numbers as numbers, text as text. After the
    largest id comes the smallest; an empty history begins there.
    """

    settings_class = Settings
    summary = "the smallest id above that of the last item: exposes sequences that are sorted by id"
    reference = "a check of the data, as the card of lastfm reports it"
    random_training = False

    items: int

    def fit(self, data: TrainingData, runtime: Runtime) -> dict[str, Any]:  # noqa: ARG002
        """Learn nothing but how many items there are."""
        self.items = len(data.catalogue)
        return {"parameters_trained": 0}

    def score(self, queries: Queries, runtime: Runtime) -> NDArray[np.float32]:  # noqa: ARG002
        """Return minus the steps from the last item up to each candidate, float32 [rows, C]."""
        # Codes ascend as ids do, and the PAD of an empty history lies just below the first.
        last = queries.histories[:, -1:].astype(np.int64)
        return -((queries.candidates - last - 1) % self.items).astype(np.float32)

    def save(self, folder: Path) -> None:
        """Write nothing: nothing was learnt."""

    def load(self, folder: Path, data: TrainingData, runtime: Runtime) -> None:  # noqa: ARG002
        """Count the items again."""
        self.fit(data, runtime)
