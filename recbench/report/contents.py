"""What a report holds, table by table; what the records do not hold is left out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from recbench.report import charts
from recbench.report.charts import Chart
from recbench.report.costs import costs, costs_sheet
from recbench.report.examples import Browser, browser
from recbench.report.experts import HIGH, LOW, expert_weights, experts_sheet
from recbench.report.looked_at import looked_at, looks_sheet
from recbench.runs.compare import compare
from recbench.runs.compare_rendering import comparison_sheet
from recbench.runs.group_rendering import groups_sheet
from recbench.runs.groups import GroupedTable, Grouping, grouped
from recbench.runs.leaderboard import Table, ranked_by
from recbench.runs.positions import FIGURE, position_curves, positions_sheet
from recbench.runs.remade_question import Questions
from recbench.runs.rendering import sheet
from recbench.runs.sheet import Sheet
from recbench.runs.text import question_line
from recbench.statistics.intervals import Estimate
from recbench.studies.curves import curves_sheet, looks

GROUPINGS: dict[Grouping, str] = {
    "target-count": "training interactions of the target",
    "user-count": "training interactions of the user",
    "history-length": "items in the history",
    "user": "new and known users",
}
"""By what test rows are parted, in words."""


@dataclass(frozen=True)
class Part:
    """
    What is shown of a table under one heading.

    Attributes
    ----------
    heading
        Of the part.
    sheet
        What is said; everything that the charts show is in it.
    charts
        What is drawn of it.
    """

    heading: str
    sheet: Sheet
    charts: tuple[Chart, ...] = ()


@dataclass(frozen=True)
class Section:
    """
    One table of the leaderboard, and what more its records say.

    Attributes
    ----------
    title
        The question.
    runs
        How many finished runs it is made of.
    parts
        The leaderboard first.
    browser
        Single examples; None where none were asked for.
    """

    title: str
    runs: int
    parts: tuple[Part, ...]
    browser: Browser | None


def contents(
    tables: Sequence[Table],
    questions: Questions | None,
    examples: int,
    report: Callable[[str], None],
) -> list[Section]:
    """
    Put a report together.

    Parameters
    ----------
    tables
        From `recbench.runs.leaderboard.leaderboard`.
    questions
        For the titles of single examples, and to look at answers; None leaves both out.
    examples
        How many single examples are shown of a table at most; 0 for none.
    report
        Told one line about what cannot be shown.

    Raises
    ------
    DataError
        If examples of a run are missing or damaged.
    """
    unnamed: list[str] = []
    found = [
        Section(
            title=question_line(table.record),
            runs=sum(len(row.runs) for row in table.rows),
            parts=tuple(_parts(table, questions)),
            browser=browser(table, questions, examples, unnamed.append) if examples else None,
        )
        for table in tables
    ]
    for line in dict.fromkeys(unnamed):  # of several tables of one dataset, once
        report(line)
    return found


def _parts(table: Table, questions: Questions | None) -> list[Part]:
    found = [_leaderboard(table), _costs(table), _learning(table), _pairs(table), _places(table)]
    found += [_experts(table), _looks(table, questions)]
    parts = [part for part in found if part is not None]
    return parts + [part for by in GROUPINGS if (part := _groups(table, by)) is not None]


def _leaderboard(table: Table) -> Part:
    figure = ranked_by(table.record)
    found = [row.estimates.get(figure) for row in table.rows]
    about = (
        f"{figure} with its 95% interval. A filled point may be the best."
        if table.differences is not None
        else f"{figure} with its 95% interval."
    )
    drawn = charts.intervals(about, figure, table.rows, found, _top(found))
    return Part("Leaderboard", sheet(table), (drawn,))


def _costs(table: Table) -> Part | None:
    found, figure = costs(table), ranked_by(table.record)
    if not found:
        return None
    seconds = [(one, one.seconds) for one in found if one.seconds is not None]
    memory = [(one, one.host) for one in found]
    device = [(one, one.device) for one in found if one.device is not None]
    drawn = [
        charts.against(f"{figure} against {what}, by the numbers of the table", figure, what, pairs)
        for what, pairs in (
            ("seconds of training", seconds),
            ("memory of training, MiB", memory),
            ("GPU memory of training, MiB", device),
        )
        if pairs
    ]
    return Part("Accuracy against training time and memory", costs_sheet(found, figure), (*drawn,))


def _learning(table: Table) -> Part | None:
    found = looks([table])
    if not found:
        return None
    figure = next(iter(found[0].figures))
    about = f"{figure} of a few validation rows against the rows learnt from"
    return Part("Learning curves", curves_sheet(found), (charts.learning(about, figure, found),))


def _pairs(table: Table) -> Part | None:
    able = [row.system for row in table.rows if row.system is not None]
    if not 1 < len(able) == len(table.rows) or len(np.unique(able[0].users)) < 2:
        return None
    found = compare([run for row in table.rows for run in row.runs])
    found = replace(found, unshown=table.unshown)
    about = (
        f"Which row is better than which in {found.metric}, all at once with 95%: ▲ better, "
        "▼ worse, · not told apart"
    )
    return Part("Pair by pair", comparison_sheet(found), (charts.pairs(about, found),))


def _places(table: Table) -> Part | None:
    curves = [curve for curve in position_curves(table) if curve.places]
    if not curves:
        return None
    drawn = [
        charts.position(
            f"{curve.row.label}: {FIGURE} by the place of the target, with 95% intervals; the "
            "dashed line is over all places",
            curve,
        )
        for curve in curves
    ]
    return Part("The target's place in the list", positions_sheet(table, curves), (*drawn,))


def _experts(table: Table) -> Part | None:
    found = expert_weights(table)
    if not found:
        return None
    drawn = [
        charts.experts(
            f"{one.row.label}: the mean weight of each expert, with the {LOW}th and the {HIGH}th "
            "percentile of the examples; the dashed line is that of equal weights",
            one,
        )
        for one in found
    ]
    return Part("What users are given of the experts", experts_sheet(table, found), (*drawn,))


def _looks(table: Table, questions: Questions | None) -> Part | None:
    found = looks_sheet(table, looked_at(table, questions))
    return Part("What was answered", found) if found is not None else None


def _groups(table: Table, by: Grouping) -> Part | None:
    """Part the test rows; None where all are in one group."""
    (found,) = grouped([table], by, table.baseline or None)
    if sum(group.examples > 0 for group in found.groups) < 2:
        return None
    return Part(f"By {GROUPINGS[by]}", groups_sheet(found, by), (*_drawn(found, by),))


def _drawn(found: GroupedTable, by: Grouping) -> list[Chart]:
    figure = ranked_by(found.table.record)
    top = _top([one for group in found.groups for one in group.estimates])
    return [
        charts.intervals(
            f"{figure} with its 95% interval, {GROUPINGS[by]}: {group.name} "
            f"({group.examples} examples of {group.users} users)",
            figure,
            group.rows,
            group.estimates,
            top,
        )
        for group in found.groups
        if group.examples
    ]


def _top(found: Sequence[Estimate | None]) -> float:
    """Return where the scale of intervals ends."""
    return max((one.figure.high for one in found if one is not None), default=1.0)
