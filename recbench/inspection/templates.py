"""The same rows asked in other words: what of a figure is the wording."""

import numpy as np
from pydantic import BaseModel

from recbench.inspection.loaded import Asked
from recbench.llm.prompts.wording import LISTED, TEMPLATES
from recbench.statistics.intervals import Figure


class Asking(BaseModel):
    """The rows asked in the words of one template."""

    template: str
    hit: Figure
    valid: Figure


class Wordings(BaseModel):
    """
    What the words of a prompt do to the answers.

    Attributes
    ----------
    model
        With its seed.
    rows
        How many test rows were asked in all words.
    templates
        The run's own first; over the same rows.
    hit_spread, valid_spread
        Largest less smallest HitRatio@1 and ValidRatio.
    same
        Share of the rows that are answered with one candidate in whatever words.
    """

    model: str
    rows: int
    templates: list[Asking]
    hit_spread: float
    valid_spread: float
    same: float


def reworded(asked: Asked) -> Wordings:
    """Ask every row once in the words of each template."""
    names, found, slots = (LISTED, *TEMPLATES), [], []
    shown = asked.candidates
    shown.flags.writeable = False
    for number in asked.each("templates", len(names)):
        asked.model.reword(names[number])
        answers = asked.answers(shown)
        hit, valid = asked.judged(answers, asked.slots)
        name = "own" if names[number] == LISTED else names[number].rpartition("/")[-1]
        found.append(Asking(template=name, hit=hit, valid=valid))
        slots.append(answers)
    hits, valids = ([getattr(one, name).value for one in found] for name in ("hit", "valid"))
    same = (np.stack(slots) == slots[0]).all(axis=0) & (slots[0] >= 0)
    return Wordings(
        model=f"{asked.record.model}, seed {asked.record.seed}",
        rows=len(asked.rows),
        templates=found,
        hit_spread=max(hits) - min(hits),
        valid_spread=max(valids) - min(valids),
        same=float(same.mean()),
    )
