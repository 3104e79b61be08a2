"""What there is in a dataset, in numbers."""

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from recbench.data.dataset import Dataset
from recbench.data.sorted_sets import distinct
from recbench.data.time_units import TimeUnit, shown, unit_of
from recbench.data.titles import UNKNOWN, normalised


class Statistics(BaseModel):
    """
    Numbers of a dataset as prepared, before any protocol leaves something out.

    Attributes
    ----------
    users, complete_users
        With at least one interaction; and of these those who have touched every item, so that
        nothing is left to be a wrong answer.
    items, items_met
        In the catalogue, and of these with at least one interaction.
    interactions
        Rows of the file.
    density
        Interactions per pair of a user and an item of the catalogue; above 1 only where pairs come
        many times.
    shortest, median, mean, longest
        Interactions of a user.
    first, last
        Earliest and latest interaction, UTC, ISO 8601; None where the data have no times.
    time_unit
        The one unit in which all times are then read (`recbench.data.time_units`), likewise.
    titles
        Different ones, case, width and spaces apart.
    untitled
        Items without a title.
    """

    model_config = ConfigDict(frozen=True)

    users: int
    complete_users: int
    items: int
    items_met: int
    interactions: int
    density: float
    shortest: int
    median: float
    mean: float
    longest: int
    first: str | None
    last: str | None
    time_unit: TimeUnit | None
    titles: int
    untitled: int


def statistics(dataset: Dataset) -> Statistics:
    """Count; the dataset must have an interaction."""
    lengths = np.unique(dataset.users, return_counts=True)[1]
    items = len(dataset.catalogue)
    titles = [normalised(title) for title in dataset.catalogue.titles]
    unit = unit_of(dataset.times) if dataset.timed else None
    return Statistics(
        users=len(lengths),
        complete_users=_complete(dataset, lengths),
        items=items,
        items_met=len(np.unique(dataset.items)),
        interactions=len(dataset),
        density=len(dataset) / (len(lengths) * items),
        shortest=int(lengths.min()),
        median=float(np.median(lengths)),
        mean=float(lengths.mean()),
        longest=int(lengths.max()),
        first=shown(int(dataset.times.min()), unit) if unit else None,
        last=shown(int(dataset.times.max()), unit) if unit else None,
        time_unit=unit,
        titles=len(set(titles)),
        untitled=titles.count(UNKNOWN),
    )


def _complete(dataset: Dataset, lengths: NDArray[np.int64]) -> int:
    """Count the users with all items; `lengths` are the interactions of each, by number."""
    items = len(dataset.catalogue)
    long = np.unique(dataset.users)[lengths >= items]  # no other can have them all
    rows = np.isin(dataset.users, long) if long.size else np.zeros(0, dtype=np.int64)
    pairs = distinct(dataset.users[rows].astype(np.int64) * items + dataset.items[rows])
    return int((np.unique(pairs // items, return_counts=True)[1] == items).sum())
