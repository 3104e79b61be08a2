"""Tables as text: for a terminal, Markdown, CSV and JSON."""

import csv
import io
import json
from collections.abc import Sequence
from typing import Literal

from recbench.evaluation.intervals import Figure
from recbench.runs.groups import GROUPS, GroupedTable
from recbench.runs.leaderboard import Row, Table, ranked_by
from recbench.runs.record import RunRecord

Format = Literal["table", "markdown", "csv", "json"]

HEADLINE = ("ValidRatio", "HitRatio@1", "HitRatio@1|likelihood", "MRR", "MRR|likelihood")
"""The figures that fit on a page; CSV and JSON hold all of them."""

FULL_HEADLINE = ("HitRatio@1", "HitRatio@5", "HitRatio@10", "NDCG@10", "MRR")
"""Those of a full ranking, whose rows are ordered by NDCG@10."""

DASH = "-"


def render(tables: Sequence[Table], form: Format) -> str:
    """
    Write tables as text, without a last line end.

    Parameters
    ----------
    tables
        From `recbench.runs.leaderboard.leaderboard`.
    form
        ``"table"`` and ``"markdown"`` hold the headline figures, ``"csv"`` and ``"json"`` every
        one.
    """
    if form == "json":
        return json.dumps([_as_json(table) for table in tables], indent=2, ensure_ascii=False)
    if form == "csv":
        return _as_csv(tables)
    return "\n\n".join(_as_text(table, form == "markdown") for table in tables)


def run_table(record: RunRecord) -> str:
    """Write the figures of one run, its times and its caption: what `recbench run` closes with."""
    from tabulate import tabulate

    lines = [
        [name, f"{one.value:.4f}", f"[{one.low:.4f}, {one.high:.4f}]", one.n]
        for name, one in record.metrics.items()
    ]
    times = record.times
    return "\n".join(
        [
            f"{record.model} on {_question(record)}, seed {record.seed}",
            tabulate(
                lines,
                headers=["figure", "mean", "95% interval", "examples"],
                disable_numparse=True,
            ),
            f"time: {times.prepare:.0f} s preparing, {times.fit:.0f} s training, "
            f"{times.score:.0f} s scoring, {times.audit:.0f} s audit, {times.total:.0f} s in all; "
            f"peak memory {record.peak_memory.host / 2**20:.0f} MiB",
            *([f"{record.caption}"] if record.caption else []),
        ]
    )


def _question(record: RunRecord) -> str:
    if record.full_ranking:
        asked = f"all {record.candidates} items ranked"
    else:
        asked = f"{record.draws} draws of {record.candidates} candidates"
    return (
        f"{record.dataset}, protocol {record.protocol}: {record.examples} examples, {asked}, "
        f"pack {record.digests.pack[:8]}"
    )


def _as_text(table: Table, markdown: bool) -> str:
    from tabulate import tabulate

    record = table.rows[0].record
    headline = FULL_HEADLINE if record.full_ranking else HEADLINE
    names = [name for name in headline if any(name in row.metrics for row in table.rows)]
    compared = len(table.rows) > 1
    difference = [f"{ranked_by(record)} to first", "p"] if compared else []
    headers = ["model", "seeds", *names, *difference]
    lines = [
        [
            row.label,
            str(len(row.runs)),
            *(_cell(row.metrics.get(name)) for name in names),
            *(_difference(row) if compared else []),
        ]
        for row in table.rows
    ]
    if markdown:
        headers, lines = _escaped(headers), [_escaped(line) for line in lines]
    style = "pipe" if markdown else "simple"
    title = f"**{_question(record)}**" if markdown else _question(record)
    # A blank line parts the blocks, as Markdown needs it.
    blocks = [
        title,
        *([f"Not comparable with the table above: {table.apart}."] if table.apart else []),
        tabulate(lines, headers=headers, tablefmt=style, disable_numparse=True),
        *_captions(table),
        "95% intervals over users; '-' is what a system cannot give."
        + (" Differences are paired over users, p by sign flips." if compared else ""),
    ]
    return "\n\n".join(blocks)


def _captions(table: Table) -> list[str]:
    by_caption: dict[str, list[str]] = {}
    for row in table.rows:
        if row.record.caption:
            by_caption.setdefault(row.record.caption, []).append(row.label)
    return [f"{', '.join(labels)}: {caption}" for caption, labels in by_caption.items()]


def _cell(figure: Figure | None) -> str:
    return DASH if figure is None else f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]"


def _difference(row: Row) -> list[str]:
    one = row.to_best
    if one is None:
        return [DASH, DASH]
    return [f"{one.value:+.3f} [{one.low:+.3f}, {one.high:+.3f}]", f"{one.p:.4f}"]


def _escaped(cells: list[str]) -> list[str]:
    return [cell.replace("|", r"\|") for cell in cells]


def _as_csv(tables: Sequence[Table]) -> str:
    names = list(dict.fromkeys(n for table in tables for row in table.rows for n in row.metrics))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    ends = [f"{name}{end}" for name in names for end in ("", " low", " high")]
    writer.writerow(["dataset", "protocol", "dataset_digest", "pack", "model", "seeds", "n", *ends])
    for row in (row for table in tables for row in table.rows):
        record = row.record
        place = [record.dataset, record.protocol, record.digests.dataset, record.digests.pack]
        cells = [cell for name in names for cell in _ends(row.metrics.get(name))]
        writer.writerow([*place, row.label, len(row.runs), record.examples, *cells])
    return out.getvalue().rstrip("\n")


def _ends(figure: Figure | None) -> list[float | str]:
    return ["", "", ""] if figure is None else [figure.value, figure.low, figure.high]


def _as_json(table: Table) -> dict[str, object]:
    record = table.rows[0].record
    return {
        **_question_as_json(record),
        "examples": record.examples,
        "draws": record.draws,
        "figure": ranked_by(record),
        "apart": table.apart,
        "rows": [_row_as_json(row) for row in table.rows],
    }


def _question_as_json(record: RunRecord) -> dict[str, object]:
    return {
        "dataset": record.dataset,
        "dataset_digest": record.digests.dataset,
        "protocol": record.protocol,
        "pack": record.digests.pack,
    }


def _row_as_json(row: Row) -> dict[str, object]:
    return {
        "label": row.label,
        "model": row.record.model,
        "row": row.record.row,
        "settings": row.record.settings,
        "matching": row.record.matching,
        "seeds": [run.record.seed for run in row.runs],
        "caption": row.record.caption,
        "metrics": {name: one.model_dump() for name, one in row.metrics.items()},
        "to_first": None if row.to_best is None else row.to_best._asdict(),
    }


def render_groups(tables: Sequence[GroupedTable], by: str, form: Format) -> str:
    """
    Write figures by group as text, without a last line end.

    Parameters
    ----------
    tables
        From `recbench.runs.groups.grouped`.
    by
        What the groups are of: the head of the table.
    form
        ``"csv"`` has a line a row and group, the others a line a row.
    """
    filled = [table for table in tables if table.rows]
    if form == "json":
        return json.dumps([_groups_as_json(table, by) for table in filled], indent=2)
    if form == "csv":
        return _groups_as_csv(filled, by)
    return "\n\n".join(_groups_as_text(table, by, form == "markdown") for table in filled)


def _groups_as_text(table: GroupedTable, by: str, markdown: bool) -> str:
    from tabulate import tabulate

    headers = ["model", *(f"{by} {group}" for group in GROUPS)]
    lines = [
        [one.row.label, *(DASH if f is None else f"{_cell(f)} n={f.n}" for f in one.figures)]
        for one in table.rows
    ]
    if markdown:
        lines = [_escaped(line) for line in lines]
    record = table.rows[0].row.record
    title = f"{_question(record)}; {ranked_by(record)} by {by}"
    blocks = [
        f"**{title}**" if markdown else title,
        tabulate(
            lines,
            headers=headers,
            tablefmt="pipe" if markdown else "simple",
            disable_numparse=True,
        ),
        f"95% intervals over the n examples of a group; '{DASH}' is a group without examples.",
    ]
    return "\n\n".join(blocks)


def _groups_as_csv(tables: Sequence[GroupedTable], by: str) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    place = ["dataset", "protocol", "dataset_digest", "pack", "model", "seeds"]
    writer.writerow([*place, by, "n", "figure", "mean", "low", "high"])
    for one in (one for table in tables for one in table.rows):
        record = one.row.record
        asked = [record.dataset, record.protocol, record.digests.dataset, record.digests.pack]
        for group, found in zip(GROUPS, one.figures, strict=True):
            n = 0 if found is None else found.n
            cells = [group, n, ranked_by(record), *_ends(found)]
            writer.writerow([*asked, one.row.label, len(one.row.runs), *cells])
    return out.getvalue().rstrip("\n")


def _groups_as_json(table: GroupedTable, by: str) -> dict[str, object]:
    record = table.rows[0].row.record
    return {
        **_question_as_json(record),
        "figure": ranked_by(record),
        "by": by,
        "rows": [
            {
                "label": one.row.label,
                "row": one.row.record.row,
                "seeds": [run.record.seed for run in one.row.runs],
                "groups": {
                    group: found and found.model_dump()
                    for group, found in zip(GROUPS, one.figures, strict=True)
                },
            }
            for one in table.rows
        ],
    }
