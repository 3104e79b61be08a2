"""What a protocol makes of a dataset: training sequences and (history, target) examples."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from recbench.data.catalogue import Catalogue
from recbench.data.dataset import array_digest
from recbench.data.ragged import Ragged
from recbench.questions.excluded import Excluded

Part = Literal["validation", "test"]
"""What is asked about."""

PAD = -1
"""Fills a history on its left where the user has fewer items; never a catalogue code."""


def nobody() -> NDArray[np.int32]:
    """Return the numbers of no users."""
    return np.zeros(0, dtype=np.int32)


@dataclass(frozen=True)
class Examples:
    """
    Rows of (history, target), in the protocol's order.

    Attributes
    ----------
    histories
        int32 [rows, H], catalogue codes, oldest first, padded with PAD on the left.
    targets
        int32 [rows], catalogue codes.
    users
        int32 [rows], the user's number in the dataset.
    """

    histories: NDArray[np.int32]
    targets: NDArray[np.int32]
    users: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, rows: slice | NDArray[np.int64]) -> "Examples":
        return Examples(self.histories[rows], self.targets[rows], self.users[rows])


@dataclass(frozen=True)
class Split:
    """
    A dataset under a protocol.

    Attributes
    ----------
    catalogue
        All items, cold ones included.
    sequences
        The training users' whole training sequences, oldest first: what ID models train on.
    sequence_users
        int32 [sequences], whose they are: the user's number in the dataset.
    train, validation, test
        The protocol's rows; `train` is what language models train on.
    excluded_validation, excluded_test
        The items that may never be drawn as negatives (besides the target).
    digest
        SHA-256 over the catalogue and every array above but `sequence_users`, which names no
        item: two splits with one digest ask the same questions. Where rows were left out, over the
        digest of all and the rows that stay.
    times
        int64 [len(sequences.values)], when each interaction of `sequences` was, in whole seconds
        since 1970; None where the data have an order alone. The dataset's digest covers them.
    given_validation, given_test
        int32 [rows, C], the candidates that the rows bring, the target among them, ascending; None
        where they are drawn.
    left_out_validation, left_out_test
        How many rows are not among these, since they have too few competitors
        (`recbench.questions.competitors`).
    users_known
        Whether the users' numbers tell who is who. Where not (a finished split), each validation
        and test row counts as a user of its own, who may nevertheless have trained.
    left_out_users
        int32 [users], ascending: those who train under the protocol and also validate, but whose
        training part a fraction leaves out (`recbench.questions.fraction`). How validation rows are
        read must not hang on the fraction.
    """

    catalogue: Catalogue
    sequences: Ragged
    sequence_users: NDArray[np.int32]
    train: Examples
    validation: Examples
    test: Examples
    excluded_validation: Excluded
    excluded_test: Excluded
    digest: str
    times: NDArray[np.int64] | None = None
    given_validation: NDArray[np.int32] | None = None
    given_test: NDArray[np.int32] | None = None
    left_out_validation: int = 0
    left_out_test: int = 0
    users_known: bool = True
    left_out_users: NDArray[np.int32] = field(default_factory=nobody)

    @property
    def training_digest(self) -> str:
        """
        SHA-256 over all that a model may learn from.

        The catalogue, the training sequences and rows, and the validation rows, with their users,
        whether these are known, and which of them train but were left out.
        Two splits with one training digest may differ in what they ask: a model that was trained
        under one need not be trained again to be asked under the other.
        """
        parts: list[NDArray[np.int32] | NDArray[np.int64]] = [
            self.sequences.values,
            self.sequences.offsets,
            self.sequence_users,
        ]
        for rows in (self.train, self.validation):
            parts += [rows.histories, rows.targets, rows.users]
        known = () if self.users_known else ("users unknown",)
        left_out = ("left out", self.left_out_users) if self.left_out_users.size else ()
        return array_digest("training", self.catalogue.digest, *parts, *known, *left_out)

    @property
    def timed_training_digest(self) -> str:
        """`training_digest` for a model that reads times: where there are times, over them, too."""
        if self.times is None:
            return self.training_digest
        return array_digest("timed", self.training_digest, self.times)

    def examples(self, part: Part) -> Examples:
        """Return the rows of one evaluation part."""
        return self.test if part == "test" else self.validation

    def excluded(self, part: Part) -> Excluded:
        """Return what may not be drawn for the rows of one evaluation part."""
        return self.excluded_test if part == "test" else self.excluded_validation

    def given(self, part: Part) -> NDArray[np.int32] | None:
        """Return the candidates that the rows of one evaluation part bring."""
        return self.given_test if part == "test" else self.given_validation

    def left_out(self, part: Part) -> int:
        """Return how many rows of one evaluation part are left out."""
        return self.left_out_test if part == "test" else self.left_out_validation
