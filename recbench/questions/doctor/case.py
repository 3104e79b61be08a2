"""What the checks look at: a dataset under a protocol, and what several of them need."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from recbench.data.dataset import Dataset
from recbench.data.filters import filtered
from recbench.data.overlaps import Overlaps, overlaps
from recbench.data.ragged import lengths
from recbench.data.sorted_sets import among, distinct
from recbench.errors import UserError
from recbench.questions.cold_start import ColdStart, cold_start
from recbench.questions.competitors import askable
from recbench.questions.doctor.contained import TitleParts
from recbench.questions.doctor.draws import Free, any_drawn
from recbench.questions.doctor.rules import ShuffleTest, shuffle_test
from recbench.questions.make_split import make_split, rules_of
from recbench.questions.protocols import Protocol
from recbench.questions.split import PAD, Examples, Split


@dataclass(frozen=True)
class Case:
    """
    A dataset under a protocol.

    Attributes
    ----------
    dataset
        The interactions that the protocol uses; its catalogue is that of the split.
    protocol, split
        How it asks, and what.
    timed
        Whether the data have times.
    refused
        Why no row can be asked; "" where some can. The split is then the whole one.
    """

    dataset: Dataset
    protocol: Protocol
    split: Split
    timed: bool = True
    refused: str = ""

    @classmethod
    def of(cls, dataset: Dataset, protocol: Protocol) -> "Case":
        """Split a prepared dataset; see `make_split` for what is refused."""
        split, refused = make_split(dataset, protocol), ""
        try:
            split = askable(split, protocol, dataset.card.name)
        except UserError as error:
            refused = str(error)
        used = filtered(dataset, rules_of(dataset, protocol))
        return cls(used, protocol, split, dataset.timed, refused)

    @property
    def test(self) -> Examples:
        """The test rows."""
        return self.split.test

    @property
    def clustered(self) -> bool:
        """Whether some user has several test rows; of a finished split nobody knows."""
        return len(np.unique(self.test.users)) < len(self.test)

    @cached_property
    def cold_start(self) -> ColdStart:
        """How much there is to go on in each test row."""
        return cold_start(self.split)

    @cached_property
    def training_counts(self) -> NDArray[np.int64]:
        """Interactions of each item in the training sequences, int64 [items]."""
        return np.bincount(self.split.sequences.values, minlength=len(self.split.catalogue))

    @cached_property
    def shuffle_tests(self) -> tuple[ShuffleTest, ShuffleTest]:
        """Count the rules of two and three items of the training sequences, and of shuffled."""
        return shuffle_test(self.split.sequences, len(self.split.catalogue))

    @cached_property
    def overlaps(self) -> Overlaps:
        """Count the rows of a finished split that are repeated, or known from training."""
        assert self.dataset.rows is not None
        return overlaps(self.dataset.rows)

    @cached_property
    def title_parts(self) -> TitleParts:
        """Which titles are parts of which others."""
        return TitleParts.of(self.split.catalogue.titles)

    def any_drawn(self, marked: Callable[[Free], NDArray[np.int64]]) -> NDArray[np.float64]:
        """
        Return the probability that a test row draws an item of some kind, float64 [rows].

        Parameters
        ----------
        marked
            Counts the items of that kind which some test rows may draw, int64 [their number].
        """
        parts = Free.of(self.split, self.protocol)
        drawn = self.protocol.drawn
        return np.concatenate([any_drawn(free.counts, marked(free), drawn) for free in parts])

    @cached_property
    def training_times(self) -> NDArray[np.int64]:
        """
        Return the times of the training interactions, int64 [interactions], ascending.

        A user's training sequence holds the oldest of the user's interactions.
        """
        data, split = self.dataset, self.split
        order = np.lexsort((data.times, data.users))
        users = data.users[order]
        place = np.arange(len(users)) - np.searchsorted(users, users)  # among the user's own
        kept = np.zeros(max(users.max(), split.sequence_users.max(initial=0)) + 1, dtype=np.int64)
        kept[split.sequence_users] = lengths(split.sequences)
        return np.sort(data.times[order][place < kept[users]])

    @cached_property
    def target_times(self) -> NDArray[np.int64]:
        """Times of the test targets, int64 [rows]; the last one where a pair comes many times."""
        return self.times_of(self.test.users, self.test.targets)

    @cached_property
    def latest_history_times(self) -> NDArray[np.int64]:
        """
        Time of the latest item of each test history; of an empty one the target's.

        Of an item that was met many times it is the first one: which of them a history shows is
        not known here, and none that may be in order is to count as out of it.
        """
        histories, users = self.test.histories, self.test.users
        rows, columns = np.nonzero(histories != PAD)
        latest = np.where((histories == PAD).all(axis=1), self.target_times, np.iinfo(np.int64).min)
        times = self.times_of(users[rows], histories[rows, columns], first=True)
        np.maximum.at(latest, rows, times)
        return latest

    @cached_property
    def _by_pair(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        pairs = _pairs(self.dataset.users, self.dataset.items)
        order = np.lexsort((self.dataset.times, pairs))
        return pairs[order], self.dataset.times[order]

    def times_of(
        self, users: NDArray[np.int32], items: NDArray[np.int32], *, first: bool = False
    ) -> NDArray[np.int64]:
        """Return when each user met the item beside it, which must be so: last, or first."""
        pairs, times = self._by_pair
        asked = _pairs(users, items)
        if first:
            return times[np.searchsorted(pairs, asked)]
        return times[np.searchsorted(pairs, asked, side="right") - 1]

    def met_at(
        self, users: NDArray[np.int32], items: NDArray[np.int32], times: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Tell whether each user met the item beside it, as it did some time, at that time."""
        pairs, moments = self._by_pair
        each, every = distinct(pairs), distinct(moments)

        def meeting(pair: NDArray[np.int64], time: NDArray[np.int64]) -> NDArray[np.int64]:
            return np.searchsorted(each, pair) * len(every) + np.searchsorted(every, time)

        return among(meeting(_pairs(users, items), times), meeting(pairs, moments))


def _pairs(users: NDArray[np.int32], items: NDArray[np.int32]) -> NDArray[np.int64]:
    return users.astype(np.int64) << 32 | items
