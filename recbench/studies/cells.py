"""The cells of a study: where they lie, and what they are called."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recbench.errors import UserError
from recbench.experiment import (
    Experiment,
    Question,
    ask,
    asked_protocol,
    build,
    choose_training_source,
    describe,
    training_folder,
)
from recbench.recommender import System
from recbench.registry import blamed_if_at_fault
from recbench.runs import store
from recbench.runs.places import results_folder

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


def located(cells: Iterable[Experiment], report: Report) -> dict[Path, Place]:
    """
    Name the folder of each run, which need not exist; nothing is trained.

    A cell whose folder another has already (a seed of what is not trained from one) is the same. A
    question that cannot be asked of the data (more candidates than items) is told of and left out.

    Raises
    ------
    UserError
        For a cell that no run can have; where no question can be asked at all.
    """
    questions: dict[tuple[Any, ...], Question | UserError] = {}
    found: dict[Path, Place] = {}
    for cell in cells:
        key = cell.dataset, asked_protocol(cell).name, cell.draws, cell.pack_seed
        model = built(cell)
        if key not in questions:
            questions[key] = _asked(cell, report)
        question = questions[key]
        if isinstance(question, Question):
            source = choose_training_source(cell, model, question, report)
            setup = describe(cell, model, question, source.training)
            training = training_folder(cell, model, source, setup.seed)
            folder = store.run_folder(results_folder(cell.results), setup)
            found.setdefault(folder, Place(cell, training))
    refused = [one for one in questions.values() if isinstance(one, UserError)]
    if not found and refused:
        raise refused[0]
    for one in refused:
        report(f"left out: {one}")
    return found


def built(cell: Experiment) -> System:
    """Make the model of a cell, untrained; an error names it."""
    with blamed_if_at_fault("models", cell.model):
        try:
            return build(cell)
        except UserError as error:
            raise UserError(f"{cell.model}: {error}") from None


def _asked(cell: Experiment, report: Report) -> Question | UserError:
    try:
        return ask(cell, report)
    except UserError as error:
        return error


def part_of_rows(cell: Experiment, part: float) -> Experiment:
    """Return the same with a part of its rows; all of them where their number is not set."""
    rows = built(cell).settings.record().get("examples")
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
