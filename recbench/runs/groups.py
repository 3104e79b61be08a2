"""
Figures by group of test rows: what a system does for cold items, and for new and known users.

Rows are grouped by a count that was stored with them, so no model is run again. The groups of a
count are 0 (cold: nothing was learnt of it), 1-5, 6-20, 21-100 and more: what has fewer than 5
interactions is what the field filters out (Kang and McAuley, ICDM 2018), fewer than 20 what
MovieLens leaves out of its users (Harper and Konstan, TiiS 2015). Systems are compared inside each
group, as they are in a table, and all groups share what may be mistaken: among five groups one
would stand out by chance more often than in one table.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from recbench.questions.cold_start import ColdStart
from recbench.runs.examples import read_cold_start
from recbench.runs.leaderboard import Row, Table, compared, ranked_by, with_per_user
from recbench.statistics.intervals import Estimate, estimate
from recbench.statistics.values import SystemValues

Grouping = Literal["target-count", "user-count", "history-length", "user"]

LAST = (0, 5, 20, 100)
"""The largest count of each group but the last one."""

COUNTS = ("0", "1-5", "6-20", "21-100", "over 100")
USERS = ("new", "known")


@dataclass(frozen=True)
class Group:
    """
    The test rows of one group.

    Attributes
    ----------
    name
        Of the group.
    examples, users
        How many there are.
    rows
        The systems in the leaderboard's order; all that they say is of this group alone.
    estimates
        Of each row, what the table is `ranked_by`; None where no example is in the group.
    """

    name: str
    examples: int
    users: int
    rows: tuple[Row, ...]
    estimates: tuple[Estimate | None, ...]


@dataclass(frozen=True)
class GroupedTable:
    """
    A table of the leaderboard, group by group.

    Attributes
    ----------
    table
        The whole.
    groups
        In the order of their counts, empty ones included.
    """

    table: Table
    groups: tuple[Group, ...]


def grouped(
    tables: Sequence[Table], by: Grouping, baseline: str | None = None, families: int | None = None
) -> list[GroupedTable]:
    """
    Group the test rows of every table.

    Parameters
    ----------
    tables
        Of the leaderboard.
    by
        What of a test row.
    baseline
        Label or model that every row is compared with, besides the best.
    families
        How many groups are looked at together; None for those of one table that have examples.

    Raises
    ------
    DataError
        Where examples are missing.
    """
    return [GroupedTable(table, tuple(_groups(table, by, baseline, families))) for table in tables]


def counts_of(rows: Sequence[Row]) -> ColdStart:
    """
    Return the counts of the test rows of a table; raises DataError where examples are missing.

    All rows of a table were asked about the same examples, but a part of the training users counts
    less; the counts are of the row that learnt from most, whoever leads the table.
    """
    most = max(rows, key=lambda row: row.record.training.fraction)
    return read_cold_start(most.runs[0].folder, most.record)


def _groups(table: Table, by: Grouping, baseline: str | None, families: int | None) -> list[Group]:
    rows = [row for row in table.rows if row.system is not None]
    names, members = _members(rows, by) if rows else ((), [])
    together = families or sum(bool(inside.any()) for inside in members)
    return [
        _group(name, rows, inside, baseline, together)
        for name, inside in zip(names, members, strict=True)
    ]


def _members(rows: Sequence[Row], by: Grouping) -> tuple[tuple[str, ...], list[NDArray[np.bool_]]]:
    counts = counts_of(rows)
    if by == "user":
        return USERS, [counts.user_count == 0, counts.user_count > 0]
    count = getattr(counts, by.replace("-", "_"))
    number = np.searchsorted(LAST, count, side="left")
    return COUNTS, [number == group for group in range(len(COUNTS))]


def _group(
    name: str, rows: Sequence[Row], inside: NDArray[np.bool_], baseline: str | None, families: int
) -> Group:
    systems = [row.system.only(inside) for row in rows if row.system is not None]
    examples, users = int(inside.sum()), len(np.unique(systems[0].users))
    found = tuple(estimate(one) for one in systems)
    parts = [_only(*part) for part in zip(rows, systems, found, strict=True)]
    if not examples:
        return Group(name, 0, 0, tuple(parts), found)
    whole = compared([with_per_user(row) for row in parts], baseline, families)
    return Group(name, examples, users, whole.rows, found)


def _only(row: Row, system: SystemValues, found: Estimate | None) -> Row:
    """Return a row that says nothing of the whole table any more."""
    own = {} if found is None else {ranked_by(row.record): found}
    return Row(row.label, row.runs, own, system)
