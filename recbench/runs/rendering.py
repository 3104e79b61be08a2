"""The leaderboard as text: for a terminal, Markdown, LaTeX, CSV and JSON."""

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from recbench.evaluation.metrics import names_at
from recbench.plain_text import as_json
from recbench.runs import published
from recbench.runs.leaderboard import Row, Table, ranked_by
from recbench.runs.learning_curve import points_of
from recbench.runs.notes import (
    data_note,
    estimate_of,
    notes,
    notes_of,
    seeds_cell,
    unshown_note,
)
from recbench.runs.sheet import Grid, Sheet
from recbench.runs.text import (
    DASH,
    Format,
    as_csv,
    estimate_cells,
    figure_cell,
    grid,
    laid_out,
    pair_as_json,
    pair_cells,
    question_as_json,
    question_line,
    signed,
    told,
)
from recbench.statistics.best import ALPHA, one_sided
from recbench.statistics.intervals import Estimate
from recbench.statistics.power import smallest_difference

HEADLINE = ("ValidRatio", "HitRatio@1", "HitRatio@1|likelihood", "MRR", "MRR|likelihood")
"""The figures that fit on a page; CSV and JSON hold all of them."""

FULL_HEADLINE = ("HitRatio@1", "HitRatio@5", "HitRatio@10", "NDCG@10", "MRR")
"""Those of a full ranking, whose rows are ordered by NDCG@10."""


def render(tables: Sequence[Table], form: Format, cutoffs: Sequence[int] = ()) -> str:
    """
    Write tables as text, without a last line end.

    Parameters
    ----------
    tables
        From `recbench.runs.leaderboard.leaderboard`.
    form
        ``"csv"`` and ``"json"`` hold every figure, the others the headline figures.
    cutoffs
        K whose figures the page holds as well, where the tables have them.
    """
    if form == "json":
        return as_json([_as_json(table) for table in tables])
    if form == "csv":
        return _as_csv(tables)
    return "\n\n".join(laid_out(sheet(table, cutoffs), form) for table in tables)


def run_table(row: Row) -> str:
    """Write the figures of one run, its times and notes: what `recbench run` closes with."""
    record = row.record
    lines = [
        [name, f"{one.value:.4f}", _ends(one.low, one.high), str(one.n)]
        for name, one in record.telling.items()
    ]
    times = record.times
    blocks = [
        f"{question_line(record)}: {record.model}, seed {record.seed}",
        grid(["figure", "mean", "95% interval", "examples"], lines),
        ""
        if record.trained is None
        else f"time: {times.prepare:.0f} s preparing, {times.fit:.0f} s training, "
        f"{times.score:.0f} s scoring, {times.audit:.0f} s audit, {times.total:.0f} s in all; "
        f"peak memory {record.peak_memory.host / 2**20:.0f} MiB",
        record.no_result,
        record.caption,
        data_note(record),
        "" if record.audit is not None else "not audited: no copy was asked again",
    ]
    if row.per_user is not None:
        once = figure_cell(row.per_user.figure)
        blocks.insert(2, f"{ranked_by(record)}, each user once: {once}")
    return "\n".join(filter(None, blocks))


def _ends(low: float, high: float) -> str:
    return DASH if low == high else f"[{low:.4f}, {high:.4f}]"


def sheet(table: Table, cutoffs: Sequence[int] = ()) -> Sheet:
    """Return what a page says of a table: its headline figures, and those of the `cutoffs`."""
    record, figure = table.record, ranked_by(table.record)
    headline = FULL_HEADLINE if record.full_ranking else HEADLINE
    wanted = dict.fromkeys([*headline, *names_at(cutoffs)])
    names = [name for name in wanted if any(name in row.estimates for row in table.rows)]
    columns = {
        "model": [row.label for row in table.rows],
        "seeds": [seeds_cell(row) for row in table.rows],
        **{name: [_cell(row.estimates.get(name)) for row in table.rows] for name in names},
        **_by_user(table),
        "seed SD": [_seed_sd(row) for row in table.rows],
        **_comparisons(table),
        **_published(table),
    }
    blocks: list[str | Grid] = [
        f"Not comparable with the table above: {table.apart}." if table.apart else "",
        Grid(list(columns), list(zip(*columns.values(), strict=True))),
        *notes(table.rows),
        _tuned(table),
        published.note(_others(table)),
        f"95% intervals over users and training seeds; '{DASH}' is what a system cannot give. Rows "
        f"stand by {figure}.",
        *_rule(table),
        unshown_note(table.unshown),
    ]
    return Sheet(tuple(blocks), question_line(record))


def _cell(found: Estimate | None) -> str:
    return DASH if found is None else figure_cell(found.figure)


def _seed_sd(row: Row) -> str:
    found = row.estimates.get(ranked_by(row.record))
    return DASH if found is None or found.seed_sd is None else f"{found.seed_sd:.3f}"


def _by_user(table: Table) -> dict[str, list[str]]:
    """Add the mean over users, each once, where users have several rows."""
    if not any(row.per_user for row in table.rows):
        return {}
    cells = [_cell(row.per_user) for row in table.rows]
    return {f"{ranked_by(table.record)}, each user once": cells}


def _comparisons(table: Table) -> dict[str, list[str]]:
    figure, columns = ranked_by(table.record), dict[str, list[str]]()
    if table.differences is not None:
        columns[f"{figure} to the best other"] = [
            DASH if row.to_best is None else signed(*row.to_best[:3]) for row in table.rows
        ]
        columns["may be best"] = [
            DASH if row.to_best is None else "yes" if row.to_best.may_be_best else "no"
            for row in table.rows
        ]
    if not any(row.to_baseline for row in table.rows):
        return columns
    cells = [
        DASH
        if (one := row.to_baseline) is None
        else signed(one.difference.value, one.low, one.high)
        for row in table.rows
    ]
    return {**columns, f"{figure} to {table.baseline}": cells}


def _tuned(table: Table) -> str:
    """Say what each training that is looked at on the way has seen, in what time and on what."""
    said = []
    for row in table.rows:
        records = [run.record for run in row.runs]
        seen = sorted({rows for one in records for rows, _ in [*points_of(one)][-1:]})
        if seen:
            hours = fmean(one.training_seconds or 0.0 for one in records) / 3600
            each = " a training" if len(records) > 1 else ""
            places = {one.trained.provenance.device.hardware for one in records if one.trained}
            examples, where = " or ".join(f"{one:,}" for one in seen), ", ".join(sorted(places))
            said.append(f"{row.label}: {examples} in {hours:.2f} h{each} on {where}")
    return f"Examples seen in tuning: {'; '.join(said)}" if said else ""


def _others(table: Table) -> list[list[published.Published]]:
    return [published.of(row.record, ranked_by(row.record)) for row in table.rows]


def _published(table: Table) -> dict[str, list[str]]:
    """Add, last and so that it bends no other column, what others published, where they did."""
    found = _others(table)
    return {"published": [cell or DASH for cell in published.cells(found)]} if any(found) else {}


def _rule(table: Table) -> list[str]:
    named = (
        f"Differences to {table.baseline}: simultaneous 95% intervals (Bonferroni)."
        if any(row.to_baseline for row in table.rows)
        else ""
    )
    if table.differences is None:
        return [named] if named else []
    size = len(table.differences.value)
    level = one_sided(size)
    found = {
        (a, b): smallest_difference(one.se, one.df, 2 * level)
        for a in range(size)
        for b in range(a)
        if (one := table.differences[a, b]).se
    }
    rule = (
        f"The best is among the rows that may be best, with 95% confidence: a row leaves them when "
        f"another is better at one-sided {level:.3g} ({ALPHA:.3g} over the other {size - 1}: "
        "multiple comparisons with the best, Hsu 1984)."
    )
    if not found:
        return [rule]
    low, high = min(found.values()), max(found.values())
    span = told(low) if told(low) == told(high) else f"{told(low)} to {told(high)}"
    shown = f" With 80% power this table tells rows apart that truly differ by {span}, by the pair."
    return [" ".join(filter(None, [rule + shown, named]))]


def _as_csv(tables: Sequence[Table]) -> str:
    names = list(dict.fromkeys(n for table in tables for row in table.rows for n in row.estimates))
    ends = [f"{name}{end}" for name in names for end in ("", " low", " high", " seed SD")]
    place = ["dataset", "protocol", "protocol_version", "dataset_digest", "pack", "draws"]
    row_heads = ["model", "seeds", "random_training", "audited", "n", *ends]
    best = ["figure", "each_user_once", "each_user_once low", "each_user_once high"]
    best += ["to_best", "to_best low", "to_best high", "may_be_best"]
    base = ["baseline", "to_baseline", "to_baseline low", "to_baseline high"]
    lines = [_csv_line(table, row, names) for table in tables for row in table.rows]
    other = ["published", "published in", "published note"]
    other += ["compared rows", "rows left out", "apart"]
    return as_csv([*place, *row_heads, *best, *base, "mixed", "notes", *other], lines)


def _csv_line(table: Table, row: Row, names: Sequence[str]) -> list[object]:
    record = row.record
    found = [row.estimates.get(name) for name in names]
    cells: list[object] = []
    for one in found:
        cells += (
            ["", "", "", ""]
            if one is None
            else [
                one.figure.value,
                one.figure.low,
                one.figure.high,
                "" if one.seed_sd is None else one.seed_sd,
            ]
        )
    best = row.to_best
    others = published.of(record, ranked_by(record))
    values, sources = [one.value for one in others], [one.source for one in others]
    return [
        *(record.dataset, record.protocol, record.protocol_version, record.digests.dataset),
        *(record.digests.pack, record.draws, row.label, len(row.runs), record.random_training),
        *(all(run.record.audit for run in row.runs), record.examples, *cells),
        ranked_by(record),
        *estimate_cells(row.per_user),
        *(("", "", "", "") if best is None else best),
        *(table.baseline, *pair_cells(row.to_baseline)),
        *(row.mixed, "; ".join(notes_of(row, estimate_of(row)))),
        *("; ".join(map(str, each)) for each in (values, sources)),
        published.note([others]),
        *(sum(one.to_best is not None for one in table.rows), table.unshown, table.apart),
    ]


def _as_json(table: Table) -> dict[str, Any]:
    return {
        **question_as_json(table.record),
        "figure": ranked_by(table.record),
        "apart": table.apart,
        "rows_left_out": table.unshown,
        "baseline": table.baseline,
        "published_note": published.note(_others(table)),
        "rows": [_row_as_json(row) for row in table.rows],
    }


def _row_as_json(row: Row) -> dict[str, Any]:
    record, best = row.record, row.to_best
    return {
        "label": row.label,
        "kind": record.kind,
        "model": record.model,
        "row": record.row,
        "settings": record.settings,
        "matching": record.matching,
        "seeds": [run.record.seed for run in row.runs],
        "random_training": record.random_training,
        "audited": all(run.record.audit for run in row.runs),
        "mixed": row.mixed,
        "control": record.control,
        "no_result": record.no_result,
        "caption": record.caption,
        "about": None if record.outside is None else record.outside.about.model_dump(),
        "notes": notes_of(row, estimate_of(row)),
        "published": [one._asdict() for one in published.of(record, ranked_by(record))],
        "each_user_once": row.per_user and row.per_user.figure.model_dump(),
        "metrics": {
            name: one.figure.model_dump() | {"seed_sd": one.seed_sd, "se": one.se, "df": one.df}
            for name, one in row.estimates.items()
        },
        "to_best": None if best is None else best._asdict() | {"may_be_best": best.may_be_best},
        "to_baseline": pair_as_json(row.to_baseline),
    }
