"""The rows of validation or test as places in users' sequences, before they are cut out."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recbench.data.ragged import Ragged
from recbench.questions.excluded import Excluded
from recbench.questions.protocols import Protocol
from recbench.questions.split import Examples
from recbench.questions.windows import examples_at, seen


@dataclass(frozen=True)
class Asked:
    """
    Which interactions are targets, and what is known by then.

    Attributes
    ----------
    sequences
        Of the users, oldest first.
    users
        int32 [sequences], whose they are.
    targets
        int64 [rows], where each target stands in ``sequences.values``.
    known
        int64 [sequences], where in ``sequences.values`` ends what may be known of each user while
        this part is asked: validation may not know what test asks for.
    """

    sequences: Ragged
    users: NDArray[np.int32]
    targets: NDArray[np.int64]
    known: NDArray[np.int64]

    @classmethod
    def last(cls, sequences: Ragged, users: NDArray[np.int32], back: int = 0) -> "Asked":
        """Ask for one item of each sequence, `back` before its last; no later one is known."""
        known = sequences.offsets[1:] - back
        return cls(sequences, users, known - 1, known)

    def cut_out(self, protocol: Protocol) -> tuple[Examples, Excluded]:
        """Return the rows, and what is neither drawn nor ranked for them: `Protocol.exclude`."""
        examples = examples_at(self.sequences, self.users, protocol.history, self.targets)
        if protocol.exclude == "history":
            return examples, Excluded.each(seen(examples))
        offsets = self.sequences.offsets
        owners = np.searchsorted(offsets, self.targets, side="right") - 1
        ends = self.targets if protocol.exclude == "earlier" else self.known[owners]
        return examples, Excluded(self.sequences.values, offsets[owners], ends)
