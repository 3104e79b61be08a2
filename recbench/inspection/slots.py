"""Whether it matters where in the list a candidate stands."""

import numpy as np
from pydantic import BaseModel

from recbench.evaluation.outcome import Outcome
from recbench.runs.positions import places
from recbench.statistics.intervals import Figure


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


def slots(outcome: Outcome, candidates: int) -> list[Slot]:
    """Return every place of C candidates in turn; of an outcome that has slots."""
    assert outcome.answer_slot is not None
    answers = outcome.answer_slot[outcome.valid]
    given = np.bincount(answers, minlength=candidates)
    # A single run is looked at, as it is: whether its training was random makes no difference.
    of_targets = {one.slot: one for one in places([outcome], candidates, (0,), True)}
    found = []
    for slot in range(1, candidates + 1):
        place = of_targets.get(slot)
        found.append(
            Slot(
                slot=slot,
                rows=0 if place is None else place.rows,
                hit=None if place is None else place.estimate.figure,
                answered=float(given[slot - 1] / len(answers)) if len(answers) else None,
            )
        )
    return found
