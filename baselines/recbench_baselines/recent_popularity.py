"""Recent popularity: how often an item occurs in the last days of training."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from safetensors.numpy import load_file, save_file

from recbench.data.time_units import astray
from recbench.errors import UserError
from recbench.questions.controls import Control
from recbench.questions.queries import Queries
from recbench.recommender import Recommender, Runtime, TrainingData
from recbench.settings import Settings

DAY = 86_400


class RecentPopularitySettings(Settings):
    """
    Settings of `RecentPopularity`.

    Attributes
    ----------
    days
        How long before the latest interaction of the training part counting begins.
    """

    days: float = Field(default=80.0, gt=0)


class RecentPopularity(Recommender):
    """
    What everyone takes at the time.

    Items are ordered by how often they occur in the last days of training and, where that is equal,
    by how often they occur in all of it; a score is a place in this order, from 0. Items that are
    equal in both share a place.
    """

    settings_class = RecentPopularitySettings
    settings: RecentPopularitySettings
    summary = "how often an item occurs in the last days of training"
    reference = "non-personalised baseline; Ji et al., SIGIR 2020, arXiv 2005.13829"
    reads_times = True
    random_training = False
    controls = frozenset[Control]()

    places: NDArray[np.float32]

    def fit(self, data: TrainingData, runtime: Runtime) -> dict[str, Any]:  # noqa: ARG002
        """
        Count; nothing is trained and nothing is random.

        Raises
        ------
        UserError
            Where the data have no times.
        """
        if data.times is None:
            raise UserError(
                "recent-popularity counts the last days of training, and these data have no times; "
                "take popularity, which counts all of it"
            )
        # A time of another magnitude, a typing error perhaps, says neither when training ends nor
        # that something is recent.
        is_sound = ~astray(data.times)
        latest = int(data.times[is_sound].max())
        is_recent = is_sound & (data.times > latest - self.settings.days * DAY)
        items = data.sequences.values
        parts = items[is_recent], items
        counts = np.stack([np.bincount(part, minlength=len(data.catalogue)) for part in parts])
        _, places = np.unique(counts, axis=1, return_inverse=True)
        self.places = places.reshape(-1).astype(np.float32)
        return {"parameters_trained": 0, "interactions_counted": int(is_recent.sum())}

    def score(self, queries: Queries, runtime: Runtime) -> NDArray[np.float32]:  # noqa: ARG002
        """Return the candidates' places, float32 [rows, C], the same for every history."""
        return self.places[queries.candidates]

    def save(self, folder: Path) -> None:
        """Write ``model.safetensors``."""
        save_file({"places": self.places}, folder / "model.safetensors")

    def load(self, folder: Path, data: TrainingData, runtime: Runtime) -> None:  # noqa: ARG002
        """Read back the places."""
        self.places = load_file(folder / "model.safetensors")["places"]
