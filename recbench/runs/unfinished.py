"""
Runs that are not finished, and how far each has come.

What a run was asked is written down when it begins (`Begun`), beside its checkpoints, and goes with
them. The rest is read from what it keeps for itself: the checkpoints of its training, and the calls
that were answered.
"""

import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from recbench.atomic_write import atomic_file
from recbench.locks import holder
from recbench.runs.busy_folder import below, changed
from recbench.runs.evidence import RECORD
from recbench.runs.kept_trainings import TRAINING
from recbench.runs.places import TRAININGS, training_place
from recbench.runs.record import Setup
from recbench.runs.store import CHECKPOINTS

FILE = "begun.json"

Stage = Literal["training", "answering", "auditing", "unknown"]


class Begun(BaseModel):
    """
    What a run was asked, known before it is finished.

    Attributes
    ----------
    setup
        As its record will say it.
    training
        Name of the training's folder.
    arguments
        Of ``recbench run``, that go on with it; without the folders of results and cache.
    """

    model_config = ConfigDict(frozen=True)

    setup: Setup
    training: str
    arguments: list[str]

    def write(self, folder: Path) -> None:
        """Keep it in a run's folder until the run is finished."""
        with atomic_file(folder / CHECKPOINTS / FILE) as partial:
            partial.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> "Begun | None":
        """Read it back; None where it is not there, or of another recbench."""
        try:
            return cls.model_validate_json((folder / CHECKPOINTS / FILE).read_bytes())
        except (OSError, ValidationError):
            return None


@dataclass(frozen=True)
class Unfinished:
    """
    A run that is not finished, or a training that no such run is known of.

    Attributes
    ----------
    folder
        Of the run, or the training.
    begun
        What was asked; None where that is not known.
    stage, done
        Where it stands, and how far that has come; in words, empty where nothing is kept yet.
    kept
        The folders of what it keeps to go on.
    process
        Which one works on it now; None for none.
    anew
        Whether a finished run stands, which this one is to replace (``--fresh``).
    """

    folder: Path
    begun: Begun | None
    stage: Stage
    done: str
    kept: tuple[Path, ...]
    process: str | None
    anew: bool


def unfinished(results: Path) -> list[Unfinished]:
    """Return what is not finished below a results folder, sorted by path."""
    there = sorted(path.parent for path in results.glob(f"*/*/*/*/{CHECKPOINTS}"))
    runs = [_run(folder) for folder in there if not _is_training(folder)]
    known = {path for run in runs if run is not None for path in run.kept}
    trainings = [
        _training(folder)
        for folder in there
        if _is_training(folder) and folder / CHECKPOINTS not in known
    ]
    return [one for one in (*runs, *trainings) if one is not None]


def _is_training(folder: Path) -> bool:
    return folder.parents[1].name == TRAININGS


def _run(folder: Path) -> Unfinished | None:
    """Look at a run's folder; None where only the last step, removing what it kept, was missed."""
    begun, own = Begun.read(folder), folder / CHECKPOINTS
    anew = (folder / RECORD).exists()
    if begun is None:
        if anew:
            return None
        return Unfinished(folder, None, "unknown", "", (own,), holder(folder), anew=False)
    setup = begun.setup
    training = training_place(folder.parents[3], setup.dataset, setup.model, begun.training)
    kept = (own, *([training / CHECKPOINTS] if (training / CHECKPOINTS).is_dir() else []))
    stage, done = _progress(begun.setup, own, training)
    return Unfinished(folder, begun, stage, done, kept, holder(folder), anew)


def _training(folder: Path) -> Unfinished | None:
    kept = folder / CHECKPOINTS
    if (folder / TRAINING).exists() and not any(_weights(kept)):
        return None
    return Unfinished(folder, None, "training", _steps(kept), (kept,), holder(folder), anew=False)


def _progress(setup: Setup, own: Path, training: Path) -> tuple[Stage, str]:
    if (training / CHECKPOINTS).is_dir() or not (training / TRAINING).exists():
        return "training", _steps(training / CHECKPOINTS)
    rows = setup.examples * setup.draws
    answered = max((_answered(one) for one in own.glob("*/")), default=0)
    if answered >= rows:
        return "auditing", f"all {rows:,} questions answered"
    return "answering", f"{answered:,} of {rows:,} questions"


def _steps(checkpoints: Path) -> str:
    """Say where the training stands whose checkpoint was written last."""
    for file in sorted(_weights(checkpoints), key=changed, reverse=True):
        if (position := _position(file)) is not None:
            of = f" of {position['total']:,}" if position.get("total") else ""
            return f"{file.stem.rpartition('-')[0]}: step {position['step']:,}{of}"
    return ""


def _weights(checkpoints: Path) -> Iterator[Path]:
    return (one for one in below(checkpoints) if one.suffix == ".safetensors")


def _position(file: Path) -> dict[str, int] | None:
    """Read the position that a checkpoint holds (`recbench.neural.checkpoint`), without torch."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, "np") as opened:
            position: dict[str, int] = json.loads((opened.metadata() or {})["position"])
    except (OSError, SafetensorError, KeyError, ValueError):
        return None
    return position


def _answered(folder: Path) -> int:
    """Count the rows in a folder of finished calls (`recbench.evaluation.finished_calls`)."""
    return len({row for file in folder.glob("*.npz") for row in _rows(file)})


def _rows(file: Path) -> Iterator[int]:
    try:
        with np.load(file, allow_pickle=False) as kept:
            yield from kept["rows"].tolist()
    except (OSError, EOFError, LookupError, ValueError, zipfile.BadZipFile):
        return
