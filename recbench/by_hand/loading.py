"""
From a run's folder to its model, as it was when the run asked it.

Nothing is trained and no candidates are drawn: of the data, a model needs what it has learnt from,
and the titles. A model that is not the run's any more, or whose data are not, is refused.
"""

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from recbench.by_hand.loaded_run import LoadedRun
from recbench.errors import UserError
from recbench.hardware.devices import resolve
from recbench.models import recommender_class
from recbench.questions.limit import first_of
from recbench.recommender import Runtime, TrainingData
from recbench.registry import blamed_if_at_fault
from recbench.runs.asked_model import AskedModel, again, asked_model
from recbench.runs.places import cache_folder
from recbench.runs.remade_question import NotCheckedError, Questions
from recbench.runs.store import Run, finished, own_folder
from recbench.training_source import loaded_with


def load_run(
    path: str | Path,
    device: str = "auto",
    data_dir: str | Path | None = None,
    cache: str | Path | None = None,
    report: Callable[[str], None] = lambda _: None,
    settings: Mapping[str, Any] | None = None,
) -> LoadedRun:
    """
    Make a finished run ready to be asked by hand.

    Parameters
    ----------
    path
        Folder of the run, below the results that hold its training, too.
    device
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    data_dir
        Folder with the raw files; None for prepared data.
    cache
        The user's cache folder; None for the default.
    report
        Told one line at each step that takes time.
    settings
        Those that no record holds, such as ``most_tokens`` of `chatrec`: tokens that may be spent
        on all that the run is asked.

    Raises
    ------
    UserError
        If there is no finished run, or none of a model of ours; if its model was not kept, or is
        not as it was; if the model knows only users who have trained; if the data are not at hand,
        or are others.
    DataError
        If the record is broken.
    """
    folder, place = own_folder(Path(path)), cache_folder(None if cache is None else Path(cache))
    raw = None if data_dir is None else Path(data_dir)
    run = finished(folder)
    if run is None:
        raise UserError(
            f"{folder} holds no finished run; name the folder that recbench run wrote record.json "
            "into"
        )
    with blamed_if_at_fault("models", run.record.model):
        _check_can_be_asked(run)
        asked = asked_model(run, again(run.record, raw), report, settings)
        data, longest = _data(asked, Questions(place, raw, report))
        runtime = Runtime(
            seed=run.record.seed,
            device=resolve(device),
            checkpoints=Path(tempfile.mkdtemp(prefix="recbench-")),
            cache=place,
            report=report,
        )
    return LoadedRun(asked, data, longest, runtime)


def _check_can_be_asked(run: Run) -> None:
    """Refuse runs whose model cannot be asked about a user who is made up."""
    record = run.record
    if record.control is not None:
        raise UserError(
            f"{run.folder} was asked under --control {record.control}, and by hand a model is "
            "asked as it is; name the run without"
        )
    if record.trained is not None and recommender_class(record.model).knows_users:
        raise UserError(
            f"{record.model} learns a vector of each user, and has none of a user who is made up; "
            "take a run of a model that goes by the history alone, such as sasrec"
        )


def _data(asked: AskedModel, questions: Questions) -> tuple[TrainingData, int]:
    """Return what the model is loaded with, and how many items of a history it is shown."""
    record = asked.run.record
    try:
        dataset, _, split = questions.split_of(record)
    except NotCheckedError as error:
        raise UserError(f"a model cannot be asked what it was asked: {error}") from None
    if record.limit is not None:
        split = first_of(split, record.limit)
    return loaded_with(asked, dataset, split), split.test.histories.shape[1]
