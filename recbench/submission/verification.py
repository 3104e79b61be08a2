"""Verification of runs wherever they are: on disk, or in a bundle that somebody sent."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from recbench.errors import UserError
from recbench.file_digests import file_digest
from recbench.runs import verify as runs
from recbench.runs.remade_question import Questions
from recbench.runs.store import Run, read_record
from recbench.submission.division import with_division
from recbench.submission.given import CheckGiven, with_given
from recbench.submission.manifest import ANSWERS, Division
from recbench.submission.reading import all_opened, as_in_bundle, division_of


def verify(paths: Sequence[Path], questions: Questions, check: CheckGiven) -> list[runs.Verified]:
    """
    Check runs.

    Parameters
    ----------
    paths
        Run folders, folders with runs below them, or bundles; a run that is in two of them fails.
    questions
        Makes their questions again, where the data are at hand.
    check
        Of the file of answers that lies beside a run from outside, as in a bundle.

    Raises
    ------
    UserError
        For a folder without a run.
    DataError
        For a bundle that is refused, see `recbench.submission.reading.opened`.
    """
    files = [path for path in paths if path.is_file()]
    with all_opened(files) as bundles:
        others = [path for path in paths if path not in files]
        folders = runs.folders_of([*(one.folder for one in bundles), *others])
        found = [
            with_all(one, division_of(Path(one.folder), bundles), questions, check)
            for one in runs.verify(folders, questions)
        ]
        for one in bundles:
            found = [as_in_bundle(run, one.folder, one.bundle) for run in found]
        return found


def with_all(
    found: runs.Verified, division: Division, questions: Questions, check: CheckGiven
) -> runs.Verified:
    """Check of a run that was verified what else there is: the file beside it, its division."""
    given = with_given(found, Path(found.folder) / ANSWERS, questions, check)
    return with_division(given, division, questions)


def verified_runs(
    paths: Sequence[Path],
    questions: Questions,
    check: CheckGiven,
    answers: Sequence[Path],
    division: Division,
) -> list[Run]:
    """
    Return the runs that are named, or lie below a folder that is, if none of them fails.

    Parameters
    ----------
    paths
        Which runs.
    questions, check
        As for `verify`.
    answers
        The files of answers that runs from outside were made of, where they do not lie beside them.
    division
        In which they are to be submitted.

    Raises
    ------
    UserError
        For a folder without a run; with the first check that failed, see `recbench.runs.verify`.
    """
    folders = runs.folders_of(paths)
    files = {file_digest(file): file for file in answers if file.is_file()}
    for one in runs.verify(folders, questions):
        given = _with_file(one, files, questions, check)
        _check_passed(with_division(given, division, questions))
    return [Run(folder, read_record(folder)) for folder in folders]


def _with_file(
    found: runs.Verified, files: Mapping[str, Path], questions: Questions, check: CheckGiven
) -> runs.Verified:
    """Check the file of a run's answers: one of these, by their SHA-256, or that beside it."""
    folder = Path(found.folder)
    if found.failed or (outside := read_record(folder).outside) is None:
        return found
    return with_given(found, files.get(outside.file, folder / ANSWERS), questions, check)


def _check_passed(found: runs.Verified) -> None:
    for one in found.checks:
        if one.result == "failed":
            raise UserError(f"{found.folder} fails the check '{one.name}': {one.why}")
