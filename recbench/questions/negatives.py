"""
The wrong answers beside a target: which items may be drawn, and how they are.

Uniform negatives are a subset of the free items, each equally likely, by Floyd's algorithm on ranks
among them; where their titles must differ, a set in which two are alike is drawn again, and where
hardly any set will do, an item. Popular ones are drawn one after another without replacement, in
proportion to their popularity (Sun et al., BERT4Rec, CIKM 2019), which is the training count plus
one: were items that never occur in training never drawn, such a target would be known by being the
only one.
"""

import numpy as np
from numpy.typing import NDArray

from recbench.data.ragged import Ragged, chosen, lengths
from recbench.errors import UserError
from recbench.questions.competitors import alike, enough
from recbench.questions.protocols import Protocol
from recbench.questions.sampling import Words, subsets, weighted_subsets
from recbench.questions.split import Part, Split
from recbench.questions.unseen import Unseen, holds, union

_ROUNDS, _TRIALS = 1000, 1 << 16
"""
How often the negatives of a row are drawn again as a whole, before they are one by one; and how
many sets are drawn in vain, without one that will do for any row, before none is expected.
"""


class Negatives:
    """
    Draws the negatives of one part of a split.

    A row may not be given what is excluded for it, nor its target. With
    ``protocol.distinct_titles`` items that share the target's title are not free either, and a row
    whose negatives share a title is drawn again as a whole. Where that does not end, since most
    items have one of few titles, its negatives are drawn one after another, each again until its
    title is none of those drawn before.

    Parameters
    ----------
    split, part
        Whose rows; negatives come from the whole catalogue, cold items included.
    protocol
        How many there are, what is excluded, how they are drawn.

    Raises
    ------
    UserError
        If the protocol draws none, or a row has fewer competitors than are drawn: a split under
        this protocol has no such row.
    """

    def __init__(self, split: Split, part: Part, protocol: Protocol) -> None:
        self.targets, self.excluded = split.examples(part).targets, split.excluded(part)
        self.count = protocol.drawn
        self.titles = alike(split.catalogue, protocol)
        if few := int((~enough(self.titles, self.targets, self.excluded, self.count)).sum()):
            raise UserError(
                f"{few} of {len(self.targets)} {part} rows have fewer than {self.count} "
                "competitors; split the data under the protocol that is asked"
            )
        self.weights = None
        if protocol.negatives == "popular":
            counts = np.bincount(split.sequences.values, minlength=len(split.catalogue))
            self.weights = counts + 1

    def free(self, rows: NDArray[np.int64]) -> Unseen:
        """Return what each of `rows` may be given."""
        excluded, owners = self.excluded.distinct(rows)
        targets = self.targets[rows]
        groups, titles = self.titles.items, self.titles.numbers[targets]
        # A target that is excluded with the rest, and has no namesakes, takes nothing more away.
        alone = (lengths(groups)[titles] == 1) & holds(excluded, owners, targets)
        nothing = len(groups)
        groups = Ragged(groups.values, np.append(groups.offsets, groups.offsets[-1]))
        titles = np.where(alone, nothing, titles)
        # Rows that exclude the same items share a line.
        kinds, lines = np.unique(owners * (nothing + 1) + titles, return_inverse=True)
        owners, titles = np.divmod(kinds, nothing + 1)
        blocked = union(chosen(excluded, owners), chosen(groups, titles))
        return Unseen.outside(blocked, lines, len(self.titles.numbers), self.weights)

    def draw(self, words: Words, free: Unseen) -> NDArray[np.int64]:
        """Return int64 [negatives, rows]: free items, distinct, in no useful order."""
        again = np.arange(len(free.lines))
        items = self._once(words, free, again, self.count)
        for number in range(_ROUNDS):
            shown = np.sort(self.titles.numbers[items[:, again]], axis=0)
            again = again[(shown[1:] == shown[:-1]).any(axis=0)]
            if not again.size:
                return items
            if len(again) == len(free.lines) and number * len(again) > _TRIALS:
                break
            items[:, again] = self._once(words, free, again, self.count)
        items[:, again] = self._one_by_one(words, free, again)
        return items

    def _one_by_one(self, words: Words, free: Unseen, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        items = np.empty((self.count, len(rows)), dtype=np.int64)
        for number in range(self.count):
            again = np.arange(len(rows))
            while again.size:
                items[number, again] = self._once(words, free, rows[again], 1)[0]
                shown = self.titles.numbers[items[: number + 1, again]]
                again = again[(shown[:-1] == shown[-1]).any(axis=0)]
        return items

    def _once(
        self, words: Words, free: Unseen, rows: NDArray[np.int64], count: int
    ) -> NDArray[np.int64]:
        places = free.totals[free.lines[rows]]
        if self.weights is None:
            return free.at(rows, subsets(words, places, count))
        return weighted_subsets(words, places, count, lambda one: free.pieces(rows, one))
