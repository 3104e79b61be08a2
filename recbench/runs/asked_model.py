"""The model that a run has asked: where it was kept and as it was, it can be asked again."""

import os
import shlex
from pathlib import Path

from recbench.errors import UserError
from recbench.file_digests import folder_digest
from recbench.models import recommender_class
from recbench.recommender import System
from recbench.runs.command import command
from recbench.runs.kept_trainings import kept_model
from recbench.runs.record import RunRecord
from recbench.runs.store import Run, run_folder

ELSEWHERE = Path("build/results")
"""Where a run whose model is not here is told to be made again."""


def as_set(record: RunRecord) -> System:
    """
    Make the model of a run with all its settings, neither trained nor loaded.

    Raises
    ------
    UserError, RecbenchError
        If it is not installed, or does not know a setting any more.
    """
    assert record.trained is not None  # `asked_model` has refused it
    model_class = recommender_class(record.model)
    return model_class(
        model_class.settings_class.build(record.settings | record.trained.runtime_settings)
    )


def asked_model(run: Run, remedy: str) -> Path:
    """
    Return the folder of the model that a run has asked, which is as it was.

    Raises
    ------
    UserError
        For answers that came in a file; if the model is not there or another, with the remedy.
    """
    record = run.record
    if record.trained is None:
        raise UserError(
            f"{run.folder} holds answers that came in a file: there is no model to ask; name a run "
            "that recbench run has made"
        )
    folder = kept_model(Path(os.path.abspath(run.folder)).parents[3], record)
    if folder.is_dir() and folder_digest(folder) == record.trained.weights:
        return folder
    why = "is not the one that the run has asked" if folder.is_dir() else "is not there"
    raise UserError(f"the model of {run.folder} ({folder}) {why}; {remedy}")


def again(record: RunRecord, data_dir: Path | None = None) -> str:
    """Say how a run of ours, and its model, are made again; empty for answers from a file."""
    if record.trained is None:
        return ""
    raw = [] if data_dir is None else ["--data-dir", str(data_dir)]
    more = shlex.join([*raw, "--results", str(ELSEWHERE), "--fresh"])
    folder = run_folder(ELSEWHERE, record)
    return f"make it again by: {command(record)} {more}; then name {folder}"
