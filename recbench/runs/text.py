"""Cells, titles and grids that all tables share, and how they are laid out as text."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Literal

from recbench.questions.competitors import RULE
from recbench.questions.protocols import label
from recbench.runs import latex
from recbench.runs.record import RunRecord
from recbench.runs.sheet import Grid, Sheet
from recbench.statistics.intervals import Figure

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
    title = f"**{sheet.title}**" if sheet.title and layout == "markdown" else sheet.title
    texts = [
        _grid(block, layout == "markdown") if isinstance(block, Grid) else block
        for block in sheet.said
    ]
    return "\n\n".join(filter(None, [title + sheet.part, *texts]))


def grid(headers: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Lay cells out for a terminal."""
    return _grid(Grid(headers, lines), markdown=False)


def as_csv(headers: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    """Write CSV, without a last line end."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(headers)
    writer.writerows(lines)
    return out.getvalue().rstrip("\n")


def figure_cell(figure: Figure | None) -> str:
    """Write a value with its interval; without one where it is constant by construction."""
    if figure is None:
        return DASH
    if figure.low == figure.high:
        return f"{figure.value:.3f}"
    return f"{figure.value:.3f} {interval(figure.low, figure.high)}"


def told(smallest: float) -> str:
    """Write a difference that can be told apart; none can be where it would have to be above 1."""
    return f"{smallest:.3f}" if smallest <= 1 else "more than there is"


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


def printable(text: str) -> str:
    """Write signs that would steer a terminal (escapes, line breaks) as Python writes them."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


def _grid(cells: Grid, markdown: bool) -> str:
    from tabulate import tabulate

    headers, lines = cells.headers, cells.lines
    if markdown:
        headers, lines = _escaped(headers), [_escaped(line) for line in lines]
    style = "pipe" if markdown else "simple"
    return tabulate(lines, headers=headers, tablefmt=style, disable_numparse=True)


def _escaped(cells: Sequence[str]) -> list[str]:
    return [cell.replace("|", r"\|") for cell in cells]


def expert_weights_line(weights: Sequence[float]) -> str:
    """Say what a gate gave a user of each expert."""
    return "Weights of the experts: " + ", ".join(f"{weight:.3f}" for weight in weights)
