"""The kept models of runs from elsewhere, taken into a results folder with their runs."""

import os
import shutil
from pathlib import Path

from recbench.atomic_write import atomic_folder
from recbench.errors import UserError
from recbench.file_digests import folder_digest
from recbench.locks import locked
from recbench.runs.kept_trainings import (
    MODEL,
    TRAINING,
    kept_model,
    parts,
    read_training,
    whole_training,
    write_training,
)
from recbench.runs.record import RunRecord
from recbench.runs.store import CHECKPOINTS


def check_no_other(results: Path, record: RunRecord) -> None:
    """
    Refuse a run whose training stands in a results folder as somebody else has made it.

    The run would be taken for one that asked that model, and fail its verification.

    Raises
    ------
    UserError
        If it does; it says what to move away.
    """
    if record.trained is None:
        return
    training = kept_model(results, record).parent
    standing = read_training(training)
    if standing not in (None, record.trained):
        raise UserError(
            f"{training} is the same training, made another time (finished {standing.finished}, "
            f"here {record.trained.finished}); move it away, or name another folder by --results"
        )


def take_training(folder: Path, results: Path, record: RunRecord) -> int:
    """
    Copy the training that a run asked, where it lies beside the run's results.

    It is there as a whole or not at all, and none that is whole is replaced.

    Parameters
    ----------
    folder
        Of the run, which was verified.
    results
        The folder to copy into.
    record
        Of the run.

    Returns
    -------
    int
        Bytes that were copied: 0 where it is there already, was not kept, or was made anew since.

    Raises
    ------
    UserError
        If a process works on it here, or it is changed while it is read.
    """
    if record.trained is None:
        return 0
    source = kept_model(Path(os.path.abspath(folder)).parents[3], record).parent
    if not (source / MODEL).is_dir() or read_training(source) != record.trained:
        return 0
    target = kept_model(results, record).parent
    with locked(target):
        if read_training(target) not in (None, record.trained) or whole_training(target):
            return 0
        with atomic_folder(target / MODEL) as partial:
            size = _copy(source / MODEL, partial)
            if (folder_digest(partial), parts(partial)) != _digests(record):
                raise UserError(f"{source} was changed while it was read; import it again")
            (target / TRAINING).unlink(missing_ok=True)  # one never stands beside another's model
        write_training(target, record.trained)
        shutil.rmtree(target / CHECKPOINTS, ignore_errors=True)
    return size


def _digests(record: RunRecord) -> tuple[str, dict[str, str]]:
    assert record.trained is not None
    return record.trained.weights, record.trained.parts


def _copy(source: Path, target: Path) -> int:
    """Copy the files whose contents the digest of a folder is of; return their bytes."""
    size = 0
    for file in sorted(one for one in source.rglob("*") if one.is_file()):
        copy = target / file.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
        size += copy.stat().st_size
    return size
