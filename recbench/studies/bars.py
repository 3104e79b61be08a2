"""A figure that many studies have: every system with its interval, and its difference to one."""

from collections.abc import Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Any

from recbench.runs.leaderboard import Row
from recbench.studies.drawing import COLOURS, intervals, named_places, sheet
from recbench.studies.points import DIFFERENCE, VALUE, Point, to_baseline, value

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame


LABEL, NAME = 40, 46
"""Letters of a line that fit below one of two axes side by side, and beside both."""


def with_differences(rows: Sequence[Row], baseline: str, **own: Any) -> list[Point]:
    """
    Return the figure of every row, and its difference to one of them.

    Parameters
    ----------
    rows
        Of a table that was made with that baseline.
    baseline
        Its label; empty where the runs of it are missing.
    **own
        More columns of every point.
    """
    points = [point for row in rows for point in value(row, against=None, **own)]
    return points + (to_baseline(rows, baseline, **own) if baseline else [])


def bars(data: "DataFrame") -> "Figure":
    """Draw points of `with_differences`, a system a line."""
    names = list(dict.fromkeys(data.loc[data["kind"] == VALUE, "system"]))
    said = [fill(one, NAME) for one in names]
    more = sum(one.count("\n") for one in said)
    figure, both = sheet(columns=2, heights=[max(1.2, 0.32 * len(names) + 0.16 * more)])
    for axes, kind, colour in zip(both, (VALUE, DIFFERENCE), COLOURS, strict=False):
        some = data[data["kind"] == kind]
        at = [names.index(one) for one in some["system"]]
        if at:
            intervals(axes, at, some, upright=False, color=colour, marker="o")
        named_places(axes, said if kind == VALUE else [""] * len(names), upright=False)
        axes.locator_params(axis="x", nbins=5)  # differences have up to six signs
    name, against = data["figure"].iloc[0], data["against"].dropna()
    both[0].set_xlabel(f"{name} (share of questions)")
    if len(against):
        both[1].set_xlabel(fill(f"{name} less that of {against.iloc[0]}", LABEL))
    both[1].axvline(0, color="black", linewidth=0.8)
    return figure
