"""Figures by group as text: for a terminal, Markdown, LaTeX, CSV and JSON."""

from collections.abc import Iterator, Sequence

from recbench.plain_text import as_json
from recbench.runs.groups import Group, GroupedTable
from recbench.runs.leaderboard import Row, ranked_by
from recbench.runs.notes import notes_by_part, notes_of, seeds_cell, unshown_note
from recbench.runs.sheet import Grid, Sheet
from recbench.runs.text import (
    DASH,
    Format,
    as_csv,
    estimate_cells,
    figure_cell,
    laid_out,
    pair_as_json,
    pair_cells,
    question_as_json,
    question_line,
    signed,
)
from recbench.statistics.intervals import Estimate

BY_USER = ("user", "user-count")
NOBODYS = (
    "A finished split does not say whose its rows are: each counts as one of a user of its own, "
    "who is new."
)


def render_groups(tables: Sequence[GroupedTable], by: str, form: Format) -> str:
    """
    Write figures by group as text, a line a group and system, without a last line end.

    Parameters
    ----------
    tables
        From `recbench.runs.groups.grouped`.
    by
        What the groups are of: the head of the column.
    form
        Of the output.
    """
    if form == "json":
        return as_json([_as_json(table, by) for table in tables])
    if form == "csv":
        return _as_csv(tables, by)
    return "\n\n".join(laid_out(groups_sheet(table, by), form) for table in tables)


def _lines(table: GroupedTable) -> Iterator[tuple[Group, Row, Estimate | None]]:
    for group in table.groups:
        for row, found in zip(group.rows, group.estimates, strict=True):
            yield group, row, found


def groups_sheet(table: GroupedTable, by: str) -> Sheet:
    """Return what a page says of the groups of a table; `by` as in `render_groups`."""
    record, named = table.table.record, table.table.baseline
    figure = ranked_by(record)
    once = any(row.per_user for _, row, _ in _lines(table))
    headers = [by, "rows", "users", "model", "seeds", figure]
    headers += [f"{figure}, each user once"] if once else []
    headers += [f"{figure} to the best other", *([f"{figure} to {named}"] if named else [])]
    lines = [
        [
            *(group.name, str(group.examples), str(group.users), row.label, seeds_cell(row)),
            DASH if found is None else figure_cell(found.figure),
            *([figure_cell(None if row.per_user is None else row.per_user.figure)] if once else []),
            DASH if row.to_best is None else signed(*row.to_best[:3]),
            *([_to_baseline(row)] if named else []),
        ]
        for group, row, found in _lines(table)
    ]
    blocks: list[str | Grid] = [
        Grid(headers, lines),
        *notes_by_part(
            (f"in group {group.name}", row, found) for group, row, found in _lines(table)
        ),
        *([NOBODYS] if by in BY_USER and record.protocol.partition(",")[0] == "released" else []),
        "95% intervals over the users of a group and training seeds; differences as in the "
        "leaderboard (multiple comparisons with the best), inside each group, and wide enough to "
        "hold in all groups at once.",
        unshown_note(table.table.unshown),
    ]
    return Sheet(tuple(blocks), question_line(record), f"; {figure} by {by}")


def _to_baseline(row: Row) -> str:
    one = row.to_baseline
    return DASH if one is None else signed(one.difference.value, one.low, one.high)


def _as_csv(tables: Sequence[GroupedTable], by: str) -> str:
    place = ["dataset", "protocol", "protocol_version", "dataset_digest", "pack", "model", "seeds"]
    ends = [by, "n", "users", "figure", "mean", "low", "high"]
    once = ["each_user_once", "each_user_once low", "each_user_once high"]
    best = ["to_best", "to_best low", "to_best high", "may_be_best"]
    base = ["baseline", "to_baseline", "to_baseline low", "to_baseline high"]
    lines = [
        _csv_line(table, group, row, found)
        for table in tables
        for group, row, found in _lines(table)
    ]
    last = ["mixed", "notes", "rows left out"]
    return as_csv([*place, *ends, *best, *once, *base, *last], lines)


def _csv_line(table: GroupedTable, group: Group, row: Row, found: Estimate | None) -> list[object]:
    record = row.record
    return [
        *(record.dataset, record.protocol, record.protocol_version),
        *(record.digests.dataset, record.digests.pack, row.label, len(row.runs)),
        *(group.name, group.examples, group.users, ranked_by(record), *estimate_cells(found)),
        *(("", "", "", "") if row.to_best is None else row.to_best),
        *estimate_cells(row.per_user),
        *(table.table.baseline, *pair_cells(row.to_baseline)),
        *(row.mixed, "; ".join(notes_of(row, found)), table.table.unshown),
    ]


def _as_json(table: GroupedTable, by: str) -> dict[str, object]:
    return {
        **question_as_json(table.table.record),
        "figure": ranked_by(table.table.record),
        "by": by,
        "rows_left_out": table.table.unshown,
        "baseline": table.table.baseline,
        "groups": [
            {
                "name": group.name,
                "examples": group.examples,
                "users": group.users,
                "rows": [
                    _row_as_json(row, found)
                    for row, found in zip(group.rows, group.estimates, strict=True)
                ],
            }
            for group in table.groups
        ],
    }


def _row_as_json(row: Row, found: Estimate | None) -> dict[str, object]:
    return {
        "label": row.label,
        "row": row.record.row,
        "seeds": [run.record.seed for run in row.runs],
        "mixed": row.mixed,
        "no_result": row.record.no_result,
        "notes": notes_of(row, found),
        "figure": found and found.figure.model_dump(),
        "each_user_once": row.per_user and row.per_user.figure.model_dump(),
        "to_best": row.to_best and row.to_best._asdict(),
        "to_baseline": pair_as_json(row.to_baseline),
    }
