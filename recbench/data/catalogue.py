"""The items of a dataset: raw ids and titles, numbered from 0."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from recbench.settings import digest


@dataclass(frozen=True)
class Catalogue:
    """
    All items, those never interacted with included.

    Attributes
    ----------
    raw_ids
        [items], int64 where every raw id is an integer, else str objects; code i stands for
        raw_ids[i].
    titles
        [items], stripped, one line each, never empty.
    digest
        SHA-256 over ids and titles.
    """

    raw_ids: NDArray[np.int64] | NDArray[np.object_]
    titles: tuple[str, ...]
    digest: str

    def __len__(self) -> int:
        return len(self.titles)

    @cached_property
    def shared_titles(self) -> frozenset[str]:
        """Titles that more than one item has."""
        return frozenset(title for title, count in Counter(self.titles).items() if count > 1)


def make_catalogue(
    raw_ids: NDArray[np.int64] | NDArray[np.object_], titles: Sequence[str]
) -> Catalogue:
    """
    Number items by ascending raw id.

    Parameters
    ----------
    raw_ids
        [items], distinct, in any order.
    titles
        [items], already repaired.
    """
    order = np.argsort(raw_ids, kind="stable")
    ids = raw_ids[order]
    ordered = tuple(titles[i] for i in order.tolist())
    return Catalogue(ids, ordered, digest([ids.tolist(), ordered]))
