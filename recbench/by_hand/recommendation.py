"""What a model recommends to one history: a ranking, and a text where it writes."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from recbench.by_hand.one_question import OneQuestion
from recbench.data.catalogue import Catalogue
from recbench.evaluation.answers import Matching, match
from recbench.evaluation.asking import ask
from recbench.evaluation.ranks import candidate_ranks, checked_scores
from recbench.recommender import Runtime, System, ranks, writes


class Item(BaseModel):
    """
    An item by its id and title.

    Attributes
    ----------
    shares_title
        Whether another item of the catalogue is called the same.
    """

    id: int | str
    title: str
    shares_title: bool = False

    @classmethod
    def of(cls, catalogue: Catalogue, code: int) -> "Item":
        """Name a catalogue code."""
        raw_id = catalogue.raw_ids[code]
        named = raw_id if isinstance(raw_id, str) else int(raw_id)
        title = catalogue.titles[code]
        return cls(id=named, title=title, shares_title=title in catalogue.shared_titles)


class Ranked(Item):
    """
    An item with its place.

    Attributes
    ----------
    rank
        From 1, as if it were the target: ties count against it (`recbench.evaluation.ranks`).
    score
        As the model gave it; of a language model that lists its candidates the log-likelihood of
        the title.
    """

    rank: int
    score: float


class Rival(Ranked):
    """
    An item that comes next after the first.

    Attributes
    ----------
    behind
        By how much the first has the higher score.
    """

    behind: float


class LeftOut(BaseModel):
    """
    What becomes of the first item where one of the history is left out.

    Attributes
    ----------
    item
        Of the history.
    rank
        Of what was first.
    change
        Of its score.
    first
        What is first then; None where several are, as where nothing of the history is left.
    """

    item: Item
    rank: int
    change: float
    first: Item | None


class Explanation(BaseModel):
    """
    Why.

    Attributes
    ----------
    rivals
        What comes next after the first, the nearest first.
    without
        One for each item of the history that was read, oldest first; both are empty of a model that
        does not rank.
    said
        What the model itself says of how it answers (`recbench.recommender.System.explain`).
    """

    rivals: list[Rival] = []
    without: list[LeftOut] = []
    said: dict[str, Any]


class Recommendation(BaseModel):
    """
    What came of a question; printed, a page of text.

    Attributes
    ----------
    run, model, dataset, protocol
        Who was asked: the run's folder, its model with its seed, and what that has learnt from.
    history
        Items that were read, oldest first.
    unread
        How many were given before those.
    ranked
        How many items were ranked.
    whole_catalogue
        Whether these are all items, but those of the history unless asked for.
    likelihood
        Whether scores are log-likelihoods of titles.
    items
        The top, the best first; empty of a model that does not rank.
    text
        As written; None of a model that does not write.
    answer
        The candidate that the text means by the run's rule of matching; None for none.
    explanation
        Where it was asked for.
    """

    run: str
    model: str
    dataset: str
    protocol: str
    history: list[Item]
    unread: int
    ranked: int
    whole_catalogue: bool
    likelihood: bool
    items: list[Ranked] = []
    text: str | None = None
    answer: Item | None = None
    explanation: Explanation | None = None

    def __str__(self) -> str:
        from recbench.by_hand.rendering import render

        return render(self)


class Answer(NamedTuple):
    """
    A model's own answer.

    Attributes
    ----------
    codes
        int64 [n], the catalogue codes that are ranked.
    scores
        float32 [n]; None of a model that does not rank.
    text
        None of a model that does not write.
    """

    codes: NDArray[np.int64]
    scores: NDArray[np.float32] | None
    text: str | None

    @property
    def order(self) -> NDArray[np.int64]:
        """Slots of the codes, the best first; int64 [n], empty of a model that does not rank."""
        if self.scores is None:
            return np.empty(0, dtype=np.int64)
        return np.argsort(-self.scores, kind="stable")

    @property
    def first(self) -> int | None:
        """The code that all others rank behind; None where several have the highest score."""
        slot = self.order[0]
        return int(self.codes[slot]) if self.ranks[slot] == 1 else None

    @property
    def ranks(self) -> NDArray[np.int64]:
        """Rank of each code, int64 [n], of a model that ranks."""
        assert self.scores is not None
        return candidate_ranks(self.scores)

    def named(self, catalogue: Catalogue, top: int) -> list[Ranked]:
        """Return the best as they are shown."""
        if self.scores is None:
            return []
        ranks = self.ranks
        return [
            Ranked(
                **Item.of(catalogue, int(self.codes[slot])).model_dump(),
                rank=int(ranks[slot]),
                score=float(self.scores[slot]),
            )
            for slot in self.order[:top].tolist()
        ]


def answered(model: System, question: OneQuestion, runtime: Runtime) -> Answer:
    """
    Ask a fitted model.

    Raises
    ------
    RecbenchError
        If it gives no scores that can be ranked, or no text where it writes.
    """
    queries, slots = question.queries, question.ranked
    if writes(model):
        model.announce(1, queries.candidates.shape[1], runtime)
    given, texts = ask(model, queries, runtime)
    scores = None
    if ranks(model):
        scores = checked_scores(given, queries.candidates.shape, np.zeros(1, np.int64))[0, slots]
    codes = queries.candidates[0, slots].astype(np.int64)
    return Answer(codes, scores, None if texts is None else texts[0])


def answer_meant(answer: Answer, catalogue: Catalogue, matching: Matching) -> Item | None:
    """Return the candidate that a text means; None where there is no text, or it means none."""
    if answer.text is None:
        return None
    shown = answer.codes[None].astype(np.int32)
    slot = int(match([answer.text], shown, catalogue.titles, matching)[0])
    return Item.of(catalogue, int(answer.codes[slot])) if slot >= 0 else None
