"""Who is good where little is known: rare items, short histories, new users."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from recbench.experiment import Experiment
from recbench.runs.groups import Group, Grouping, grouped
from recbench.runs.leaderboard import Row, Table, ranked_by
from recbench.runs.store import Run
from recbench.statistics.intervals import Estimate
from recbench.studies.drawing import beside, intervals, legend, looks, named_places, sheet
from recbench.studies.points import (
    DIFFERENCE,
    VALUE,
    Point,
    about,
    frame,
    only_table,
    to_baseline,
    value,
)
from recbench.studies.study import Asked, Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from pandas import DataFrame

WORDS = {
    "target-count": "training interactions of the target",
    "user-count": "training interactions of the user",
    "history-length": "items in the history",
    "user": "users",
}


class ColdStart(Study):
    """
    Test rows parted by what was known of them; differences are to the first model, paired.

    Their intervals and p are adjusted for all groups that are shown. What puts all test rows into
    one group is left out: it would say what the table says.
    """

    question = "Who is good where little is known: rare items, short histories, new users?"
    place = "asked for in the review of iLoRA, and missing there"
    models = ("sasrec", "popularity", "ease", "llara", "ilora")

    def cells(self, asked: Asked) -> list[Experiment]:
        """Return every model with every seed."""
        return list(asked.of_all_models())

    def data(self, runs: Sequence[Run], asked: Asked) -> "DataFrame":
        """Return figures and differences, group by group."""
        table = only_table(runs)
        points: list[Point] = []
        there = [row.label for row in table.rows if row.record.model == asked.models[0]]
        baseline = there[0] if len(there) == 1 else None
        parted = {by: len(_groups(table, by)) for by in get_args(Grouping)}
        shown = {by: count for by, count in parted.items() if count > 1}
        for by in shown:
            for one in _groups(table, by, baseline, sum(shown.values())):
                points += _points(one, by, baseline)
        return frame(points or [point for row in table.rows for point in _whole(row)])

    def figure(self, data: "DataFrame") -> "Figure":
        """Draw figures above, and their differences to the first model below."""
        parts = list(dict.fromkeys(data["by"]))
        figure, all_axes = sheet(columns=len(parts), heights=(2.3, 2.3))
        kinds = looks(list(data["system"]))
        for number, by in enumerate(parts):
            for row, kind in enumerate((VALUE, DIFFERENCE)):
                axes = all_axes[row * len(parts) + number]
                _draw(axes, data[data["by"] == by], kind, kinds)
            axes.set_xlabel(WORDS.get(by, by))
        figures = data["figure"].iloc[0]
        all_axes[0].set_ylabel(f"{figures} (share)")
        against = data["against"].dropna()
        if not against.empty:
            all_axes[len(parts)].set_ylabel(f"{figures} less {against.iloc[0]}")
        legend(figure, all_axes[0])
        return figure


def _groups(
    table: Table, by: Grouping, baseline: str | None = None, families: int | None = None
) -> list[Group]:
    """Return the groups that have examples."""
    (found,) = grouped([table], by, baseline, families)
    return [one for one in found.groups if one.examples]


def _points(group: Group, by: str, baseline: str | None) -> list[Point]:
    own = {"by": by, "group": group.name}
    points: list[Point] = []
    for row, found in zip(group.rows, group.estimates, strict=True):
        if found is not None:
            points.append(_point(row, found, own, group))
    if baseline is not None and group.users > 1:
        size = {"users": group.users, "examples": group.examples}
        points += [point | size for point in to_baseline(group.rows, baseline, **own)]
    return points


def _point(row: Row, found: Estimate, own: dict[str, str], group: Group) -> Point:
    ends = found.figure
    return {
        "kind": VALUE,
        **own,
        "against": None,
        **about(row, ranked_by(row.record)),
        **{"value": ends.value, "low": ends.low, "high": ends.high},
        **{"users": group.users, "examples": group.examples},
    }


def _whole(row: Row) -> list[Point]:
    """Return a point of all rows, where no grouping parts them."""
    return value(row, by="user", group="all", against=None)


def _draw(axes: "Axes", data: "DataFrame", kind: str, kinds: dict[str, dict[str, Any]]) -> None:
    groups = list(dict.fromkeys(data["group"]))
    sizes = data.drop_duplicates("group").set_index("group")["examples"]
    names = [f"{one}\nn={sizes[one]}" for one in groups]
    shown = data[data["kind"] == kind]
    for number, (name, look) in enumerate(kinds.items()):
        some = shown[shown["system"] == name]
        at = np.array([groups.index(one) for one in some["group"]])
        if len(some):
            intervals(axes, at + beside(number, len(kinds)), some, label=name, **look)
    if kind == DIFFERENCE:
        axes.axhline(0, color="black", linewidth=0.8)
    named_places(axes, names)
