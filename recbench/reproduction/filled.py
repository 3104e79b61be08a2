"""The cells of a paper beside the records that there are, and what the others would take."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from recbench.reproduction.paper import Paper, Part
from recbench.reproduction.wanted import Wanted, wanted
from recbench.request import Experiment
from recbench.runs.leaderboard import Row, rows_of
from recbench.runs.record import RunRecord
from recbench.runs.store import Run
from recbench.runs.systems import question
from recbench.studies.cells import at_hand
from recbench.studies.forecast import seconds
from recbench.studies.study import Asked


@dataclass(frozen=True)
class Filled:
    """
    A cell of a paper.

    Attributes
    ----------
    wanted
        What it is.
    rows
        What is on record of it, other language models and settings as rows of their own.
    missing
        The runs of it that have no record; none of what cannot be run. Of a model whose training is
        not random all seeds are one.
    seconds
        What these would take; None where no earlier record says.
    """

    wanted: Wanted
    rows: tuple[Row, ...]
    missing: tuple[Experiment, ...]
    seconds: float | None


@dataclass(frozen=True)
class Section:
    """
    A part of a paper.

    Attributes
    ----------
    part
        What it shows.
    cells
        In the paper's order; none where its study is not installed.
    seconds
        What all those missing runs would take together of which earlier records tell; a training
        that several of them ask counts once.
    """

    part: Part
    cells: tuple[Filled, ...]
    seconds: float

    @property
    def missing(self) -> list[Experiment]:
        """All runs without a record."""
        return [one for cell in self.cells for one in cell.missing]

    @property
    def untold(self) -> int:
        """How many of them are of models that have no record on their dataset."""
        return sum(len(cell.missing) for cell in self.cells if cell.seconds is None)


def filled(paper: Paper, asked: Asked, runs: Sequence[Run]) -> list[Section]:
    """
    Fill a paper in.

    Parameters
    ----------
    paper
        What it shows.
    asked
        As for `recbench.reproduction.wanted.wanted`.
    runs
        All that are on record.

    Raises
    ------
    UserError
        If a name is not registered.
    DataError
        If examples are missing or damaged.
    """
    parts = [(part, wanted(part, asked)) for part in paper.parts]
    every = [one for _, several in parts for one in several]
    runs = [run for run in runs if not run.record.no_result]
    rows = _rows(run for run in runs if any(one.is_of(run.record) for one in every))
    records = [run.record for run in runs]
    return [_section(part, several, rows, records) for part, several in parts]


def _rows(runs: Iterable[Run]) -> list[Row]:
    questions: dict[tuple[str, ...], list[Run]] = {}
    for run in runs:
        questions.setdefault(question(run.record), []).append(run)
    return [row for several in questions.values() for row in rows_of(several)]


def _section(
    part: Part, several: Sequence[Wanted], rows: Sequence[Row], records: Sequence[RunRecord]
) -> Section:
    cells = tuple(_filled(one, rows, records) for one in several)
    told = [one for cell in cells if cell.seconds is not None for one in cell.missing]
    return Section(part, cells, seconds(told, records) or 0.0)


def _filled(one: Wanted, rows: Sequence[Row], records: Sequence[RunRecord]) -> Filled:
    own = tuple(row for row in rows if one.is_of(row.record))
    there = [run.record for row in own for run in row.runs if one.stands_for(run.record)]
    enough = one.impossible or any(not record.random_training for record in there)
    seeds = {record.seed for record in there}
    missing = () if enough else _once(cell for cell in one.cells if cell.seed not in seeds)
    return Filled(one, own, missing, seconds(missing, records))


def _once(missing: Iterable[Experiment]) -> tuple[Experiment, ...]:
    found: dict[tuple[str, ...], Experiment] = {}
    for cell in missing:
        model = at_hand(cell)
        fixed = model is not None and not model.random_training
        one = cell.model_copy(update={"seed": 0}) if fixed else cell
        found.setdefault(tuple(one.arguments), one)
    return tuple(found.values())
