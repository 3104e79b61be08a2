"""
The data of a study: a line a point, with its interval and what it stands on.

Columns of every study: ``kind`` (what the point is), those that the study adds, ``system`` (as the
leaderboard labels it), ``figure``, ``value``, ``low`` and ``high`` (of its interval; missing where
there is none), ``p`` (of a difference, adjusted for all that were looked at), ``seeds`` (as the
leaderboard writes them), ``users`` and ``examples``, and, for what is said of it below a table,
``effective_users`` (how many equal users an interval stands on; missing where it is none over
users) and ``asked`` (dataset and protocol).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recbench.errors import UserError
from recbench.models import recommender_class
from recbench.runs.leaderboard import Row, Table, leaderboard, ranked_by
from recbench.runs.notes import question_name, seeds_cell, trainings_cell
from recbench.runs.sheet import Grid
from recbench.runs.store import Run
from recbench.runs.text import DASH, interval, signed, with_sign
from recbench.statistics.best import Pair
from recbench.statistics.intervals import Estimate, estimate
from recbench.statistics.values import SystemValues

if TYPE_CHECKING:
    from pandas import DataFrame

SAID = ("effective_users", "asked")
"""Columns that the notes below a table are made from; the table is without them."""

COMMON = ("system", "figure", "value", "low", "high", "p", "seeds", "users", "examples", *SAID)
"""Columns of every study, which those of its own stand before."""

THIS_TRAINING = trainings_cell(1)
OF_FEW = "1 or 2 (these trainings)"
FEW = (THIS_TRAINING, trainings_cell(2), OF_FEW)
"""How `seeds` says that trainings are judged as they are (`recbench.runs.notes.seeds_cell`)."""

VALUE, DIFFERENCE = "value", "difference"
"""Kinds of point that most studies have."""

Point = dict[str, Any]


def frame(points: Iterable[Mapping[str, Any]]) -> "DataFrame":
    """
    Make a table of points, own columns first.

    Raises
    ------
    UserError
        Where there are none.
    """
    import pandas as pd

    found = list(points)
    if not found:
        raise UserError("the runs that are there have no figure that this study shows")
    own = [name for name in dict.fromkeys(n for one in found for n in one) if name not in COMMON]
    whole = pd.DataFrame(found, columns=[*own, *COMMON])
    numbers = ["value", "low", "high", "p", "effective_users"]
    return whole.astype(dict.fromkeys(numbers, np.float64)).astype(
        {"users": "Int64", "examples": "Int64"}
    )


def model_of(label: str) -> str:
    """Return the model that a system's label begins with."""
    return label.partition(" ")[0]


def only_table(runs: Sequence[Run], baseline: str | None = None) -> Table:
    """
    Return the table of runs that were asked the same.

    Raises
    ------
    UserError
        If they were not: two data sets under one name, for example.
    """
    first, *others = leaderboard(runs, baseline)
    if others:
        raise UserError(f"{first.record.dataset}: runs of several questions ({others[0].apart})")
    return first


def question(table: Table) -> str:
    """Name a table's question for an axis: its protocol, and how many candidates."""
    record = table.record
    card_name = record.protocol.partition(",")[0]
    return f"{card_name}, {'all' if record.full_ranking else record.candidates}"


def in_order(runs: Sequence[Run]) -> list[Table]:
    """Return the tables of runs under several protocols, in the order of the runs."""
    order = list(dict.fromkeys(run.record.protocol for run in runs))
    return sorted(leaderboard(runs), key=lambda one: order.index(one.record.protocol))


def value(row: Row, figure: str | None = None, kind: str = VALUE, **own: Any) -> list[Point]:
    """Return one figure of a row, or what its table is ranked by; nothing where it lacks that."""
    name = figure or ranked_by(row.record)
    if name not in row.estimates:
        return []
    return [{"kind": kind, **own, **about(row, name), **estimated(row.estimates[name])}]


def estimated(found: Estimate) -> Point:
    """Return a figure with its interval, and what both stand on."""
    ends = found.figure
    interval_of = {"value": ends.value, "low": ends.low, "high": ends.high}
    return {**interval_of, "examples": ends.n, "effective_users": found.users}


def settings_of(row: Row) -> dict[str, Any]:
    """Return the settings of a row, with those that its record leaves unsaid at their defaults."""
    record = row.record
    return recommender_class(record.model).settings_class.completed(record.settings)


def about(row: Row, figure: str) -> Point:
    """Return whose a point is."""
    users = None if row.system is None else len(np.unique(row.system.users))
    whose = {"system": row.label, "figure": figure, "seeds": seeds_cell(row)}
    asked = {"asked": question_name(row.record), "examples": row.record.examples}
    return {**whose, **asked, "users": users}


def difference(a: Row, b: Row, pair: Pair, **own: Any) -> list[Point]:
    """
    Return a difference of two rows, the first less the second.

    Of one or two trainings there is no test: their difference has neither an interval nor p.
    """
    few = pair.difference.given_training
    doubt = {} if few else {"low": pair.low, "high": pair.high, "p": pair.p}
    point = about(a, ranked_by(a.record)) | {"value": pair.difference.value, **doubt}
    if few:
        numbers = [len(row.runs) for row in (a, b) if row.record.random_training]
        point["seeds"] = trainings_cell(min(numbers))
    return [{"kind": DIFFERENCE, **own, "against": b.label, **point}]


def to_baseline(rows: Sequence[Row], baseline: str, **own: Any) -> list[Point]:
    """Return the difference of every row to the one that was named beforehand."""
    (base,) = [row for row in rows if row.label == baseline]
    pairs = [(row, row.to_baseline) for row in rows if row.to_baseline is not None]
    return [point for row, pair in pairs for point in difference(row, base, pair, **own)]


def measured(
    values: NDArray[np.float64],
    users: NDArray[np.integer],
    seeds: tuple[int, ...],
    system: str,
    figure: str,
    **own: Any,
) -> Point:
    """
    Return a mean of values that stand in no record, with its interval over users and seeds.

    Parameters
    ----------
    values
        float64 [seeds, rows] in [0, 1].
    users
        [rows], whose each is.
    seeds
        Of the trainings.
    system, figure, **own
        As the columns have them.
    """
    found = estimate(SystemValues(values, 1, users, seeds))
    assert found is not None  # every row has a value
    number = trainings_cell(len(seeds)) if found.given_training else str(len(seeds))
    whose = {"system": system, "figure": figure, "seeds": number}
    return {**own, **whose, **estimated(found), "users": len(np.unique(users))}


def as_grid(data: "DataFrame") -> Grid:
    """Write points, a line each; a column that is empty everywhere is left out."""
    shown = [name for name in data.columns if name not in ("value", "low", "high", *SAID)]
    shown = [name for name in shown if data[name].notna().any()]
    place = shown.index("figure") + 1
    headers = [*shown[:place], "value", *shown[place:]]
    lines = []
    for _, point in data.iterrows():
        cells = [_cell(point[name]) for name in shown]
        lines.append([*cells[:place], _value(point), *cells[place:]])
    return Grid(headers, lines)


def _value(point: Any) -> str:
    value, *ends = point[["value", "low", "high"]]
    known = not np.isnan(ends[0])
    if point["kind"] == DIFFERENCE:
        return signed(value, *ends) if known else with_sign(value)
    return f"{value:.3f} {interval(*ends)}" if known and ends[0] < ends[1] else f"{value:.3f}"


def _cell(found: Any) -> str:
    import pandas as pd

    if pd.isna(found):
        return DASH
    return f"{found:.4g}" if isinstance(found, float) else str(found)
