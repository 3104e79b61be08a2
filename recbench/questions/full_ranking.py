"""
The question of a full ranking: every item of the catalogue, save those excluded for a row.

It is to a full ranking what a candidate pack is where negatives are drawn. Nothing is drawn, so
there is one draw and no pack seed.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from recbench.data.dataset import array_digest
from recbench.questions.excluded import Excluded
from recbench.questions.split import Examples, Part, Split


@dataclass(frozen=True)
class FullRanking:
    """
    Which targets are ranked, among what.

    Attributes
    ----------
    examples
        Whose targets are ranked.
    excluded
        For each row what is not ranked; the target is, wherever it stands.
    size
        Items of the catalogue.
    hash
        SHA-256 over the catalogue's digest, the targets and what is excluded.
    """

    examples: Examples
    excluded: Excluded
    size: int
    hash: str
    draws: ClassVar[int] = 1

    @classmethod
    def of(cls, split: Split, part: Part) -> "FullRanking":
        """Ask for all items on every row of one part of a split."""
        examples, excluded = split.examples(part), split.excluded(part)
        # The row numbers say nothing; hashes of published questions hold them.
        arrays = examples.targets, *excluded.arrays, np.arange(len(examples))
        hashed = array_digest("full ranking", split.catalogue.digest, *arrays)
        return cls(examples, excluded, len(split.catalogue), hashed)

    def __len__(self) -> int:
        return len(self.examples)
