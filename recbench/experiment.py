"""
One experiment from start to end: the only place that calls every stage in order.

data -> split -> candidate pack -> fit -> answers -> metrics -> run record. Every stage is a
function of the ones before it and of the settings in `Experiment`; nothing else decides a figure.
"""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from recbench.errors import UserError
from recbench.evaluation.audit import audit
from recbench.evaluation.evaluator import Judgement, evaluate
from recbench.evaluation.fresh_process import SavedModel, release_memory
from recbench.hardware.devices import deterministic, resolve
from recbench.hardware.launched import launched
from recbench.hardware.threads import as_begun
from recbench.locks import locked
from recbench.models import as_json, check_line
from recbench.processes import Processes
from recbench.questions.cold_start import cold_start
from recbench.questions.controls import MEANING
from recbench.recommender import Runtime, System, TrainingData, ranks, writes
from recbench.request import Experiment
from recbench.runs import store
from recbench.runs.completion import answered_by, complete, forgotten_if_refused, report_age
from recbench.runs.kept_trainings import MODEL, check_stands
from recbench.runs.places import cache_folder, results_folder
from recbench.runs.provenance import provenance
from recbench.runs.question import Question
from recbench.runs.record import Setup, Trained
from recbench.runs.record_parts import Provenance
from recbench.runs.stopwatch import Stopwatch
from recbench.runs.unfinished import Begun
from recbench.stages import (
    ask,
    build,
    choose_training_source,
    describe,
    first_prompt,
    training_folder,
)
from recbench.trained_model import train_or_find
from recbench.training_source import TrainingSource


def run(
    experiment: Experiment, report: Callable[[str], None], show_progress: bool = False
) -> store.Run:
    """
    Run an experiment, go on with one that was killed, or return the one that is finished.

    Parameters
    ----------
    experiment
        What is asked for.
    report
        Told one line at each stage.
    show_progress
        Whether to draw progress bars on standard error.

    Returns
    -------
    recbench.runs.store.Run
        Its folder and record.

    Raises
    ------
    UserError
        For an unknown name or setting, before any data is read, or a device that is not there.
    RecbenchError
        If the audit refuses the run, or for whatever else went wrong; the folder can be gone on
        with.
    """
    began = time.monotonic()
    processes = launched()
    if not processes.is_main:
        report, show_progress = _silent, False
    with processes.main_first():  # the others find prepared what they read
        device = resolve(experiment.device, processes)
        wanted = _understood(experiment, processes, report, show_progress)
    folder = store.run_folder(results_folder(experiment.results), wanted.setup)
    if found := _finished(experiment, wanted, folder, processes, report):
        return found
    lock = processes.by_main(locked(folder, report))
    with lock, deterministic(experiment.deterministic):
        if found := _finished(experiment, wanted, folder, processes, report):
            return found  # by the process that was waited for
        checkpoints, cache = folder / store.CHECKPOINTS, cache_folder(experiment.cache)
        if experiment.fresh and processes.is_main:
            shutil.rmtree(checkpoints, ignore_errors=True)
        seed = wanted.setup.seed
        runtime = Runtime(seed, device, folder, cache, report, show_progress, processes).at(
            checkpoints
        )
        watch = Stopwatch(checkpoints, report, processes.is_main)
        with as_begun(checkpoints, report, processes.is_main):
            watch.add("prepare", time.monotonic() - began)
            judged = _judged(experiment, wanted, folder, runtime, watch)
            done = _recorded(wanted, folder, judged, runtime, watch) if processes.is_main else None
        processes.wait()  # for what the main one records
        return done or store.Run(folder, store.read_record(folder))


@dataclass(frozen=True)
class _Wanted:
    """
    An experiment, understood: all that is known before anything is trained.

    Attributes
    ----------
    model
        Untrained; it says what it is, and another one is trained.
    question
        As it is asked.
    shown
        As the model sees it, under the control.
    source
        What is learnt from.
    data
        What a trained model is loaded with.
    setup
        Of the record.
    is_audited
        Whether a copy is asked again.
    """

    model: System
    question: Question
    shown: Question
    source: TrainingSource
    data: TrainingData
    setup: Setup
    is_audited: bool


def _understood(
    experiment: Experiment, processes: Processes, report: Callable[[str], None], show_progress: bool
) -> _Wanted:
    model = build(experiment)
    _check_can_be_divided(model, experiment.model, processes)
    question = ask(experiment, report, show_progress)
    source = choose_training_source(experiment, model, question, report, show_progress)
    setup = describe(experiment, model, question, source.training)
    if setup.matching != experiment.matching:
        report(f"{experiment.model} writes nothing: --matching changes nothing")
    shown = question.seen(experiment.control)
    data = replace(source.asked, catalogue=shown.split.catalogue)
    if experiment.show_prompt:
        report(first_prompt(model, data, shown))
    return _Wanted(
        model=model,
        question=question,
        shown=shown,
        source=source,
        data=data,
        setup=setup,
        is_audited=experiment.audit and model.auditable,
    )


def _finished(
    experiment: Experiment,
    wanted: _Wanted,
    folder: Path,
    processes: Processes,
    report: Callable[[str], None],
) -> store.Run | None:
    """Return the run that is there, which takes nothing to be written; None where one is made."""
    with processes.main_first():
        found = None if experiment.fresh else store.finished(folder)
    if not processes.of_main(found is not None):
        return None  # the others may have looked a moment later
    if found is not None:
        report_age(
            found.record,
            wanted.model.settings,
            audited=wanted.is_audited,
            deterministic=experiment.deterministic,
            report=report,
        )
    return found


@dataclass(frozen=True)
class _Judged:
    """
    What a trained model has answered; the model itself is gone, and its memory free for the copy's.

    Attributes
    ----------
    trained, kept
        The training, and the folder that it is kept in.
    judgement, account
        Its answers, judged, and what it says of them.
    answered
        Folder of the finished calls.
    made
        Where and how it was asked.
    saved
        The model on disk.
    precision
        In which it scores.
    """

    trained: Trained
    kept: Path
    judgement: Judgement
    account: dict[str, Any]
    answered: Path
    made: Provenance
    saved: SavedModel
    precision: str


def _judged(
    experiment: Experiment, wanted: _Wanted, folder: Path, runtime: Runtime, watch: Stopwatch
) -> _Judged:
    """Train, or find what was trained, and ask it."""
    setup, source, data = wanted.setup, wanted.source, wanted.data
    model = build(experiment)
    kept = training_folder(experiment, model, source, setup.seed)
    if runtime.processes.is_main:
        begun = Begun(setup=setup, training=kept.name, arguments=experiment.goes_on)
        begun.write(folder)
    trained, new = train_or_find(
        setup.model, model, source, runtime, kept, setup.candidates, experiment.fresh
    )
    watch.add("fit", trained.seconds if new else 0.0)
    if (control := experiment.control) is not None:
        runtime.report(f"control {control}: {MEANING[control]}")
        model = build(experiment)
        release_memory()  # what the first one held, before another is loaded
        model.load(kept / MODEL, data, runtime)
        check_stands(kept, trained)
        model.begin(control)
    precision = model.scores_in
    check_line(precision, "scores_in")
    made = provenance(setup.model, runtime.device, precision)
    answered, shown = answered_by(trained, made, runtime.checkpoints), wanted.shown
    with watch.stage("score"):
        judgement = evaluate(
            model,
            shown.split.test,
            shown.split.catalogue,
            shown.pack,
            runtime,
            matching=experiment.matching,
            finished=answered,
        )
    saved = SavedModel(
        model=type(model),
        settings=model.settings,
        folder=kept / MODEL,
        weights=trained.weights,
        data=data,
        control=control,
        told=model.knows_users,
    )
    return _Judged(
        trained=trained,
        kept=kept,
        judgement=judgement,
        account=_account(model, runtime, judgement) if runtime.processes.is_main else {},
        answered=answered,
        made=made,
        saved=saved,
        precision=precision,
    )


def _recorded(
    wanted: _Wanted, folder: Path, judged: _Judged, runtime: Runtime, watch: Stopwatch
) -> store.Run:
    """Ask a copy of the model some rows again, and write the record."""
    shown, setup, audited = wanted.shown, wanted.setup, None
    kept = forgotten_if_refused(judged.answered, training=judged.kept, trained=judged.trained)
    with watch.stage("audit"), kept:
        if wanted.is_audited:
            audited = audit(
                judged.saved,
                judged.judgement,
                shown.split.test,
                shown.split.catalogue,
                shown.pack,
                runtime,
                precision=judged.precision,
                matching=setup.matching,
            )
        judged.saved.check_unchanged()  # neither by the model nor by its copy
    record = complete(
        setup,
        judged.trained,
        judged.judgement,
        account=judged.account,
        audited=audited,
        made=judged.made,
        seconds=watch.seconds,
    )
    return store.finish(folder, record, judged.judgement, cold_start(wanted.source.split))


def _account(model: System, runtime: Runtime, judgement: Judgement) -> dict[str, Any]:
    """Return what the model says of its answers, and how often memory did not suffice for them."""
    said = as_json(model.account(runtime), "account") if writes(model) else {}
    if judgement.halved:
        said = {**said, "halved": said.get("halved", 0) + judgement.halved}
    return said


def _silent(_: str) -> None:
    """Report to nobody: the main process does."""


def _check_can_be_divided(model: System, name: str, processes: Processes) -> None:
    """Refuse to divide questions whose answers may have to be paid for."""
    if processes.count > 1 and not ranks(model):
        raise UserError(
            f"{name} only writes, and is asked by one process, which keeps its account; run it "
            "without accelerate launch"
        )
