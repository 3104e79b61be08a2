"""A paper that was filled in, as a page of text or Markdown, or as JSON values."""

import shlex
from collections.abc import Sequence
from typing import Any

from recbench.plain_text import printable
from recbench.questions.protocols import protocol
from recbench.reproduction.filled import Filled, Section
from recbench.reproduction.paper import Paper
from recbench.reproduction.wanted import asked_of, study_of
from recbench.runs import published
from recbench.runs.leaderboard import Row, ranked_by
from recbench.runs.notes import named_apart, notes, seeds_cell
from recbench.runs.published import Published
from recbench.runs.sheet import Grid, Sheet
from recbench.runs.text import DASH, Layout, figure_cell, laid_out
from recbench.statistics.intervals import Figure
from recbench.studies.folder import shown
from recbench.studies.study import Asked

NOT_AT_HAND = "Published: figure not at hand."
INTRODUCTION = (
    "Every table and figure of the paper and its review. What is on record stands beside what was "
    "published, also where it was trained otherwise than the cell, which its record then says; "
    "what is not, with the time that it would take at the speed of earlier records. Nothing is run."
)
LIKELIHOOD = "|likelihood"
"""Ends the name of a figure of those that also write, where it is of what they rank."""


def page(paper: Paper, sections: Sequence[Section], asked: Asked, layout: Layout) -> str:
    """Write the page, without a last line end."""
    blocks = [f"{paper.title}: {paper.reference}", INTRODUCTION]
    for section in sections:
        blocks += [_title(section, layout), laid_out(_sheet(section, asked), layout)]
        if commands := commands_of(section, asked):
            blocks.append(_code(commands, layout))
    return "\n\n".join(blocks)


def as_json(paper: Paper, sections: Sequence[Section], asked: Asked) -> dict[str, Any]:
    """Return the same as JSON values; ``seconds`` are null where no earlier record says."""
    return {
        "paper": paper.title,
        "reference": paper.reference,
        "parts": [
            {
                "part": section.part.name,
                "place": section.part.place,
                "study": section.part.study,
                "remark": section.part.remark,
                "differs": _differences(section),
                "seconds": section.seconds,
                "commands": commands_of(section, asked),
                "cells": [_cell_as_json(section, cell) for cell in section.cells],
            }
            for section in sections
        ],
    }


def commands_of(section: Section, asked: Asked) -> list[str]:
    """Return the command lines that run what is missing of a part."""
    if not section.missing:
        return []
    study = study_of(section.part)
    if study is None:
        return [shlex.join(["recbench", "run", *one.arguments]) for one in section.missing]
    options = {
        "--dataset": asked.dataset,
        "--llm": ",".join(asked_of(section.part, study, asked).llms),
        "--with": ",".join(section.part.others),
        "--draws": str(asked.draws),
        "--results": "" if asked.results is None else str(asked.results),
    }
    words = [word for option, value in options.items() if value for word in (option, value)]
    quick = ["--quick"] if asked.quick else []
    return [shlex.join(["recbench", "study", str(section.part.study), *words, *quick])]


def _title(section: Section, layout: Layout) -> str:
    part = section.part
    return f"## {part.name}" if layout == "markdown" else f"{part.name}\n{'=' * len(part.name)}"


def _code(lines: Sequence[str], layout: Layout) -> str:
    text = "\n".join(lines)
    return f"```\n{text}\n```" if layout == "markdown" else text


def _sheet(section: Section, asked: Asked) -> Sheet:
    part, figures = section.part, _figures(section)
    blocks = [
        f"Place: {part.place}.",
        "" if any(figures) else NOT_AT_HAND,
        _grid(section) if section.cells else "",
        _differences(section),
        part.remark,
        *notes(named_apart(_rows(section))),
        *dict.fromkeys(cell.wanted.impossible for cell in section.cells),
        _studied(section, asked),
        _lacking(section),
    ]
    return Sheet(tuple(blocks))


def _rows(section: Section) -> list[Row]:
    """Return every row once."""
    return list({id(row): row for cell in section.cells for row in cell.rows}.values())


def _differences(section: Section) -> str:
    """Say where the published figures are from, and how their question differs from ours."""
    part = section.part
    sampled = "" if protocol(part.protocol).full else published.why_not()
    why = "; ".join(filter(None, [sampled, part.differs]))
    return published.note(_figures(section), why)


def _studied(section: Section, asked: Asked) -> str:
    """Say where the study of a part shows more than figures: its own table, beside its figure."""
    tables = shown(section.part.study, asked) if section.part.study else []
    return "The study's own page: " + ", ".join(map(str, tables)) + "." if tables else ""


def _lacking(section: Section) -> str:
    """Say what is missing, and what it would take."""
    if section.part.study is not None and not section.cells:
        return f"The study that puts it to the test, {section.part.study}, is not installed here."
    if not (count := len(section.missing)):
        return ""
    what = "1 run is" if count == 1 else f"{count} runs are"
    told, untold = count - section.untold, section.untold
    once = " (a training that several ask counts once)" if told > 1 else ""
    times = [f"{told} would take {_time(section.seconds)} by earlier records{once}"] if told else []
    times += [f"of {untold} no earlier record tells"] if untold else []
    return f"{what} not on record: {', '.join(times)}. To run:"


def _grid(section: Section) -> Grid:
    """Write a line a record, and one where there is none."""
    figures = section.part.figures
    lines = [(cell, row) for cell in section.cells for row in cell.rows or (None,)]
    others = _written(section)
    columns: dict[str, list[str]] = {"cell": [cell.wanted.name for cell, _ in lines]}
    for name in figures:
        if any(cell.wanted.published.get(name) for cell, _ in lines):
            columns[f"{name}, published"] = [others[cell.wanted.name, name] for cell, _ in lines]
        columns[f"{name}, here"] = [_here(row, name) for _, row in lines]
    if not figures:
        columns["here"] = [_usual(row) for _, row in lines]
    columns["record"] = [DASH if row is None else _label(cell, row) for cell, row in lines]
    columns["seeds"] = [DASH if row is None else seeds_cell(row) for _, row in lines]
    columns["missing would take"] = [_cost(cell) for cell, _ in lines]
    return Grid(list(columns), list(zip(*columns.values(), strict=True)))


def _figures(section: Section) -> list[Sequence[Published]]:
    """Return what was published of each cell and figure, in order."""
    return [
        cell.wanted.published.get(name, ())
        for cell in section.cells
        for name in section.part.figures
    ]


def _written(section: Section) -> dict[tuple[str, str], str]:
    """Return the same as it is written, by cell and figure."""
    keys = [(cell.wanted.name, name) for cell in section.cells for name in section.part.figures]
    texts = published.cells(_figures(section))
    return {key: text or DASH for key, text in zip(keys, texts, strict=True)}


def _estimate(row: Row, name: str) -> tuple[str, Figure] | None:
    """Return a figure of a row, by likelihood where it has no other, with its name."""
    for known in (name, name + LIKELIHOOD):
        if known in row.estimates:
            return known, row.estimates[known].figure
    return None


def _here(row: Row | None, name: str) -> str:
    if row is None or (found := _estimate(row, name)) is None:
        return DASH
    return figure_cell(found[1]) + (" by likelihood" if found[0] != name else "")


def _label(cell: Filled, row: Row) -> str:
    """Name a row, with the settings in which it is not what the cell says, and how it was asked."""
    other = cell.wanted.differences(row.record) | cell.wanted.asked_otherwise(row.record)
    said = (f"{name}={value}" for name, value in other.items())
    unsaid = [one for one in said if one not in row.label]
    return printable(f"{row.label} [{', '.join(unsaid)}]" if unsaid else row.label)


def _usual(row: Row | None) -> str:
    if row is None:
        return DASH
    name = ranked_by(row.record)
    return f"{name} {_here(row, name)}"


def _cost(cell: Filled) -> str:
    if cell.wanted.impossible:
        return "cannot be run"
    return _time(cell.seconds)


def _time(seconds: float | None) -> str:
    """Write a time roughly."""
    if seconds is None:
        return "not known"
    if seconds == 0:
        return DASH
    minutes = max(1, round(seconds / 60))
    return f"about {minutes} min" if minutes < 120 else f"about {round(seconds / 3600)} h"


def _cell_as_json(section: Section, cell: Filled) -> dict[str, Any]:
    figures = section.part.figures
    return {
        "cell": cell.wanted.name,
        "published": {
            name: [one._asdict() for one in cell.wanted.published.get(name, ())] for name in figures
        },
        "records": [
            _row_as_json(row, figures or (ranked_by(row.record),))
            | {"asked_otherwise": cell.wanted.asked_otherwise(row.record)}
            for row in cell.rows
        ],
        "missing": len(cell.missing),
        "seconds": cell.seconds,
        "impossible": cell.wanted.impossible,
    }


def _row_as_json(row: Row, figures: Sequence[str]) -> dict[str, Any]:
    found = dict(filter(None, (_estimate(row, name) for name in figures)))
    return {
        "row": row.label,
        "seeds": [run.record.seed for run in row.runs],
        "figures": {name: one.model_dump() for name, one in found.items()},
    }
