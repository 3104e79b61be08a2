"""A file of answers read again, as `recbench.outside.scoring.score` reads it, beside its record."""

from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import get_args

from recbench.errors import DataError, RecbenchError
from recbench.evaluation.outcome import Outcome
from recbench.outside.answers import Answers, read_answers
from recbench.outside.formats import FORMATS
from recbench.outside.scoring import outcome_of
from recbench.outside.sheet import Kind, Sheet
from recbench.outside.table import check_table
from recbench.runs.evidence import refused
from recbench.runs.question import Question
from recbench.runs.record import RunRecord
from recbench.runs.record_parts import Outside

KINDS: tuple[Kind, ...] = get_args(Kind)


def check_given(file: Path, folder: Path, record: RunRecord, made: Question) -> None:
    """
    Compare a run's table with what its file of answers gives, judged again.

    Parameters
    ----------
    file
        The answers, by their SHA-256 the file that was scored.
    folder, record
        A run of kind external.
    made
        Its question.

    Raises
    ------
    DataError
        If `recbench score` would refuse the file or its question, or it gives other answers than
        the record, or another table.
    """
    outside = record.outside
    assert outside is not None  # nobody asks for those of a run of ours
    try:
        answers, sheet = _as_recorded(file, outside, made)
        again = outcome_of(answers, sheet, record.matching)
    except RecbenchError as error:
        raise refused(folder, f"its file of answers cannot be scored: {error}") from None
    _check_same(folder, record, answers, again)


def _as_recorded(file: Path, outside: Outside, made: Question) -> tuple[Answers, Sheet]:
    """Read a file as its record says; of an early one, which does not, in whatever way fits it."""
    if outside.format is not None and outside.kind is not None:
        return _read(file, outside.format, outside.kind, made)
    for form, kind in product(FORMATS, KINDS):
        with suppress(RecbenchError):
            answers, sheet = _read(file, form, kind, made)
            if answers.digest == outside.answers:
                return answers, sheet
    raise DataError(
        f"read in every format, its file gives other answers than the record's "
        f"{outside.answers[:12]}"
    )


def _read(file: Path, form: str, kind: Kind, made: Question) -> tuple[Answers, Sheet]:
    if form not in FORMATS:
        raise DataError(f"{form!a} is no format of answers")
    sheet = Sheet.of(made, kind)
    return read_answers(file, FORMATS[form](file, sheet), sheet), sheet


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
    check_table(folder, record, again, answers.texts)
