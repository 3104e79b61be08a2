"""The first test rows alone: to try whether something runs, not to learn how good it is."""

from dataclasses import replace

import numpy as np

from recbench.data.dataset import array_digest
from recbench.questions.candidates import Pack, make_pack
from recbench.questions.full_ranking import FullRanking
from recbench.questions.split import Split


def first_of(split: Split, rows: int) -> Split:
    """Return a split with the first test rows alone, and a digest of its own; see `first_rows`."""
    kept = np.arange(rows)
    return replace(
        split,
        test=split.test[kept],
        excluded_test=split.excluded_test.of(kept),
        given_test=None if split.given_test is None else split.given_test[:rows],
        digest=array_digest(split.digest, "first test rows", kept),
    )


def first_rows(
    split: Split, pack: Pack | FullRanking, rows: int
) -> tuple[Split, Pack | FullRanking]:
    """
    Ask about the first test rows alone.

    Parameters
    ----------
    split, pack
        The whole question; what is learnt from stays as it is.
    rows
        How many, from 1 to fewer than there are.

    Returns
    -------
    Split, Pack or FullRanking
        Another question, with digests of its own.
    """
    few = first_of(split, rows)
    if isinstance(pack, FullRanking):
        return few, FullRanking.of(few, "test")
    drawn = pack.candidates[:rows], pack.target_position[:rows]
    return few, make_pack(*drawn, pack.seed, split.catalogue)
