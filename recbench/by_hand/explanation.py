"""
Why a model recommends what it does, as far as asking it again can tell.

What comes next after the first item, and what becomes of that when one item of the history is left
out, nothing else being changed; and what the model says of itself, such as its prompt.
"""

from recbench.by_hand.one_question import OneQuestion
from recbench.by_hand.recommendation import (
    Answer,
    Explanation,
    Item,
    LeftOut,
    Rival,
    answered,
)
from recbench.recommender import Runtime, System, ranks

RIVALS = 3
"""Items after the first that are looked at."""


def explain(model: System, question: OneQuestion, answer: Answer, runtime: Runtime) -> Explanation:
    """
    Look at an answer.

    Parameters
    ----------
    model
        Fitted. One that ranks is asked once more for each item of the history that it read.
    question, answer
        What was asked, and what came of it.
    runtime
        Where it runs.
    """
    said = model.explain(question.queries, runtime)
    if not ranks(model):
        return Explanation(said=said)
    return Explanation(
        rivals=_rivals(question, answer),
        without=[_without(model, question, answer, at, runtime) for at in question.read.tolist()],
        said=said,
    )


def _rivals(question: OneQuestion, answer: Answer) -> list[Rival]:
    first, *others = answer.named(question.catalogue, 1 + RIVALS)
    return [Rival(**one.model_dump(), behind=first.score - one.score) for one in others]


def _without(
    model: System, question: OneQuestion, answer: Answer, place: int, runtime: Runtime
) -> LeftOut:
    assert answer.scores is not None
    catalogue, top = question.catalogue, answer.order[0]
    other = answered(model, question.without(place), runtime)
    assert other.scores is not None
    return LeftOut(
        item=Item.of(catalogue, int(question.history[place])),
        rank=int(other.ranks[top]),
        change=float(other.scores[top] - answer.scores[top]),
        first=None if other.first is None else Item.of(catalogue, other.first),
    )
