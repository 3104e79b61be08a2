"""The file of answers that a run from outside was made of, held to the run's table."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from recbench.runs.question import Question
from recbench.runs.record import RunRecord
from recbench.runs.remade_question import Questions
from recbench.runs.store import read_record
from recbench.runs.verify import Check, Verified, carried_out

GIVEN = "given"

CheckGiven = Callable[[Path, Path, RunRecord, Question], None]
"""
Compares a file of answers with a run's folder and record (`recbench.outside.read_again`).

It is handed in, since how answers are read is not for this room to know. Raises DataError where
they do not agree, NotCheckedError where nobody can tell.
"""


def with_given(found: Verified, file: Path, questions: Questions, check: CheckGiven) -> Verified:
    """
    Check the file of answers of a run, too.

    Parameters
    ----------
    found
        What was checked of the run before.
    file
        The answers; where there is no such file, and of a run of ours, nothing is added.
    questions
        Makes the question again.
    check
        How it is done.
    """
    # Only what came from outside, and whose record can be read, has a check of this name.
    is_external = any(one.name == "outside" for one in found.checks)
    if not is_external or not file.is_file():
        return found
    question = next(one for one in found.checks if one.name == "question")
    if question.result == "ok":
        folder = Path(found.folder)
        record = read_record(folder)
        made = questions.of(record)  # as for the check of that name
        last = carried_out(GIVEN, partial(check, file, folder, record, made))
    else:
        why = question.why if question.result == "not checked" else "the question is another"
        last = Check(name=GIVEN, result="not checked", why=why)
    return found.model_copy(update={"checks": (*found.checks, last)})
