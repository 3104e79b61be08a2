"""What a model wrote: why answers are invalid, and what other rules of matching would say."""

from collections.abc import Sequence
from difflib import SequenceMatcher

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from recbench.data.titles import normalised
from recbench.evaluation.answers import NO_CANDIDATE, SHARED_TITLE, first_line, match
from recbench.evaluation.outcome import Outcome
from recbench.questions.split import PAD
from recbench.statistics.intervals import Figure, figure

TARGET, CANDIDATE, SHARED, SEVERAL, AMONG_WORDS, HISTORY, CATALOGUE, NOTHING, INVENTED = range(9)

MEANING = {
    TARGET: "the target",
    CANDIDATE: "another candidate",
    SHARED: "a title that several candidates share",
    SEVERAL: "several candidates",
    AMONG_WORDS: "one candidate among other words",
    HISTORY: "an item of the history",
    CATALOGUE: "another item of the catalogue",
    NOTHING: "nothing",
    INVENTED: "no item that there is",
}
"""What an answer can be; the first two are valid."""

ALIKE = 0.9
"""From which likeness on (`difflib`, in [0, 1]) an answer is taken for a title that it is not."""


class Rule(BaseModel):
    """The figures that one rule of matching gives; None where no row was answered."""

    rule: str
    hit: Figure | None
    valid: Figure | None


class TextAndLikelihood(BaseModel):
    """
    How often the written answer and the likeliest candidate are right.

    Attributes
    ----------
    both, text, likelihood, neither
        Shares of all rows, which sum to 1; `text` is right in writing alone.
    same
        Share of the valid answers that are the likeliest candidate; None where none is valid.
    """

    both: float
    text: float
    likelihood: float
    neither: float
    same: float | None


def kinds(
    texts: Sequence[str],
    outcome: Outcome,
    candidates: NDArray[np.int32],
    histories: NDArray[np.int32],
    titles: Sequence[str],
) -> NDArray[np.int64]:
    """
    Say of each answer what it is.

    Parameters
    ----------
    texts
        [rows], as written.
    outcome
        Of these rows: what is valid is valid by the run's own rule.
    candidates, histories
        int32 [rows, C] and [rows, H], the latter with PAD.
    titles
        [items] of the catalogue.

    Returns
    -------
    NDArray
        int64 [rows], keys of `MEANING`.
    """
    assert outcome.answer_slot is not None
    keys = [normalised(title) for title in titles]
    catalogue = set(keys)
    found = np.where(outcome.hit, TARGET, CANDIDATE)
    for row in np.flatnonzero(~outcome.valid).tolist():
        line = normalised(first_line(texts[row]))
        shown = {keys[item] for item in candidates[row].tolist()}
        seen = {keys[item] for item in histories[row].tolist() if item != PAD}
        if outcome.answer_slot[row] == SHARED_TITLE:
            found[row] = SHARED
        elif not line:
            found[row] = NOTHING
        elif line in catalogue and line not in shown:
            found[row] = HISTORY if line in seen else CATALOGUE
        else:  # by the rule substring a candidate's own title may name another, too
            named = sum(title in line for title in shown)
            found[row] = INVENTED if not named else AMONG_WORDS if named == 1 else SEVERAL
    return found


def rules(
    texts: Sequence[str], outcome: Outcome, candidates: NDArray[np.int32], titles: Sequence[str]
) -> list[Rule]:
    """
    Judge the same answers by each rule of matching.

    ``exact`` and ``substring`` are those of `recbench.evaluation.answers`; ``fuzzy`` also takes an
    answer for the one candidate whose title is most like it, from a likeness of `ALIKE` on. The
    arguments are those of `kinds`.
    """
    assert outcome.target_slot is not None
    slots = {
        "exact": match(texts, candidates, titles, "exact"),
        "substring": match(texts, candidates, titles, "substring"),
    }
    slots["fuzzy"] = _fuzzy(texts, slots["exact"], candidates, titles)
    users = outcome.users
    return [
        Rule(
            rule=rule,
            hit=figure((own == outcome.target_slot).astype(np.float64), outcome.draws, users),
            valid=figure((own >= 0).astype(np.float64), outcome.draws, users),
        )
        for rule, own in slots.items()
    ]


def text_and_likelihood(outcome: Outcome) -> TextAndLikelihood:
    """Compare what was written with what is likeliest, of a model that does both."""
    assert outcome.rank is not None
    assert outcome.scores is not None
    assert outcome.answer_slot is not None
    text, likely, valid = outcome.hit, outcome.rank == 1, outcome.valid
    rows = np.flatnonzero(valid)
    written = outcome.scores[rows, outcome.answer_slot[rows]]
    return TextAndLikelihood(
        both=float((text & likely).mean()),
        text=float((text & ~likely).mean()),
        likelihood=float((~text & likely).mean()),
        neither=float((~text & ~likely).mean()),
        same=float((written == outcome.scores[rows].max(axis=1)).mean()) if rows.size else None,
    )


def _fuzzy(
    texts: Sequence[str],
    exact: NDArray[np.int32],
    candidates: NDArray[np.int32],
    titles: Sequence[str],
) -> NDArray[np.int32]:
    slots = exact.copy()
    for row in np.flatnonzero(exact == NO_CANDIDATE).tolist():
        line = normalised(first_line(texts[row]))
        likeness = np.array([_likeness(normalised(titles[item]), line) for item in candidates[row]])
        best = int(likeness.argmax())
        if likeness[best] >= ALIKE and (likeness == likeness[best]).sum() == 1:
            slots[row] = best
    return slots


def _likeness(title: str, line: str) -> float:
    matcher = SequenceMatcher(None, title, line, autojunk=False)
    # The quick bounds are above the ratio: most titles need no more.
    if matcher.real_quick_ratio() < ALIKE or matcher.quick_ratio() < ALIKE:
        return 0.0
    return matcher.ratio()
