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

from pydantic import Field

from recbench.data.prepare import prepare
from recbench.defaults import DRAWS, PACK_SEED
from recbench.errors import PluginError, UserError
from recbench.evaluation.answers import Matching
from recbench.evaluation.audit import audit
from recbench.evaluation.evaluator import Judgement, evaluate
from recbench.evaluation.fresh_process import SavedModel, release_memory
from recbench.evaluation.full_ranking import check_can_rank_all
from recbench.models import (
    as_json,
    check_line,
    check_words,
    ingredients_of,
    recommender_class,
)
from recbench.neural.devices import deterministic, resolve
from recbench.neural.launched import launched
from recbench.neural.threads import as_begun
from recbench.plain_text import printable_lines
from recbench.processes import Processes
from recbench.questions.cold_start import cold_start
from recbench.questions.controls import MEANING, OF_USE, Control
from recbench.questions.full_ranking import FullRanking
from recbench.questions.make_split import make_split
from recbench.questions.protocols import Protocol
from recbench.questions.protocols.choice import allows, fits, protocol_of
from recbench.questions.queries import Queries
from recbench.recommender import Runtime, System, TrainingData, Transferable, ranks, writes
from recbench.runs import store
from recbench.runs.completion import answered_by, complete, forgotten_if_refused, report_age
from recbench.runs.identity import row_digest, run_id, training_digest
from recbench.runs.kept_trainings import MODEL, TRAININGS, check_stands
from recbench.runs.lock import locked
from recbench.runs.places import cache_folder, results_folder
from recbench.runs.provenance import plugin, provenance
from recbench.runs.question import Question, frozen_question
from recbench.runs.record import Setup, Trained, caption_of
from recbench.runs.record_parts import FROM_OUTSIDE, Provenance, Training
from recbench.runs.stopwatch import Stopwatch
from recbench.runs.unfinished import Begun
from recbench.settings import Settings
from recbench.trained_model import train_or_find
from recbench.training_source import TrainingSource, other_training, own_training

NEEDED = {"model", "dataset"}
"""What ``recbench run`` must be told."""


class Experiment(Settings):
    """
    What a user asks for; with the data it decides every figure.

    Attributes
    ----------
    model, dataset, protocol
        Registered names; the protocol's may say what is changed (``paper,candidates=30``),
        and None is the dataset's own.
    preset, settings
        Of the model: a named set of values, and what is set on top of it.
    seed
        Of training; it never changes the questions.
    draws, pack_seed
        How often the negatives of each test row are drawn, and from which seed; of no use where all
        items are ranked.
    matching
        Rule by which a written answer names a candidate.
    control
        What the trained model is shown otherwise when it is asked (`recbench.questions.controls`).
    limit
        How many test rows to ask about, the first ones; None for all. What comes of fewer is no
        result.
    train_fraction
        Part of the training users to learn from, in (0, 1].
    train_dataset, train_data_dir
        Another dataset to learn from, and the folder with its raw files.
    device
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    deterministic
        Whether to use only operations that give the same bits every time
        (`recbench.neural.devices.deterministic`); on a GPU they are slower.
    fresh
        Whether to train and ask anew, going on with nothing. A finished run or a training that
        stands is replaced when the new one is done.
    audit
        Whether a copy of the model is asked some rows again (`recbench.evaluation.audit`), if it
        says that a copy can be.
    show_prompt
        Whether the prompt of the first test row is shown, before anything is trained.
    data_dir
        Folder with the raw files; None for the card's sources.
    results, cache
        Folders; None for the defaults of `recbench.runs.places`.
    """

    model: str
    dataset: str = "movielens"
    protocol: str | None = None
    preset: str | None = None
    settings: dict[str, Any] = Field(default_factory=dict)
    seed: int = 0
    draws: int = Field(DRAWS, ge=1)
    pack_seed: int = PACK_SEED
    matching: Matching = "exact"
    control: Control | None = None
    limit: int | None = Field(default=None, ge=1)
    train_fraction: float = Field(1.0, allow_inf_nan=True)  # `with_fraction` refuses by its name
    train_dataset: str | None = None
    train_data_dir: Path | None = None
    device: str = "auto"
    deterministic: bool = False
    fresh: bool = False
    audit: bool = True
    show_prompt: bool = False
    data_dir: Path | None = None
    results: Path | None = None
    cache: Path | None = None

    @property
    def elsewhere(self) -> str | None:
        """The dataset that is learnt from, where it is not the one asked about."""
        return self.train_dataset if self.train_dataset != self.dataset else None

    @property
    def arguments(self) -> list[str]:
        """Those of ``recbench run`` that mean this, those that have their default left out."""
        changes = [f"{name}={value}" for name, value in self.settings.items()]
        words = [word for change in changes for word in ("--set", change)]
        for field, known in type(self).model_fields.items():
            value, option = getattr(self, field), f"--{field.replace('_', '-')}"
            if field == "settings" or (field not in NEEDED and value == known.default):
                continue
            if isinstance(value, bool):
                words.append(option if value else f"--no-{field}")
            else:
                words += [option, str(value)]
        return words

    @property
    def goes_on(self) -> list[str]:
        """The `arguments` by which it is gone on with, but for the folders of results and cache."""
        at = None if self.data_dir is None else self.data_dir.absolute()
        learnt_at = None if self.train_data_dir is None else self.train_data_dir.absolute()
        places = {"results": None, "cache": None, "data_dir": at, "train_data_dir": learnt_at}
        once = {"fresh": False, "show_prompt": False}
        return self.model_copy(update={**places, **once}).arguments


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
    lock = processes.by_main(locked(folder, report))
    with lock, deterministic(experiment.deterministic):
        with processes.main_first():
            found = None if experiment.fresh else store.finished(folder)
        if found:
            how = wanted.is_audited, experiment.deterministic
            report_age(found.record, wanted.model.settings, *how, report)
            return found
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
    is_audited = experiment.audit and model.auditable
    return _Wanted(model, question, shown, source, data, setup, is_audited)


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
    answered = answered_by(trained, made, runtime.checkpoints)
    asked = wanted.shown.split.test, wanted.shown.split.catalogue, wanted.shown.pack
    with watch.stage("score"):
        judgement = evaluate(model, *asked, runtime, experiment.matching, answered)
    account = _account(model, runtime, judgement) if runtime.processes.is_main else {}
    stored = kept / MODEL, trained.weights, data, control, model.knows_users
    saved = SavedModel(type(model), model.settings, *stored)
    told = judgement, account, answered, made, saved, precision
    return _Judged(trained, kept, *told)


def _recorded(
    wanted: _Wanted, folder: Path, judged: _Judged, runtime: Runtime, watch: Stopwatch
) -> store.Run:
    """Ask a copy of the model some rows again, and write the record."""
    shown, setup, audited = wanted.shown, wanted.setup, None
    asked = shown.split.test, shown.split.catalogue, shown.pack, runtime
    training = judged.kept, judged.trained
    with watch.stage("audit"), forgotten_if_refused(judged.answered, *training):
        if wanted.is_audited:
            how = judged.precision, setup.matching
            audited = audit(judged.saved, judged.judgement, *asked, *how)
    done = judged.judgement, judged.account, audited, judged.made, watch.seconds
    record = complete(setup, judged.trained, *done)
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


def build(experiment: Experiment) -> System:
    """
    Make the model, untrained; a typo ends here, and a question that it cannot be asked.

    Raises
    ------
    UserError
        For an unknown model, preset, setting, dataset or protocol, or a value out of range; where
        the model cannot learn from another dataset, cannot rank all items, or knows only users who
        train, and is asked to.
    RecbenchError
        If the model is a plug-in that cannot be imported or is no `System`.
    """
    model_class = recommender_class(experiment.model)
    if experiment.elsewhere is not None and not issubclass(model_class, Transferable):
        raise UserError(
            f"{experiment.model} cannot learn from {experiment.elsewhere} and be asked about "
            f"{experiment.dataset}: it knows items by their codes in one catalogue, not by their "
            "titles; leave out --train-dataset, or take a language model"
        )
    if experiment.train_data_dir is not None and experiment.elsewhere is None:
        raise UserError(
            "--train-data-dir is the folder of --train-dataset: name that one as well, or give "
            "--data-dir"
        )
    model = model_class(model_class.settings_class.build(experiment.settings, experiment.preset))
    check_words(model)
    asked = asked_protocol(experiment)
    if asked.full:
        check_can_rank_all(model, experiment.model)
    if model.knows_users:
        _check_users_train(experiment, asked)
    if (control := experiment.control) is not None and control not in model.controls:
        raise UserError(_of_no_use(experiment.model, control, model.controls))
    if experiment.show_prompt and "anonymised-titles" not in model.controls:
        raise UserError(f"{experiment.model} reads no prompt; leave out --show-prompt")
    return model


def _of_no_use(model: str, control: Control, known: frozenset[Control]) -> str:
    others = f"take {' or '.join(sorted(known))}" if known else "leave it out: no control does"
    return (
        f"--control {control} says nothing of {model}, it is for systems that {OF_USE[control]}; "
        f"{others}"
    )


def _check_users_train(experiment: Experiment, asked: Protocol) -> None:
    """Refuse a question about users who do not train, for a model that knows only those who do."""
    why = f"{experiment.model} learns a vector of each user"
    if asked.split != "last-items":
        raise UserError(
            f"{why}, and {asked.name} asks about users who have not trained; take --protocol "
            "next-item, under which all users train"
        )
    if experiment.train_fraction != 1:
        raise UserError(
            f"{why}, and would have none of the users that --train-fraction "
            f"{experiment.train_fraction:g} leaves out; leave out --train-fraction"
        )


def first_prompt(model: System, data: TrainingData, shown: Question) -> str:
    """Return the prompt of the first test row and draw; signs that would steer a terminal named."""
    histories, pack = shown.split.test.histories[:1], shown.pack
    if isinstance(pack, FullRanking):
        queries = Queries.of_all(histories, pack.size)
    else:
        queries = Queries(histories, pack.candidates[:1, 0])
    return printable_lines(model.prompt(data, queries) or "its prompts are not shown")


def asked_protocol(experiment: Experiment) -> Protocol:
    """Read the protocol that is named, else the dataset's own."""
    cache = cache_folder(experiment.cache)
    return protocol_of(experiment.dataset, experiment.protocol, cache)


def ask(
    experiment: Experiment, report: Callable[[str], None], show_progress: bool = False
) -> Question:
    """
    Read the data, split it and freeze the candidates, before any model sees them.

    Raises
    ------
    UserError
        For an unknown dataset or protocol, one that cannot be asked of the other, rows or
        candidates that the data do not suffice for; a DataError for a broken line.
    RecbenchError
        If no source of the data can be had.
    """
    whole = frozen_question(
        experiment.dataset,
        asked_protocol(experiment),
        experiment.draws,
        experiment.pack_seed,
        cache_folder(experiment.cache),
        experiment.data_dir,
        report,
        show_progress,
    )
    if experiment.limit is None:
        return whole
    first = whole.first(experiment.limit)
    few = "the first alone are asked about, which gives no result"
    told = few if first.limit else "all are asked about"
    report(f"--limit {experiment.limit}, of {len(whole.split.test)} test rows: {told}")
    return first


def choose_training_source(
    experiment: Experiment,
    model: System,
    question: Question,
    report: Callable[[str], None],
    show_progress: bool = False,
) -> TrainingSource:
    """
    Read what is learnt from: a part of the question's training data, or of another dataset's.

    Raises
    ------
    UserError
        For a fraction that is not in (0, 1] or keeps no training row; of another dataset, as `ask`.
    """
    card, fraction, other = question.dataset.card, experiment.train_fraction, experiment.elsewhere
    if other is None or not isinstance(model, Transferable):
        return own_training(card, question.split, fraction, model)
    cache, folder = cache_folder(experiment.cache), experiment.train_data_dir
    dataset = prepare(other, cache, folder, report, show_progress)
    rule = question.protocol
    if not (allows(dataset.card, rule) and fits(dataset.card, rule)):
        rule = protocol_of(other, None, cache)
    learnt = dataset.card, make_split(dataset, rule)
    asked = card, question.split
    return other_training(asked, learnt, rule.name, fraction, model)


def training_folder(
    experiment: Experiment, model: System, source: TrainingSource, seed: int
) -> Path:
    """Return the folder of a training, named after all that decides what is learnt."""
    settings, ingredients = model.settings.identity(), ingredients_of(model)
    learnt_from = source.digest, source.training, plugin(experiment.model)
    digest = training_digest(experiment.model, settings, ingredients, *learnt_from)
    root = results_folder(experiment.results) / experiment.dataset / TRAININGS
    return root / experiment.model / run_id(digest, seed)


def matching_of(experiment: Experiment, model: System) -> Matching:
    """Return the rule that decides figures: of what writes nothing every rule makes one row."""
    return experiment.matching if writes(model) else "exact"


def describe(
    experiment: Experiment, model: System, question: Question, training: Training
) -> Setup:
    """
    Write down what is asked of whom: what names the run, and what its figures are of.

    Raises
    ------
    PluginError
        If no record could hold what the model says of itself: nothing is trained for that.
    """
    settings, ingredients = model.settings.identity(), ingredients_of(model)
    matching = matching_of(experiment, model)
    asked = question.digests, question.protocol.name, matching, training, experiment.control
    row = row_digest(experiment.model, settings, ingredients, *asked)
    seed = experiment.seed if model.random_training else 0
    setup = Setup(
        run_id=run_id(row, seed),
        row=row,
        model=experiment.model,
        preset=experiment.preset,
        settings=settings,
        ingredients=ingredients,
        seed=seed,
        random_training=model.random_training,
        training=training,
        pack_seed=experiment.pack_seed,
        matching=matching,
        control=experiment.control,
        caption=caption_of(model.caption, training, experiment.dataset),
        writes=writes(model),
        ranks=ranks(model),
        **question.fields,
    )
    if setup.model.startswith(FROM_OUTSIDE):
        raise PluginError(f"its name begins with {FROM_OUTSIDE}, as those of answers in a file do")
    for name, text in setup.words.items():
        check_line(text, name)
    return setup
