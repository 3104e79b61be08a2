"""What test rows may draw, counted, and how likely a draw is to hold it, without drawing."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from recbench.data.ragged import Ragged, chosen, lengths, ragged
from recbench.data.titles import TitleGroups
from recbench.questions.protocols import Protocol
from recbench.questions.split import Split
from recbench.questions.unseen import holds, union

Numbers = NDArray[np.int64]

_EXCLUDED_AT_ONCE = 1 << 23  # as when packs are drawn; no result depends on it


@dataclass(frozen=True)
class Free:
    """
    The items that some test rows may draw: neither excluded, nor the target, nor its namesakes.

    Attributes
    ----------
    items
        Size of the catalogue.
    numbers
        int64 [rows], which of the split's test rows these are.
    lists, rows
        Excluded items, ascending and distinct, and int64 [rows], the list of each row.
    targets
        [rows], the target and, where titles must differ, its namesakes.
    """

    items: int
    numbers: Numbers
    lists: Ragged
    rows: Numbers
    targets: Ragged

    @classmethod
    def of(cls, split: Split, protocol: Protocol) -> Iterator["Free"]:
        """Count for the test rows of a split, as many at a time as fit into memory."""
        alike = TitleGroups.of if protocol.distinct_titles else TitleGroups.apart
        groups, excluded = alike(split.catalogue), split.excluded_test
        for numbers in excluded.runs(len(excluded), _EXCLUDED_AT_ONCE):
            lists, rows = excluded.distinct(numbers)
            nothing = ragged(np.empty(0, dtype=np.int32), np.zeros(len(lists), dtype=np.int64))
            targets = chosen(groups.items, groups.numbers[split.test.targets[numbers]])
            yield cls(len(split.catalogue), numbers, union(lists, nothing), rows, targets)

    @property
    def counts(self) -> Numbers:
        """How many each row may draw, int64 [rows]."""
        return self.items - lengths(self.lists)[self.rows] - self._outside_lists(self.targets)

    def among(self, marked: Ragged) -> Numbers:
        """How many of each row's `marked` items, distinct in a row, it may draw, int64 [rows]."""
        owners = np.repeat(np.arange(len(marked)), lengths(marked))
        others = ~holds(self.targets, owners, marked.values)
        counts = np.bincount(owners[others], minlength=len(marked))
        return self._outside_lists(ragged(marked.values[others], counts))

    def at_least(self, values: Numbers, least: Numbers) -> Numbers:
        """
        Return how many items of a value of at least `least` each row may draw.

        Parameters
        ----------
        values
            int64 [items], none negative.
        least
            int64 [rows].
        """
        everywhere = self.items - np.searchsorted(np.sort(values), least)
        top = int(values.max(initial=0)) + 1
        owners = np.repeat(np.arange(len(self.lists)), lengths(self.lists))
        sorted_lists = np.sort(owners * top + values[self.lists.values])
        below = np.searchsorted(sorted_lists, self.rows * top + np.minimum(least, top))
        listed = np.searchsorted(sorted_lists, (self.rows + 1) * top) - below
        owners = np.repeat(np.arange(len(self.targets)), lengths(self.targets))
        high = values[self.targets.values] >= least[owners]
        counts = np.bincount(owners[high], minlength=len(self.targets))
        targets = self._outside_lists(ragged(self.targets.values[high], counts))
        return everywhere - listed - targets

    def _outside_lists(self, items: Ragged) -> Numbers:
        owners = np.repeat(np.arange(len(items)), lengths(items))
        pairs = self.rows[owners] << 32 | items.values
        places = np.searchsorted(self._listed, pairs)
        outside = self._listed[places] != pairs
        return np.bincount(owners[outside], minlength=len(items))

    @cached_property
    def _listed(self) -> Numbers:
        """Lists and items as one number each, ascending, and one that is larger than all."""
        owners = np.repeat(np.arange(len(self.lists)), lengths(self.lists))
        return np.append(owners << 32 | self.lists.values, np.iinfo(np.int64).max)


def any_drawn(free: Numbers, marked: Numbers, drawn: int) -> NDArray[np.float64]:
    """
    Return the probability that a uniform draw without replacement holds a marked item.

    Parameters
    ----------
    free
        int64 [rows], items that may be drawn.
    marked
        int64 [rows], how many of them are marked.
    drawn
        How many are drawn; where fewer are free, all of them.

    Returns
    -------
    ndarray
        float64 [rows], 1 - comb(free - marked, drawn) / comb(free, drawn).
    """
    number = np.minimum(drawn, free)
    rest = free - marked - number  # unmarked ones that are not drawn, if no marked one is
    none = (
        gammaln(free - marked + 1)
        - gammaln(np.maximum(rest, 0) + 1)
        - gammaln(free + 1)
        + gammaln(free - number + 1)
    )
    some = np.where(marked > 0, -np.expm1(none), 0.0)  # rounding aside
    return np.where(rest < 0, 1.0, some)
