"""A file of answers read again, as `recbench.outside.scoring.score` reads it, beside its record."""

from pathlib import Path

import numpy as np

from recbench.errors import DataError, RecbenchError
from recbench.evaluation.outcome import Outcome
from recbench.file_digests import file_digest
from recbench.outside.answers import Answers, read_answers
from recbench.outside.formats import FORMATS
from recbench.outside.scoring import outcome_of
from recbench.outside.sheet import Sheet
from recbench.runs import examples
from recbench.runs.evidence import refused
from recbench.runs.question import Question
from recbench.runs.record import RunRecord
from recbench.runs.record_parts import Outside
from recbench.runs.remade_question import NotCheckedError

COLUMNS = {
    "scores": "scores",
    "rank": "ranks",
    "answer_slot": "answers",
}
"""What of a table follows from the file, and what a message calls it."""


def check_given(file: Path, folder: Path, record: RunRecord, made: Question) -> None:
    """
    Compare a run's table with what its file of answers gives, judged again.

    Parameters
    ----------
    file
        The answers.
    folder, record
        A run of kind external.
    made
        Its question.

    Raises
    ------
    DataError
        If the file is not the one that was scored, `recbench score` would refuse it or its
        question, or it gives other answers than the record, or another table.
    NotCheckedError
        Where the record does not say how the file is read, as early ones do not.
    """
    outside = record.outside
    assert outside is not None  # nobody asks for those of a run of ours
    if file_digest(file) != outside.file:
        raise refused(folder, f"{file.name} is not the file that it was made of")
    if outside.format is None or outside.kind is None:
        raise NotCheckedError("it does not say how its file is read; score that anew")
    try:
        answers, again = _judged(file, outside, record, made)
    except RecbenchError as error:
        raise refused(folder, f"its file of answers cannot be scored: {error}") from None
    _check_same(folder, record, answers, again)


def _judged(
    file: Path, outside: Outside, record: RunRecord, made: Question
) -> tuple[Answers, Outcome]:
    if outside.format not in FORMATS:
        raise DataError(f"{outside.format!a} is no format of answers")
    assert outside.kind is not None  # it was looked at
    sheet = Sheet.of(made, outside.kind)
    answers = read_answers(file, FORMATS[outside.format](file, sheet), sheet)
    return answers, outcome_of(answers, sheet, record.matching)


def _check_same(folder: Path, record: RunRecord, answers: Answers, again: Outcome) -> None:
    """Hold the record and its table to what the file gives."""
    outside = record.outside
    assert outside is not None
    if (answers.given, answers.digest) != (outside.given, outside.answers):
        raise refused(
            folder,
            f"its file holds the answers {answers.digest[:12]} ({answers.given}), not "
            f"{outside.answers[:12]} ({outside.given}) as it says",
        )
    table = examples.read_outcome(folder, record)
    for column, what in COLUMNS.items():
        own, other = getattr(table, column), getattr(again, column)
        if (own is None) != (other is None) or not np.array_equal(own, other):
            raise refused(folder, f"the {what} in its table are not those of its file of answers")
    if table.expert_weights is not None:
        raise refused(folder, "its table holds weights of experts, which no file gives")
    texts = examples.read_answers(folder)
    if texts is not None and texts != answers.texts:
        raise refused(folder, "the texts in its table are not those of its file of answers")
