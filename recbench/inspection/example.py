"""One example of a run: what was known, what was offered, and what came of it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from recbench.evaluation.outcome import Outcome
from recbench.evaluation.ranks import candidate_ranks
from recbench.questions.split import PAD


class Offered(BaseModel):
    """A candidate as it was shown: its score, its rank by it, and whether it is what was meant."""

    slot: int
    title: str
    score: float | None
    rank: int | None
    target: bool
    answered: bool


class Example(BaseModel):
    """
    One draw of one example.

    Attributes
    ----------
    example, draw, user
        Numbers from 0; the user's is that of the dataset.
    no_result
        Why the run is none; empty where it is one.
    history
        Titles, as they were shown: oldest first, but under a control.
    candidates
        In the order shown.
    text
        As written; None of a model that only scores, or where texts are not kept.
    valid, hit
        Of the answer.
    experts
        The weights of the model's experts [K], where its gate gave them to the user; else None.
    """

    example: int
    draw: int
    user: int
    no_result: str = ""
    history: list[str]
    candidates: list[Offered]
    text: str | None
    valid: bool
    hit: bool
    experts: list[float] | None = None


def example(
    number: int,
    draw: int,
    outcome: Outcome,
    history: NDArray[np.int32],
    candidates: NDArray[np.int32],
    titles: Sequence[str],
    text: str | None,
) -> Example:
    """
    Look at one row.

    Parameters
    ----------
    number, draw
        Which, both from 0 and within the outcome.
    outcome
        With slots.
    history, candidates
        int32 [H], with PAD, and [C], of this row.
    titles
        [items] of the catalogue.
    text
        What was written for it.
    """
    assert outcome.answer_slot is not None
    assert outcome.target_slot is not None
    row = number * outcome.draws + draw
    scores = None if outcome.scores is None else outcome.scores[row]
    weights = None if outcome.expert_weights is None else outcome.expert_weights[number].tolist()
    ranks = None if scores is None else candidate_ranks(scores)
    offered = [
        Offered(
            slot=slot + 1,
            title=titles[item],
            score=None if scores is None else float(scores[slot]),
            rank=None if ranks is None else int(ranks[slot]),
            target=slot == outcome.target_slot[row],
            answered=slot == outcome.answer_slot[row],
        )
        for slot, item in enumerate(candidates.tolist())
    ]
    return Example(
        example=number,
        draw=draw,
        user=int(outcome.users[number]),
        history=[titles[item] for item in history.tolist() if item != PAD],
        candidates=offered,
        text=text,
        valid=bool(outcome.valid[row]),
        hit=bool(outcome.hit[row]),
        experts=weights,
    )
