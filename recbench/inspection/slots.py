"""Whether it matters where in the list a candidate stands."""

import numpy as np
from pydantic import BaseModel

from recbench.evaluation.outcome import Outcome
from recbench.statistics.intervals import Figure, figure


class Slot(BaseModel):
    """
    One place in the list of candidates.

    Attributes
    ----------
    slot
        From 1, the first that is shown.
    rows
        In how many rows the target stands there.
    hit
        HitRatio@1 of these rows; None where there are none.
    answered
        Share of all valid answers that are the candidate there; None where no answer is valid. A
        model for which places do not matter gives each the same, 1 / C.
    """

    slot: int
    rows: int
    hit: Figure | None
    answered: float | None


def slots(outcome: Outcome) -> list[Slot]:
    """Return every place in turn; of an outcome that has slots."""
    assert outcome.target_slot is not None
    assert outcome.answer_slot is not None
    answers = outcome.answer_slot[outcome.valid]
    size = 1 + int(max(outcome.target_slot.max(), answers.max(initial=0)))
    if outcome.scores is not None:
        size = outcome.scores.shape[1]
    given = np.bincount(answers, minlength=size)
    found = []
    for slot in range(size):
        there = outcome.target_slot == slot
        hits = np.where(there, outcome.hit, np.nan)
        found.append(
            Slot(
                slot=slot + 1,
                rows=int(there.sum()),
                hit=figure(hits, outcome.draws, outcome.users) if there.any() else None,
                answered=float(given[slot] / len(answers)) if len(answers) else None,
            )
        )
    return found
