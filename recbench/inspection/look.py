"""All that can be said of a run without asking its model again."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from recbench.data.ragged import lengths
from recbench.data.sorted_sets import distinct
from recbench.errors import DataError, RecbenchError, UserError
from recbench.evaluation.outcome import Outcome
from recbench.inspection.answers import (
    MEANING,
    Rule,
    TextAndLikelihood,
    kinds,
    rules,
    text_and_likelihood,
)
from recbench.inspection.example import Example
from recbench.inspection.example import example as of_example
from recbench.inspection.groups import Part, groups
from recbench.inspection.recommended import Recommended, recommended
from recbench.inspection.slots import Slot, slots
from recbench.questions.candidates import Pack
from recbench.questions.split import Split
from recbench.runs.examples import read_answers, read_outcome
from recbench.runs.remade_question import (
    NotCheckedError,
    Questions,
    check_digests,
    learnt_from,
)
from recbench.runs.store import Run
from recbench.runs.text import question_line

NO_TEXTS = "its texts are not kept, as in every published copy"


class Look(BaseModel):
    """
    What was seen.

    Attributes
    ----------
    run, model, question
        The run's folder, its model with its seed, and what it was asked.
    no_result
        Why it is none; empty where it is one.
    answers
        How many rows are of each of `answers.MEANING`; None of a model that does not write.
    rules
        The same answers by each rule of matching; None likewise.
    text_and_likelihood
        None but for a model that writes and ranks.
    slots
        Every place in the list of candidates.
    groups
        HitRatio@1 by how much there was to go on.
    recommended
        None where no answer is valid, and without the data.
    left_out
        Why something is missing, a line each.
    """

    run: str
    model: str
    question: str
    no_result: str = ""
    answers: dict[str, int] | None = None
    rules: list[Rule] | None = None
    text_and_likelihood: TextAndLikelihood | None = None
    slots: list[Slot]
    groups: list[Part] = []
    recommended: Recommended | None = None
    left_out: list[str] = []


@dataclass(frozen=True)
class _Asked:
    """What was learnt from and asked, row by row, and what was written."""

    learnt: Split
    split: Split
    candidates: NDArray[np.int32]
    histories: NDArray[np.int32]
    texts: list[str] | None


def look(run: Run, questions: Questions | None) -> Look:
    """
    Look at a whole run.

    Parameters
    ----------
    run
        With slots: not a full ranking.
    questions
        Makes the question again, where the data are at hand; what takes it is left out otherwise,
        and where there are none.

    Raises
    ------
    UserError
        Of a full ranking, which keeps neither scores nor answers.
    DataError
        If the run is damaged, or is not of its question.
    """
    record, outcome = run.record, _outcome(run)
    found = Look(
        run=str(run.folder),
        model=f"{record.model}, seed {record.seed}",
        question=question_line(record),
        no_result=record.no_result,
        slots=slots(outcome, record.candidates),
        groups=groups(run),
    )
    if record.writes and record.ranks:
        found.text_and_likelihood = text_and_likelihood(outcome)
    if questions is None:
        return found
    try:
        asked = _asked(run, questions)
    except NotCheckedError as error:
        found.left_out.append(_left_out(error))
        return found
    holders, sequences = _holders(asked.learnt), len(asked.learnt.sequences)
    found.recommended = recommended(outcome, asked.candidates, holders, sequences)
    if record.writes and asked.texts is None:
        found.left_out.append(f"answers: {NO_TEXTS}")
    elif record.writes and asked.texts is not None:
        told = asked.texts, outcome, asked.candidates
        titles = asked.split.catalogue.titles
        counts = np.bincount(kinds(*told, asked.histories, titles), minlength=len(MEANING))
        found.answers = dict(zip(MEANING.values(), counts.tolist(), strict=True))
        found.rules = rules(*told, titles)
    return found


def look_beside(run: Run, questions: Questions | None) -> Look:
    """
    Look at a run among others: one that is not of its question stops no other.

    What takes the question is then left out, with the reason; else as `look`.

    Raises
    ------
    UserError
        Of a full ranking.
    DataError
        If the run is damaged.
    """
    try:
        return look(run, questions)
    except DataError as error:
        found = look(run, None)
        found.left_out.append(_left_out(error))
        return found


def _left_out(why: RecbenchError) -> str:
    return f"answers and what is recommended: {why}"


def look_at(run: Run, number: int, draw: int, questions: Questions) -> Example:
    """
    Look at one row of a run.

    Parameters
    ----------
    run
        With slots: not a full ranking.
    number, draw
        Which, both from 0.
    questions
        Makes the question again.

    Raises
    ------
    UserError
        Of a full ranking, of a row that there is not, and where the data are not at hand.
    DataError
        If the run is damaged, or is not of its question.
    """
    record, outcome = run.record, _outcome(run)
    for name, given, of in (
        ("--example", number, record.examples),
        ("--draw", draw, record.draws),
    ):
        if not 0 <= given < of:
            raise UserError(f"{name} must be from 0 to {of - 1}, not {given}")
    try:
        asked = _asked(run, questions)
    except NotCheckedError as error:
        raise UserError(f"an example cannot be shown as it was asked: {error}") from None
    row = number * record.draws + draw
    found = of_example(
        number,
        draw,
        outcome,
        asked.histories[row],
        asked.candidates[row],
        asked.split.catalogue.titles,
        None if asked.texts is None else asked.texts[row],
    )
    return found.model_copy(update={"no_result": record.no_result})


def _outcome(run: Run) -> Outcome:
    if run.record.full_ranking:
        raise UserError(
            f"{run.folder} ranks all items and keeps neither scores nor answers; inspect a run of "
            "sampled candidates, or compare groups with: recbench leaderboard --group-by"
        )
    outcome = read_outcome(run.folder, run.record)
    if outcome.target_slot is None or outcome.answer_slot is None:
        raise UserError(f"{run.folder} does not say where targets and answers stood")
    return outcome


def _asked(run: Run, questions: Questions) -> _Asked:
    made = questions.of(run.record)
    check_digests(run.folder, run.record, made)
    assert isinstance(made.pack, Pack)  # `_outcome` refuses full rankings
    split = made.seen(run.record.control).split
    return _Asked(
        learnt=learnt_from(run.record, made),
        split=split,
        candidates=made.pack.candidates.reshape(-1, made.pack.size),
        histories=np.repeat(split.test.histories, run.record.draws, axis=0),
        texts=read_answers(run.folder),
    )


def _holders(split: Split) -> NDArray[np.int64]:
    """Count the training sequences that hold each item, int64 [items]."""
    items, sequences = len(split.catalogue), split.sequences
    owners = np.repeat(np.arange(len(sequences)), lengths(sequences))
    return np.bincount(distinct(owners * items + sequences.values) % items, minlength=items)
