"""
A trained model: found where the same was trained before, else trained now and kept.

``results/<dataset>/trainings/<model>/<training id>/`` holds ``model/`` (safetensors) and
``training.json``, which is written last. The id names all that decides what is learnt: model,
settings, ingredients, the training part of the split, plug-in and seed. Candidates, draws and
whatever else only changes the question ask a kept model again.
"""

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from recbench.atomic_write import atomic_folder
from recbench.errors import PluginError, UserError
from recbench.file_digests import folder_digest
from recbench.hardware.threads import as_begun
from recbench.locks import locked
from recbench.recommender import Encoder, Runtime, System, Transferable
from recbench.runs import environment
from recbench.runs.kept_trainings import (
    MODEL,
    TRAINING,
    parts,
    read_training,
    whole_training,
    write_training,
)
from recbench.runs.provenance import provenance
from recbench.runs.record import Trained
from recbench.runs.stopwatch import Stopwatch
from recbench.runs.store import CHECKPOINTS
from recbench.training_source import TrainingSource


def train_or_find(
    name: str,
    model: System,
    source: TrainingSource,
    runtime: Runtime,
    folder: Path,
    candidates: int,
    fresh: bool = False,
) -> tuple[Trained, bool]:
    """
    Fit a model and keep it, or load what was kept; what is not as it was kept is trained again.

    Parameters
    ----------
    name
        The registered name of `model`.
    model
        Not fitted; afterwards it is.
    source
        What is learnt from.
    runtime
        Where it runs; its `checkpoints` are not used.
    folder
        Named after all that decides what is learnt; one process at a time works in it, and others
        wait and find what it has kept.
    candidates
        Items of each query that will be asked: with so many a model rehearses before it is trained.
    fresh
        Whether to train from the start even where a training was kept, or begun. One that was kept
        is replaced when the new one is done.

    Returns
    -------
    Trained
        What is known of the training.
    bool
        Whether it was made now.

    Raises
    ------
    PluginError
        If what the model reports is not what the record needs; nothing is then kept.
    UserError
        If the model's rehearsal refuses.
    """
    processes = runtime.processes
    with processes.by_main(locked(folder, runtime.report)):
        with processes.main_first():
            if fresh and processes.is_main:
                shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
            kept = None if fresh else whole_training(folder)
            if kept is None and not fresh and (folder / TRAINING).exists():
                runtime.report(f"{folder} is not as it was kept; its model is trained again")
        if kept is not None:
            runtime.report(f"asking the model trained before: {folder}")
            try:
                model.load(folder / MODEL, source.asked, runtime)
            except Exception:
                runtime.report(f"{folder} cannot be loaded; --fresh trains it anew")
                raise
            return kept, False
        with as_begun(folder / CHECKPOINTS, runtime.report, processes.is_main):
            begun = replace(runtime, fresh=fresh)
            return _train(name, model, source, begun, folder, candidates), True


def _train(
    name: str,
    model: System,
    source: TrainingSource,
    runtime: Runtime,
    folder: Path,
    candidates: int,
) -> Trained:
    """Fit it in all processes, or in the main one by itself; that one keeps it."""
    processes, here = runtime.processes, runtime.at(folder / CHECKPOINTS)
    if not model.trains_together:
        here = here.alone()
        if processes.count > 1:
            runtime.report(f"{name} is trained by one process; the others wait")
    if processes.is_main or model.trains_together:
        details, seconds = _fit(name, model, source, here, folder, candidates)
    with processes.main_first():
        if processes.is_main:
            return _keep(name, model, source, runtime, folder, details, seconds)
        trained = read_training(folder)
        if trained is None:
            raise UserError(
                f"{folder} has no training that the main process kept; let --results name a folder "
                "that all hosts see"
            )
        if not model.trains_together:
            model.load(folder / MODEL, source.asked, runtime)
        return trained


def _fit(
    name: str,
    model: System,
    source: TrainingSource,
    here: Runtime,
    folder: Path,
    candidates: int,
) -> tuple[dict[str, Any], float]:
    """Train; return what the model reports, and seconds."""
    watch = Stopwatch(here.checkpoints, here.report, here.processes.is_main)
    with watch.stage("fit"):
        for data in source.datasets:
            model.rehearse(data, candidates, here)
        here.report(f"training {name}: {folder}")
        set_so = model.settings.record()
        details = _checked(model.fit(source.learnt, here))
        if model.settings.record() != set_so:
            raise PluginError("the model's fit may not change its settings, which name the run")
        if isinstance(model, Transferable) and source.elsewhere:
            model.transfer(source.asked, here)
    return details, watch.seconds["fit"]


def _keep(
    name: str,
    model: System,
    source: TrainingSource,
    runtime: Runtime,
    folder: Path,
    details: dict[str, Any],
    seconds: float,
) -> Trained:
    """Write the model, and then the record of its training."""
    with atomic_folder(folder / MODEL) as partial:
        model.save(partial)
        (folder / TRAINING).unlink(missing_ok=True)  # one never stands beside another's model
    settings, lasting = model.settings.record(), model.settings.runtime - model.settings.passing
    trained = Trained(
        training_id=folder.name,
        runtime_settings={key: settings[key] for key in lasting},
        seed=runtime.seed,
        data=source.digest,
        parameters_trained=details["parameters_trained"],
        fit=details,
        seconds=seconds,
        peak_memory=environment.peak_memory(runtime.device),
        weights=folder_digest(folder / MODEL),
        parts=parts(folder / MODEL),
        provenance=provenance(name, runtime.device, details.get("precision", "float32")),
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    write_training(folder, trained)
    if isinstance(model, Encoder) and not source.elsewhere:  # what it guides need not train it
        from recbench.llm.encoders import share

        share(name, model, source.learnt, runtime, details)
    shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
    return trained


def _checked(details: Any) -> dict[str, Any]:
    """Return what a model reported of its fit, as a record holds it; refuse what none can."""
    if not isinstance(details, dict) or not isinstance(details.get("parameters_trained"), int):
        raise PluginError("the model's fit must return a dict with parameters_trained, an int")
    if details["parameters_trained"] < 0:
        raise PluginError("the model's fit must return parameters_trained of at least 0")
    if not (isinstance(of := details.get("precision", ""), str) and of.isprintable()):
        raise PluginError("the model's fit must return its precision as one line of text")
    try:
        text = json.dumps(details, ensure_ascii=False)
        text.encode()  # half a character is no text for a file
    except (TypeError, ValueError) as error:
        raise PluginError(f"the model's fit must return JSON values: {error}") from None
    held: dict[str, Any] = json.loads(text)  # keys are text there
    return held
