"""What a protocol makes of a dataset: training sequences and (history, target) examples."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recbench.data.catalogue import Catalogue

PAD = -1
"""Fills a history on its left where the user has fewer items; never a catalogue code."""


@dataclass(frozen=True)
class Ragged:
    """
    Rows of unequal length: row i is ``values[offsets[i]:offsets[i + 1]]``.

    Attributes
    ----------
    values
        int32 [total], catalogue codes in 0..items-1.
    offsets
        int64 [rows + 1], ascending, from 0 to total.
    """

    values: NDArray[np.int32]
    offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> NDArray[np.int32]:
        return self.values[self.offsets[row] : self.offsets[row + 1]]


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
        For each row the items that may never be drawn as negatives (besides the target).
    digest
        SHA-256 over the catalogue and every array above but `sequence_users`, which names no
        item: two splits with one digest ask the same questions.
    """

    catalogue: Catalogue
    sequences: Ragged
    sequence_users: NDArray[np.int32]
    train: Examples
    validation: Examples
    test: Examples
    excluded_validation: Ragged
    excluded_test: Ragged
    digest: str
