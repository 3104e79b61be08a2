"""Cells, titles and grids that all tables share, and how they are laid out as text."""

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from recbench.plain_text import as_cell, as_markdown, printable
from recbench.questions.competitors import RULE
from recbench.questions.protocols import label
from recbench.runs import latex
from recbench.runs.record import RunRecord
from recbench.runs.sheet import Grid, Sheet
from recbench.statistics.best import Pair
from recbench.statistics.intervals import Estimate, Figure

Layout = Literal["table", "markdown", "latex"]
"""Of a page: for a terminal, for Markdown, for LaTeX with booktabs."""

Format = Layout | Literal["csv", "json"]

DASH = "-"


def question_line(record: RunRecord) -> str:
    """Say what was asked, in one line."""
    if record.full_ranking:
        asked = f"all {record.candidates} items ranked"
    else:
        asked = f"{record.draws} draws of {record.candidates} candidates"
    fewer = f"{record.left_out} left out ({RULE}), " if record.left_out else ""
    return (
        f"{record.dataset}, protocol {protocol_name(record)}: {record.examples} examples, {fewer}"
        f"{asked}, pack {record.digests.pack[:8]}"
    )


def protocol_name(record: RunRecord) -> str:
    """Name a protocol with what is changed of it, and the version of its card from 2 on."""
    return label(record.protocol, record.protocol_version)


def question_as_json(record: RunRecord) -> dict[str, object]:
    """Return what was asked, as JSON values."""
    return {
        "dataset": record.dataset,
        "dataset_digest": record.digests.dataset,
        "protocol": record.protocol,
        "protocol_version": record.protocol_version,
        "pack": record.digests.pack,
        "examples": record.examples,
        "left_out": record.left_out,
        "draws": record.draws,
    }


def laid_out(sheet: Sheet, layout: Layout) -> str:
    """Write a sheet as text, a blank line between its blocks (Markdown and LaTeX need it)."""
    if layout == "latex":
        return latex.page(sheet)
    markdown = layout == "markdown"
    written = as_markdown if markdown else printable
    title = written(sheet.title)
    title = f"**{title}**" if title and markdown else title
    texts = [
        _grid(block, written, "pipe" if markdown else "simple")
        if isinstance(block, Grid)
        else written(block)
        for block in sheet.said
    ]
    return "\n\n".join(filter(None, [title + written(sheet.part), *texts]))


def grid(headers: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Lay cells out for a terminal."""
    return _grid(Grid(headers, lines), printable, "simple")


def as_csv(headers: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    """Write CSV, without a last line end; no cell of it is a formula to a spreadsheet."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows(map(as_cell, line) for line in (headers, *lines))
    return out.getvalue().rstrip("\n")


def figure_cell(figure: Figure | None) -> str:
    """Write a value with its interval; without one where it is constant by construction."""
    if figure is None:
        return DASH
    if figure.low == figure.high:
        return f"{figure.value:.3f}"
    return f"{figure.value:.3f} {interval(figure.low, figure.high)}"


def estimate_cells(found: Estimate | None) -> tuple[object, ...]:
    """Return the cells in CSV of a value and its interval, empty where there is none."""
    if found is None:
        return "", "", ""
    return found.figure.value, found.figure.low, found.figure.high


def pair_cells(pair: Pair | None) -> tuple[object, ...]:
    """Return the cells in CSV of a difference and its interval, empty where there is none."""
    return ("", "", "") if pair is None else (pair.difference.value, pair.low, pair.high)


def pair_as_json(pair: Pair | None) -> dict[str, float] | None:
    """Return a difference and its interval as JSON values."""
    if pair is None:
        return None
    return {"value": pair.difference.value, "low": pair.low, "high": pair.high}


def told(smallest: float) -> str:
    """Write a difference that can be told apart; none can be where it would have to be above 1."""
    return f"{smallest:.3f}" if smallest <= 1 else "more than there is"


def probability(p: float) -> str:
    """Write a p, in [0, 1], that is never printed as nought."""
    return f"{p:.4f}" if p >= 0.0001 else "<0.0001"


def signed(value: float, low: float, high: float) -> str:
    """Write a difference with its interval; nought has no sign."""
    return f"{with_sign(value)} [{with_sign(low)}, {with_sign(high)}]"


def with_sign(value: float) -> str:
    """Write a difference; nought has no sign."""
    text = f"{value:+.3f}"
    return "0.000" if text in ("+0.000", "-0.000") else text


def interval(low: float, high: float) -> str:
    """Write the ends of an interval."""
    return f"[{low:.3f}, {high:.3f}]"


def _grid(cells: Grid, written: Callable[[str], str], style: str) -> str:
    from tabulate import tabulate

    headers, *lines = (list(map(written, line)) for line in (cells.headers, *cells.lines))
    return tabulate(lines, headers=headers, tablefmt=style, disable_numparse=True)


def expert_weights_line(weights: Sequence[float]) -> str:
    """Say what a gate gave a user of each expert."""
    return "Weights of the experts: " + ", ".join(f"{weight:.3f}" for weight in weights)
