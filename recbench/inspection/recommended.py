"""What is recommended: how much of the catalogue, how popular, how new."""

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from recbench.evaluation.outcome import Outcome


class Recommended(BaseModel):
    """
    The items that were answered, valid answers alone.

    Attributes
    ----------
    answers
        How many there are.
    items, offered
        How many different items were answered, and how many stood among some row's candidates.
    coverage
        The one over the other, in [0, 1].
    popularity, popularity_of_targets, popularity_of_candidates
        In how many training sequences an answer, a target, and a candidate stand on average.
    lift
        Of the answers over the candidates: above 1 for a system that prefers what is popular. None
        where no candidate stands in any.
    novelty
        Mean self-information of an answer in bits, -log2 of the share of training sequences that
        hold it (Vargas and Castells, RecSys 2011, section 3), one added to both numbers, so that an
        item that none holds has a value.
    """

    answers: int
    items: int
    offered: int
    coverage: float
    popularity: float
    popularity_of_targets: float
    popularity_of_candidates: float
    lift: float | None
    novelty: float


def recommended(
    outcome: Outcome,
    candidates: NDArray[np.int32],
    holders: NDArray[np.int64],
    sequences: int,
) -> Recommended | None:
    """
    Describe the items that a system answers with.

    Parameters
    ----------
    outcome
        With slots.
    candidates
        int32 [rows, C], of the same rows.
    holders
        int64 [items], how many training sequences hold each item.
    sequences
        How many there are, at least 1.

    Returns
    -------
    Recommended or None
        None where no answer is valid.
    """
    assert outcome.answer_slot is not None
    assert outcome.target_slot is not None
    rows = np.flatnonzero(outcome.valid)
    if not rows.size:
        return None
    answers = candidates[rows, outcome.answer_slot[rows]]
    targets = candidates[np.arange(len(candidates)), outcome.target_slot]
    items, offered = len(np.unique(answers)), len(np.unique(candidates))
    among = float(holders[candidates].mean())
    share = (holders + 1) / (sequences + 1)
    return Recommended(
        answers=len(answers),
        items=items,
        offered=offered,
        coverage=items / offered,
        popularity=float(holders[answers].mean()),
        popularity_of_targets=float(holders[targets].mean()),
        popularity_of_candidates=among,
        lift=float(holders[answers].mean()) / among if among else None,
        novelty=float(-np.log2(share[answers]).mean()),
    )
