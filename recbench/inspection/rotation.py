"""The same rows with the target in every place of the list in turn, the others in their order."""

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from recbench.inspection.loaded import Asked
from recbench.statistics.intervals import Figure


class Turn(BaseModel):
    """All rows with the target in one slot, from 1."""

    slot: int
    hit: Figure
    valid: Figure


class Rotation(BaseModel):
    """
    What the place of the target does to the answers.

    Attributes
    ----------
    model
        With its seed.
    rows
        How many test rows were asked in every slot.
    slots
        Each in turn, over the same rows: what differs is by the place alone.
    hit
        HitRatio@1 over all slots.
    spread
        Largest less smallest HitRatio@1 of a slot.
    same
        Share of the rows that are answered with one item wherever the target stands.
    """

    model: str
    rows: int
    slots: list[Turn]
    hit: float
    spread: float
    same: float


def rotate(asked: Asked) -> Rotation:
    """Ask every row once for each slot that its target can have."""
    size, n = asked.candidates.shape[1], np.arange(len(asked.rows))
    turns, items = [], []
    for slot in asked.each("slots", size):
        shown = moved(asked.candidates, asked.slots, slot)
        answers = asked.answers(shown)
        hit, valid = asked.judged(answers, slot)
        turns.append(Turn(slot=slot + 1, hit=hit, valid=valid))
        items.append(np.where(answers >= 0, shown[n, answers], answers))
    hits = [one.hit.value for one in turns]
    same = (np.stack(items) == items[0]).all(axis=0) & (items[0] >= 0)
    return Rotation(
        model=f"{asked.record.model}, seed {asked.record.seed}",
        rows=len(asked.rows),
        slots=turns,
        hit=float(np.mean(hits)),
        spread=max(hits) - min(hits),
        same=float(same.mean()),
    )


def moved(candidates: NDArray[np.int32], places: NDArray[np.int64], slot: int) -> NDArray[np.int32]:
    """
    Put one candidate of each row into a slot.

    Parameters
    ----------
    candidates
        int32 [n, C].
    places
        int64 [n], where the one stands.
    slot
        Where it shall stand, from 0; the others keep their order.

    Returns
    -------
    NDArray
        int32 [n, C], not to be written to, as what a model is given.
    """
    n, size = candidates.shape
    targets = candidates[np.arange(n), places]
    others = candidates[np.arange(size) != places[:, None]].reshape(n, size - 1)
    found = np.insert(others, slot, targets, axis=1)
    found.flags.writeable = False
    return found
