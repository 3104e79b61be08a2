"""The file of answers that a run from outside was made of, held to the run's table."""

from collections.abc import Callable
from pathlib import Path

from recbench.file_digests import file_digest
from recbench.runs.evidence import refused
from recbench.runs.question import Question
from recbench.runs.record import RunRecord
from recbench.runs.remade_question import NotCheckedError, Questions
from recbench.runs.store import read_record
from recbench.runs.verify import Verified, carried_out

GIVEN = "given"

CheckGiven = Callable[[Path, Path, RunRecord, Question], None]
"""
Compares the file that a run was made of with its folder and record (`recbench.outside.read_again`).

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
    folder = Path(found.folder)
    record = read_record(folder)

    def whole() -> None:
        _check_file(file, folder, record)
        if question.result != "ok":
            unchecked = question.result == "not checked"
            raise NotCheckedError(question.why if unchecked else "the question is another")
        check(file, folder, record, questions.of(record))

    last = carried_out(GIVEN, whole)
    return found.model_copy(update={"checks": (*found.checks, last)})


def _check_file(file: Path, folder: Path, record: RunRecord) -> None:
    """Check that a file is the one that a run was made of, which takes no data."""
    if record.outside is None or file_digest(file) != record.outside.file:
        raise refused(folder, f"{file.name} is not the file that it was made of")
