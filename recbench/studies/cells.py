"""The cells of a study: where they lie, and what they are called."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from recbench.data.card import card
from recbench.errors import UnusableError, UserError
from recbench.questions.protocols import protocol
from recbench.questions.protocols.choice import allows, default_protocol, fits
from recbench.recommender import System, reads_candidates
from recbench.registry import blamed_if_at_fault, if_usable
from recbench.request import Experiment
from recbench.runs import store
from recbench.runs.places import results_folder
from recbench.runs.question import Question
from recbench.stages import (
    ask,
    asked_protocol,
    build,
    choose_training_source,
    describe,
    training_folder,
)
from recbench.studies.study import Asked

Report = Callable[[str], None]


@dataclass(frozen=True)
class Place:
    """
    Where a cell's run lies, or will.

    Attributes
    ----------
    cell
        What is run.
    training
        Folder of what it learns, which cells that ask another question have in common with it.
    """

    cell: Experiment
    training: Path


def located(
    cells: Iterable[Experiment], report: Report
) -> tuple[dict[Path, Place], list[Experiment]]:
    """
    Name the folder of each run, which need not exist; nothing is trained.

    A cell whose folder another has already (a seed of what is not trained from one) is the same. A
    question that cannot be asked of the data (more candidates than items) is told of and left out.

    Returns
    -------
    dict of Path to Place
        Folder to what is run there.
    list of Experiment
        Cells whose model, encoder or dataset is a plug-in that cannot be had, or fails: the run of
        each says why.

    Raises
    ------
    UserError
        For a cell that no run can have; where no question can be asked at all.
    """
    questions: dict[tuple[Any, ...], Question | UserError] = {}
    found: dict[Path, Place] = {}
    broken: list[Experiment] = []
    for cell in cells:
        if (asked := if_usable(partial(_protocol_and_model, cell))) is None:
            broken.append(cell)
            continue
        protocol_name, model = asked
        key = cell.dataset, protocol_name, cell.draws, cell.pack_seed
        if key not in questions:
            questions[key] = _asked(cell, report)
        if not isinstance(question := questions[key], Question):
            continue
        if (there := if_usable(partial(_place, cell, model, question, report))) is None:
            broken.append(cell)
        else:
            found.setdefault(*there)
    refused = [(key, one) for key, one in questions.items() if isinstance(one, UserError)]
    if not found and refused:
        raise refused[0][1]
    for (dataset, named, *_), error in refused:  # whose remedy is an option that a study lacks
        report(f"left out: {named} of {dataset}, of which recbench run says: {error}")
    return found, broken


def _protocol_and_model(cell: Experiment) -> tuple[str, System]:
    return asked_protocol(cell).name, built(cell)


def _place(
    cell: Experiment, model: System, question: Question, report: Report
) -> tuple[Path, Place]:
    """Return the folder of a run, and what is run there."""
    source = choose_training_source(cell, model, question, report)
    setup = describe(cell, model, question, source.training)
    training = training_folder(cell, model, source, setup.seed)
    return store.run_folder(results_folder(cell.results), setup), Place(cell, training)


def at_hand(cell: Experiment) -> System | None:
    """Make the model of a cell as `built`; None where it cannot be had, as its run will say."""
    return if_usable(partial(built, cell))


def built(cell: Experiment) -> System:
    """Make the model of a cell, untrained; an error names it."""
    with blamed_if_at_fault("models", cell.model):
        try:
            return build(cell)
        except UnusableError as error:
            raise UnusableError(f"{cell.model}: {error}") from None
        except UserError as error:
            raise UserError(f"{cell.model}: {error}") from None


def _asked(cell: Experiment, report: Report) -> Question | UserError:
    try:
        return ask(cell, report)
    except UserError as error:
        return error


def is_another(name: str, asked: Asked) -> bool:
    """Tell whether a protocol can be asked of the dataset, and is not the dataset's own."""
    known, other = card(asked.dataset, asked.cache), protocol(name)
    own = default_protocol(asked.dataset, asked.cache)
    return other.card != own and allows(known, other) and fits(known, other)


def prompted(asked: Asked) -> set[str]:
    """Name the models that have their candidates in a prompt: each question takes them long."""
    models = {name: at_hand(asked.cell(name, 0)) for name in asked.models}
    return {name for name, model in models.items() if model and reads_candidates(model)}


def part_of_rows(cell: Experiment, part: float) -> Experiment:
    """Return the same with a part of its rows; all of them where their number is not set."""
    model = at_hand(cell)
    rows = None if model is None else model.settings.record().get("examples")
    if rows is None or part == 1:
        return cell
    settings = {**cell.settings, "examples": max(1, round(part * rows))}
    return cell.model_copy(update={"settings": settings})


def name(cell: Experiment) -> str:
    """Name a cell for the user."""
    return f"{row_name(cell)}, seed {cell.seed}"


def row_name(cell: Experiment) -> str:
    """Name what the cells of all seeds have in common."""
    said = [f"{key}={value}" for key, value in cell.settings.items()]
    if cell.train_fraction != 1:
        said.append(f"train_fraction={cell.train_fraction:g}")
    if cell.elsewhere is not None:
        said.append(f"train_dataset={cell.elsewhere}")
    model = f"{cell.model} ({', '.join(said)})" if said else cell.model
    where = cell.dataset if cell.protocol is None else f"{cell.dataset}, {cell.protocol}"
    return f"{model} on {where}"
