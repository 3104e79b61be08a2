"""
How many users, draws and seeds a claim takes, from the runs that are there.

The variance of a difference is split by what makes it smaller (`recbench.statistics.power`), for
every two rows of a table that may be its best; a plan goes by the pair of median variance, among
those that tell what seeds add where there are any, and says so. They are compared by a two-sided
test at .05, as two that were chosen beforehand are.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations

import numpy as np

from recbench.errors import UserError
from recbench.plain_text import as_json
from recbench.runs.leaderboard import Row, Table, ranked_by
from recbench.runs.notes import notes
from recbench.runs.sheet import Grid, Sheet
from recbench.runs.systems import matched
from recbench.runs.text import Format, as_csv, laid_out, question_as_json, question_line, told
from recbench.statistics.power import Design, VarianceParts, expected, split, told_apart

DRAWS, SEEDS = (1, 5, 20), (1, 3, 5, 10)
"""Designs that are looked at."""

MOST_USERS = 1 << 20
"""Where so many users would not do, more users do not help."""


@dataclass(frozen=True)
class Option:
    """
    One design.

    Attributes
    ----------
    draws, seeds
        Of each example; trainings of each system.
    smallest
        True difference that is found with 80% power, with the users that there are.
    users
        Test users, as equal as they are here, with which the wanted difference is found; None where
        none was wanted, or no number of users suffices.
    """

    draws: int
    seeds: int
    smallest: float
    users: int | None


@dataclass(frozen=True)
class Plan:
    """
    What a table's runs say of larger and smaller designs.

    Attributes
    ----------
    table
        The runs.
    pair
        The two rows of median variance, trained more than once where two are.
    single
        The variance of their difference for one effective user, one draw and one seed.
    effective_users
        What the users are worth.
    users
        How many there are.
    wanted
        The difference that is to be found, or None.
    options
        One a design.
    """

    table: Table
    pair: tuple[Row, Row]
    single: VarianceParts
    effective_users: float
    users: int
    wanted: float | None
    options: tuple[Option, ...]


def plan(table: Table, wanted: float | None = None) -> Plan | None:
    """
    Plan from one table.

    Parameters
    ----------
    table
        Of the leaderboard.
    wanted
        True difference that is to be found, in (0, 1).

    Returns
    -------
    Plan or None
        None where fewer than two rows have the figure that the table is ranked by.

    Raises
    ------
    UserError
        If all test rows are of one user.
    """
    results = [row for row in table.rows if not row.record.no_result]
    able = [row for row in results if row.system is not None]
    close = [row for row in able if row.to_best is not None and row.to_best.may_be_best]
    rows = close if len(close) > 1 else able
    system = rows[0].system if len(rows) > 1 else None
    if system is None:
        return None
    if len(np.unique(system.users)) < 2:
        raise UserError("all test rows are of one user, from whom nothing can be told of others")
    trainings = [len(row.runs) for row in rows if row.record.random_training]
    here = Design.of(system.users, system.draws, min(trainings, default=1))
    found = [(_split(a, b), (a, b)) for a, b in combinations(rows, 2)]
    # Two that answer alike show no spread of a difference; others are planned with where there are.
    found = [one for one in found if expected(one[0], here).total > 1e-18] or found
    found = [one for one in found if _tells_of_seeds(one[1])] or found
    found.sort(key=lambda one: told_apart(one[0], here))
    single, pair = found[len(found) // 2]
    draws = DRAWS if table.record.draws > 1 else (table.record.draws,)
    designs = [(d, s) for d in draws for s in SEEDS]
    options = [_option(single, replace(here, draws=d, seeds=s), wanted) for d, s in designs]
    users = len(np.unique(system.users))
    return Plan(table, pair, single, here.users, users, wanted, tuple(options))


def _tells_of_seeds(pair: tuple[Row, Row]) -> bool:
    """Whether each of two was trained more than once, if its training is random."""
    return all(len(row.runs) > 1 for row in pair if row.record.random_training)


def _split(a: Row, b: Row) -> VarianceParts:
    assert a.system is not None
    assert b.system is not None
    return split(a.system, b.system, matched(a.runs, b.runs))


def _option(single: VarianceParts, design: Design, wanted: float | None) -> Option:
    smallest = told_apart(single, design)
    users = None if wanted is None else _users_needed(single, design, wanted)
    return Option(design.draws, design.seeds, smallest, users)


def _users_needed(single: VarianceParts, design: Design, wanted: float) -> int | None:
    """Search for the fewest effective users; their degrees of freedom grow with their number."""

    def enough(users: int) -> bool:
        left = design.users_df / (design.users - 1)  # of what equal users would leave
        more = replace(design, users=users, users_df=max(1.0, left * (users - 1)))
        return told_apart(single, more) <= wanted

    if not enough(MOST_USERS):
        return None
    low, high = 1, MOST_USERS  # what is enough lies in (low, high]
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def render_plans(plans: Sequence[Plan], form: Format) -> str:
    """Write plans as text, a line a design, without a last line end."""
    if form == "json":
        return as_json([_as_json(one) for one in plans])
    if form == "csv":
        return _as_csv(plans)
    return "\n\n".join(laid_out(_sheet(one), form) for one in plans)


def _sheet(one: Plan) -> Sheet:
    record = one.table.record
    headers = ["draws", "seeds", "smallest told apart here"]
    lines = [[str(o.draws), str(o.seeds), told(o.smallest)] for o in one.options]
    if one.wanted is not None:
        headers.append(f"users for {one.wanted:g}")
        for line, option in zip(lines, one.options, strict=True):
            line.append("no number" if option.users is None else f"{_real(one, option):,}")
    a, b = one.pair
    tells = _tells_of_seeds(one.pair)
    among = " among those that tell what seeds add" if tells else ""
    blocks = [
        Grid(headers, lines),
        f"From {a.label} and {b.label}, the pair of median variance{among}, in "
        f"{ranked_by(record)}: a true difference is told apart where the paired test at .05 finds "
        f"it with 80% power. There are {one.users:,} test users here, worth "
        f"{one.effective_users:.0f} with equally many rows.",
        ""
        if tells
        else "One of the two has a single training: what seeds add is not known, and is counted as "
        "nothing; make more seeds.",
        "With one seed or two the claim is of these trainings alone.",
        *notes(one.pair),
    ]
    return Sheet(tuple(blocks), question_line(record))


def _real(one: Plan, option: Option) -> int:
    """Return how many users like those here are worth as many as are needed."""
    assert option.users is not None
    return round(option.users * one.users / one.effective_users)


def _as_csv(plans: Sequence[Plan]) -> str:
    headers = ["dataset", "protocol", "pack", "figure", "first", "second", "draws", "seeds"]
    lines = []
    for one in plans:
        record = one.table.record
        asked = [record.dataset, record.protocol, record.digests.pack, ranked_by(record)]
        for option in one.options:
            needed = "" if option.users is None else _real(one, option)
            pair = [row.label for row in one.pair]
            found = option.draws, option.seeds, option.smallest, needed
            lines.append([*asked, *pair, *found, "; ".join(notes(one.pair))])
    return as_csv([*headers, "smallest", "users_needed", "notes"], lines)


def _as_json(one: Plan) -> dict[str, object]:
    return {
        **question_as_json(one.table.record),
        "figure": ranked_by(one.table.record),
        "pair": [row.label for row in one.pair],
        "variance_of_one": asdict(one.single),
        "users": one.users,
        "effective_users": one.effective_users,
        "wanted": one.wanted,
        "notes": notes(one.pair),
        "options": [
            {
                "draws": option.draws,
                "seeds": option.seeds,
                "smallest": option.smallest,
                "users": None if option.users is None else _real(one, option),
            }
            for option in one.options
        ],
    }
