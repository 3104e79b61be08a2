"""
The wrong answers beside a target: which items may be drawn, and how they are.

Uniform negatives are a subset of the free items, each equally likely, by Floyd's algorithm on ranks
among them. Popular ones are drawn one after another without replacement, in proportion to their
popularity (Sun et al., BERT4Rec, CIKM 2019), which is the training count plus one: were items that
never occur in training never drawn, such a target would be known by being the only one.
"""

import numpy as np
from numpy.typing import NDArray

from recbench.data.ragged import Ragged, chosen, lengths
from recbench.data.titles import TitleGroups
from recbench.errors import UserError
from recbench.questions.protocols import Protocol
from recbench.questions.sampling import Words, subsets, weighted_subsets
from recbench.questions.split import Part, Split
from recbench.questions.unseen import Unseen, holds, union

_ROUNDS = 1000


class Negatives:
    """
    Draws the negatives of one part of a split.

    A row may not be given what is excluded for it, nor its target. With
    ``protocol.distinct_titles`` items that share the target's title are not free either, and a row
    whose negatives share a title is drawn again as a whole.

    Parameters
    ----------
    split, part
        Whose rows; negatives come from the whole catalogue, cold items included.
    protocol
        How many there are, what is excluded, how they are drawn.

    Raises
    ------
    UserError
        If the protocol draws none.
    """

    def __init__(self, split: Split, part: Part, protocol: Protocol) -> None:
        self.targets, self.excluded = split.examples(part).targets, split.excluded(part)
        self.count = protocol.drawn
        alike = TitleGroups.of if protocol.distinct_titles else TitleGroups.apart
        self.titles = alike(split.catalogue)
        self.weights = None
        if protocol.negatives == "popular":
            counts = np.bincount(split.sequences.values, minlength=len(split.catalogue))
            self.weights = counts + 1

    def free(self, rows: NDArray[np.int64]) -> Unseen:
        """
        Return what each of `rows` may be given.

        Raises
        ------
        UserError
            If that is fewer items than are needed.
        """
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
        free = Unseen.outside(blocked, lines, len(self.titles.numbers), self.weights)
        if (fewest := int(free.counts.min())) < self.count:
            raise UserError(
                f"the catalogue is too small: {self.count} negatives are needed, "
                f"a row has {fewest} items; give --candidates a smaller number, or all"
            )
        return free

    def draw(self, words: Words, free: Unseen) -> NDArray[np.int64]:
        """
        Return int64 [negatives, rows]: free items, distinct, in no useful order.

        Raises
        ------
        UserError
            If there are too few different titles.
        """
        again = np.arange(len(free.lines))
        items = self._once(words, free, again)
        for _ in range(_ROUNDS):
            shown = np.sort(self.titles.numbers[items[:, again]], axis=0)
            again = again[(shown[1:] == shown[:-1]).any(axis=0)]
            if not again.size:
                return items
            items[:, again] = self._once(words, free, again)
        raise UserError(
            f"too few different titles to draw {self.count} negatives from; "
            "give --candidates a smaller number, or all"
        )

    def _once(self, words: Words, free: Unseen, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        places = free.totals[free.lines[rows]]
        if self.weights is None:
            return free.at(rows, subsets(words, places, self.count))
        return weighted_subsets(words, places, self.count, lambda one: free.pieces(rows, one))
