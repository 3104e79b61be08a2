"""Verification of runs wherever they are: on disk, or in a bundle that somebody sent."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from recbench.errors import UserError
from recbench.runs import verify as runs
from recbench.runs.remade_question import Questions
from recbench.runs.store import Run, read_record
from recbench.submission.reading import as_in_bundle, opened


def verify(paths: Sequence[Path], questions: Questions) -> list[runs.Verified]:
    """
    Check runs.

    Parameters
    ----------
    paths
        Run folders, folders with runs below them, or bundles; a run that is in two of them fails.
    questions
        Makes their questions again, where the data are at hand.

    Raises
    ------
    UserError
        For a folder without a run.
    DataError
        For a bundle that is refused, see `recbench.submission.reading.opened`.
    """
    with ExitStack() as unpacked:
        files = dict.fromkeys(path for path in paths if path.is_file())
        bundles = {unpacked.enter_context(opened(path))[1]: path for path in files}
        folders = runs.folders_of([*bundles, *(path for path in paths if path not in files)])
        found = runs.verify(folders, questions)
        for folder, bundle in bundles.items():
            found = [as_in_bundle(one, folder, bundle) for one in found]
        return found


def verified_runs(paths: Sequence[Path], questions: Questions) -> list[Run]:
    """
    Return the runs that are named, or lie below a folder that is, if none of them fails.

    Raises
    ------
    UserError
        For a folder without a run; with the first check that failed, see `recbench.runs.verify`.
    """
    folders = runs.folders_of(paths)
    for one in runs.verify(folders, questions):
        for check in one.checks:
            if check.result == "failed":
                raise UserError(f"{one.folder} fails the check '{check.name}': {check.why}")
    return [Run(folder, read_record(folder)) for folder in folders]
