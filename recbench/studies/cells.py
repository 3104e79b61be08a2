"""The cells of a study: which are there, what the others would take, and running them."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from recbench.cells.board import Board
from recbench.cells.cell import Cell
from recbench.cells.fill import fill
from recbench.cells.local import Local
from recbench.errors import RecbenchError, UserError
from recbench.experiment import (
    Experiment,
    Question,
    ask,
    asked_protocol,
    build,
    choose_training_source,
    describe,
    recommender_class,
)
from recbench.questions.protocols.choice import means
from recbench.recommender import System
from recbench.registry import blamed_if_at_fault
from recbench.runs import store
from recbench.runs.places import results_folder
from recbench.runs.record import RunRecord

Report = Callable[[str], None]


def located(cells: Iterable[Experiment], report: Report) -> dict[Path, Experiment]:
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
    found: dict[Path, Experiment] = {}
    for cell in cells:
        key = cell.dataset, asked_protocol(cell).name, cell.draws, cell.pack_seed
        model = built(cell)
        if key not in questions:
            questions[key] = _asked(cell, report)
        question = questions[key]
        if isinstance(question, Question):
            source = choose_training_source(cell, model, question, report)
            setup = describe(cell, model, question, source.training)
            found.setdefault(store.run_folder(results_folder(cell.results), setup), cell)
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


def run(missing: Sequence[Experiment], devices: Sequence[str], report: Report) -> None:
    """
    Run cells, each in a process of its own; one that was killed goes on where it stopped.

    Raises
    ------
    RecbenchError
        If some failed, when all the others are done; a UserError where all of them say that it is
        the user's mistake.
    """
    wanted = [Cell(name(cell), tuple(cell.arguments)) for cell in missing]
    board = Board(len(wanted), report, live=len(devices) > 1)
    failed = fill(wanted, Local(devices, board), board)
    if failed:
        mistake = {how.code for how in failed.values()} == {UserError.exit_code}
        names = "; ".join(cell.name for cell in failed)
        raise (UserError if mistake else RecbenchError)(
            f"{len(failed)} of {len(wanted)} cells failed: {names}; the same command tries them "
            "again, and with --no-run it shows what is there"
        )


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


def seconds(cells: Iterable[Experiment], records: Sequence[RunRecord]) -> float | None:
    """
    Estimate how long the cells without a record would take, by earlier records of their models.

    Each is taken to train and to answer at the speed that its model and language model had on the
    same dataset, under the same protocol where there are such, by the row where it is told how many
    to learn from; a training that several cells ask counts once. None where a model has no record
    there.
    """
    total, trained = 0.0, set[str]()
    for cell in {name(one): one for one in cells}.values():
        alike = [one for one in records if _alike(cell, one)]
        if any(_same(cell, one) for one in alike):
            continue
        if not alike:
            return None
        usual = [one for one in alike if _protocol(cell, one)] or alike
        total += fmean(_asking(cell, one) for one in usual)
        training = name(cell.model_copy(update={"protocol": _card(cell)}))
        if training not in trained:
            trained.add(training)
            total += fmean(_learning(cell, one) for one in usual)
    return total


def _asking(cell: Experiment, record: RunRecord) -> float:
    draws = 1 if record.full_ranking else cell.draws / record.draws
    return record.times.prepare + record.times.audit + draws * record.times.score


def _learning(cell: Experiment, record: RunRecord) -> float:
    assert record.trained is not None  # it is of a registered model
    rows, usual = cell.settings.get("examples"), record.settings.get("examples")
    if rows is None or usual is None:
        return cell.train_fraction * record.trained.seconds
    return float(rows) / usual * record.trained.seconds


def _alike(cell: Experiment, record: RunRecord) -> bool:
    asked = cell.model, cell.dataset, cell.settings.get("llm"), cell.limit
    return asked == (record.model, record.dataset, record.settings.get("llm"), record.limit)


def _same(cell: Experiment, record: RunRecord) -> bool:
    settings = recommender_class(cell.model).settings_class
    known, own = record.settings, settings.build(cell.settings, cell.preset).identity()
    told = all(known.get(key) == own.get(key) for key in cell.settings)
    seeds = not record.random_training or record.seed == cell.seed
    learnt = cell.train_fraction, cell.elsewhere, cell.control
    same = learnt == (record.training.fraction, record.training.dataset, record.control)
    draws = record.full_ranking or record.draws == cell.draws
    return told and seeds and same and draws and _protocol(cell, record)


def _protocol(cell: Experiment, record: RunRecord) -> bool:
    asked = asked_protocol(cell).name
    return means(asked, record.protocol)


def _card(cell: Experiment) -> str:
    return asked_protocol(cell).card
