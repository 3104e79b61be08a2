"""
How good a language model is by what it has learnt from: the learning curves of its runs.

Every point was asked of the same validation rows (`recbench.neural.curve`), of which there are few:
a curve says when a form is learnt and when nothing moves any more, not which of two systems is
better.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from recbench.errors import UserError
from recbench.plain_text import as_json
from recbench.runs.leaderboard import Table, leaderboard
from recbench.runs.learning_curve import points_of
from recbench.runs.sheet import Grid, Sheet
from recbench.runs.store import Run
from recbench.runs.text import DASH, Format, as_csv, laid_out, protocol_name
from recbench.studies.study import Reading

NOTE = "Of the same few validation rows at every point: what is learnt when, not who is better."


class Curves(Reading):
    """The learning curves that are on record for a dataset."""

    question = "When does a language model learn what? Validation figures by rows learnt from"
    place = "none: it is to see whether a training was long enough"

    def printed(self, runs: Sequence[Run], dataset: str, form: Format) -> str:
        """Write a line for every point."""
        found = looks(leaderboard(runs))
        if not found:
            raise UserError(
                f"no run on {dataset} has a learning curve; language models have one, for example: "
                f"recbench run --model tallrec --dataset {dataset}"
            )
        return render_curves(found, form)


@dataclass(frozen=True)
class Look:
    """One point of a learning curve: whose, after how many rows, and its figures by name."""

    dataset: str
    protocol: str
    system: str
    seed: int
    rows: int
    figures: dict[str, float]


def looks(tables: Iterable[Table]) -> list[Look]:
    """Return the points of all runs that have a learning curve, by table, row, seed and rows."""
    return [
        Look(
            dataset=run.record.dataset,
            protocol=protocol_name(run.record),
            system=row.label,
            seed=run.record.seed,
            rows=rows,
            figures=figures,
        )
        for table in tables
        for row in table.rows
        for run in row.runs
        for rows, figures in points_of(run.record)
    ]


def render_curves(found: Sequence[Look], form: Format) -> str:
    """Write points as text, a line each, without a last line end."""
    if form == "json":
        headers, lines = _values(found)
        named = [dict(zip(headers, line, strict=True)) for line in lines]
        return as_json(named)
    if form == "csv":
        return as_csv(*_values(found))
    return laid_out(curves_sheet(found), form)


def curves_sheet(found: Sequence[Look]) -> Sheet:
    """Return what a page says of points, a line each."""
    headers, lines = _values(found)
    shown = [
        [*map(str, line[: len(_KEYS)])]
        + [DASH if value is None else f"{value:.3f}" for value in line[len(_KEYS) :]]
        for line in lines
    ]
    return Sheet((Grid(headers, shown), NOTE))


_KEYS = ("dataset", "protocol", "system", "seed", "rows")


def _values(found: Sequence[Look]) -> tuple[list[str], list[list[Any]]]:
    """Return headers and lines, None for a figure that a point does not have."""
    names = list(dict.fromkeys(name for one in found for name in one.figures))
    lines = [
        [one.dataset, one.protocol, one.system, one.seed, one.rows]
        + [one.figures.get(name) for name in names]
        for one in found
    ]
    return [*_KEYS, *names], lines
