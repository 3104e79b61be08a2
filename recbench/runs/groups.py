"""
Figures by group of test rows: what a system does for cold items and for new users.

Rows are grouped by a count that was stored with them, so no model is run again. The groups are 0
(cold: nothing was learnt of it), 1-5, 6-20, 21-100 and more: what has fewer than
5 interactions is what the field filters out (Kang and McAuley, ICDM 2018), fewer than 20 what
MovieLens leaves out of its users (Harper and Konstan, TiiS 2015).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from recbench.errors import UserError
from recbench.evaluation.intervals import Figure, figure
from recbench.runs.compare import row_users, row_values
from recbench.runs.examples import read_cold_start
from recbench.runs.leaderboard import Row, Table, ranked_by

Grouping = Literal["target-count", "user-count", "history-length"]

LAST = (0, 5, 20, 100)
"""The largest count of each group but the last one."""

GROUPS = ("0", "1-5", "6-20", "21-100", "over 100")


@dataclass(frozen=True)
class GroupedRow:
    """
    One system on one question, group by group.

    Attributes
    ----------
    row
        Of the leaderboard.
    figures
        What the table is `ranked_by`, of each of `GROUPS`; None where no example is in it.
    """

    row: Row
    figures: tuple[Figure | None, ...]


@dataclass(frozen=True)
class GroupedTable:
    """
    A table of the leaderboard, group by group.

    Attributes
    ----------
    rows
        In the leaderboard's order.
    left_out
        Why a row cannot be grouped, one line each.
    """

    rows: tuple[GroupedRow, ...]
    left_out: tuple[str, ...]


def grouped(tables: Sequence[Table], by: Grouping) -> list[GroupedTable]:
    """Group the rows of every table by a count."""
    return [_grouped(table, by) for table in tables]


def _grouped(table: Table, by: Grouping) -> GroupedTable:
    rows, left_out = [], []
    for row in table.rows:
        try:
            rows.append(GroupedRow(row, _figures(row, by)))
        except UserError as error:
            left_out.append(str(error))
    return GroupedTable(tuple(rows), tuple(left_out))


def _figures(row: Row, by: Grouping) -> tuple[Figure | None, ...]:
    # The seeds of a row learn from the same data, so their counts are the same.
    counts = getattr(read_cold_start(row.runs[0].folder, row.record), by.replace("-", "_"))
    draws = row.record.draws
    values = row_values(row.runs, ranked_by(row.record)).reshape(-1, draws)  # [examples, draws]
    users = row_users(row.runs)
    members = [np.searchsorted(LAST, counts, side="left") == group for group in range(len(GROUPS))]
    return tuple(figure(values[inside].ravel(), draws, users[inside]) for inside in members)
