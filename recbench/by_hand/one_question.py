"""One history and what is to be ranked for it, as a model is asked in an evaluation."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from recbench.data.catalogue import Catalogue
from recbench.errors import UserError
from recbench.plain_text import printable
from recbench.questions.queries import Queries
from recbench.questions.split import PAD


@dataclass(frozen=True)
class OneQuestion:
    """
    What is asked.

    Attributes
    ----------
    catalogue
        All items.
    history
        int32 [H], catalogue codes, oldest first, padded with PAD on the left.
    unread
        How many items come before those, which no row of an evaluation would show either.
    candidates
        int32 [C], catalogue codes in the order shown; None for the whole catalogue.
    left_out
        int32 [n], what is not ranked of the whole catalogue.
    """

    catalogue: Catalogue
    history: NDArray[np.int32]
    unread: int
    candidates: NDArray[np.int32] | None
    left_out: NDArray[np.int32]

    @classmethod
    def of(
        cls,
        catalogue: Catalogue,
        history: Sequence[int],
        candidates: Sequence[int] | None,
        longest: int,
        repeats: bool,
    ) -> "OneQuestion":
        """
        Ask for the next item after a history.

        Parameters
        ----------
        catalogue
            All items.
        history
            Catalogue codes, oldest first, of which the last `longest` are read.
        candidates
            Catalogue codes; None for the whole catalogue.
        longest
            H.
        repeats
            Whether items of the history are ranked with the whole catalogue.

        Raises
        ------
        UserError
            For an empty history; where there is nothing to rank, or a candidate is given twice.
        """
        if not history:
            raise UserError("a history has at least one item; give one by --history")
        read = history[-longest:]
        padded = np.full(longest, PAD, dtype=np.int32)
        padded[longest - len(read) :] = read
        given = None if candidates is None else np.array(candidates, dtype=np.int32)
        if given is not None:
            _check_distinct(given, catalogue)
        left_out = np.array([] if repeats else sorted(set(history)), dtype=np.int32)
        found = cls(catalogue, padded, len(history) - len(read), given, left_out)
        if not len(found.ranked):
            raise UserError(
                "nothing is left to rank: the history holds all items; let them be ranked, too, by "
                "--repeats"
                if given is None
                else "nothing is to be ranked; give titles by --candidates"
            )
        return found

    @property
    def queries(self) -> Queries:
        """The one row that a model is given."""
        if self.candidates is None:
            return Queries.of_all(self.history[None], len(self.catalogue))
        shown = self.candidates[None]
        shown.flags.writeable = False  # as in an evaluation
        return Queries(self.history[None], shown)

    @property
    def ranked(self) -> NDArray[np.int64]:
        """Slots of the query's candidates that are ranked, int64 [n], ascending."""
        if self.candidates is not None:
            return np.arange(len(self.candidates))
        return np.setdiff1d(np.arange(len(self.catalogue)), self.left_out)

    @property
    def read(self) -> NDArray[np.int64]:
        """Places of the history that hold an item, int64 [n]."""
        return np.flatnonzero(self.history != PAD)

    def without(self, place: int) -> "OneQuestion":
        """Leave one item out of the history; none moves in from before, and the same is ranked."""
        shorter = np.concatenate([[PAD], np.delete(self.history, place)]).astype(np.int32)
        return replace(self, history=shorter)


def _check_distinct(candidates: NDArray[np.int32], catalogue: Catalogue) -> None:
    codes, times = np.unique(candidates, return_counts=True)
    if twice := codes[times > 1].tolist():
        title = printable(catalogue.titles[twice[0]])
        raise UserError(f"'{title}' is given twice as a candidate; give it once")
