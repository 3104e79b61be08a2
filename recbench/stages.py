"""
The stages of an experiment before anything is trained, each a function of what is asked for.

`recbench.experiment.run` calls them in order; what cannot be done is refused here.
"""

from collections.abc import Callable
from pathlib import Path

from recbench.data.prepare import prepare
from recbench.errors import PluginError, UserError
from recbench.evaluation.answers import Matching
from recbench.evaluation.full_ranking import check_can_rank_all
from recbench.models import check_line, check_words, ingredients_of, recommender_class
from recbench.plain_text import printable_lines
from recbench.questions.controls import OF_USE, Control
from recbench.questions.full_ranking import FullRanking
from recbench.questions.make_split import make_split
from recbench.questions.protocols import Protocol
from recbench.questions.protocols.choice import allows, fits, protocol_of
from recbench.questions.queries import Queries
from recbench.recommender import System, TrainingData, Transferable, ranks, writes
from recbench.request import Experiment
from recbench.runs.identity import row_digest, run_id, training_digest
from recbench.runs.places import cache_folder, results_folder, training_place
from recbench.runs.provenance import plugin
from recbench.runs.question import Question, frozen_question
from recbench.runs.record import Setup, caption_of
from recbench.runs.record_parts import FROM_OUTSIDE, Training
from recbench.settings import Settings
from recbench.training_source import TrainingSource, other_training, own_training


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
    model = model_class(_settings(model_class, experiment))
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


def _settings(model_class: type[System], experiment: Experiment) -> Settings:
    """Make the settings, the same ones each time: a run is found again by them."""
    first, second = (
        model_class.settings_class.build(experiment.settings, experiment.preset) for _ in range(2)
    )
    other = [name for name, value in first.record().items() if second.record().get(name) != value]
    if other:
        raise PluginError(
            f"its setting '{other[0]}' is another each time it is made; a default may hang on "
            "neither chance nor time"
        )
    first.check_counts(experiment.settings)
    return first


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
            "next-item, which asks about those who have trained"
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
    digest = training_digest(
        model=experiment.model,
        settings=model.settings.identity(),
        ingredients=ingredients_of(model),
        data=source.digest,
        training=source.training,
        plugin=plugin(experiment.model),
    )
    root = results_folder(experiment.results)
    return training_place(root, experiment.dataset, experiment.model, run_id(digest, seed))


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
    row = row_digest(
        model=experiment.model,
        settings=settings,
        ingredients=ingredients,
        digests=question.digests,
        protocol=question.protocol.name,
        matching=matching,
        training=training,
        control=experiment.control,
    )
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
