"""Who is good where little is known: rare items, short histories, new users."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from recbench.request import Experiment
from recbench.runs.groups import Group, Grouping, grouped
from recbench.runs.leaderboard import Row, Table, ranked_by
from recbench.runs.store import Run
from recbench.statistics.intervals import Estimate
from recbench.studies.cells import at_hand, is_another, prompted
from recbench.studies.drawing import beside, intervals, legend, looks, named_places, sheet
from recbench.studies.points import (
    DIFFERENCE,
    VALUE,
    Point,
    about,
    estimated,
    frame,
    in_order,
    question,
    to_baseline,
    value,
)
from recbench.studies.study import Asked, Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from pandas import DataFrame

WORDS: dict[Grouping, str] = {
    "target-count": "training interactions of the target",
    "history-length": "items in the history",
    "user": "users",
}
"""What test rows are parted by."""

LATER = "temporal"
"""
Asked besides the dataset's own protocol: what comes after a day is of new users and of known ones,
from short histories on. It has thousands of test rows, of which one draw each is enough.
"""


class ColdStart(Study):
    """
    Test rows parted by what was known of them; differences are to the first model, paired.

    Their intervals and p are adjusted for all groups that are shown. What puts all test rows into
    one group is left out: it would say what the table says. Models that have their candidates in a
    prompt, whom thousands of rows would take hours, and those that know their training users alone
    are asked by the dataset's own protocol; such a first model has no differences elsewhere.
    """

    question = "Who is good where little is known: rare items, short histories, new users?"
    place = "asked for in the review of iLoRA, and missing there"
    models = ("sasrec", "popularity", "ease", "llara", "ilora")
    seeds = 3
    cut = "rows of another time"

    def cells(self, asked: Asked) -> list[Experiment]:
        """Return every model with every seed, and those that are quick to ask about later rows."""
        found = list(asked.of_all_models())
        if not asked.quick and is_another(LATER, asked):
            left_out = prompted(asked) | {one for one in asked.models if _knows_users(one, asked)}
            later = asked.of_all_models(protocol=LATER, draws=1)
            found += [cell for cell in later if cell.model not in left_out]
        return found

    def data(self, runs: Sequence[Run], asked: Asked) -> "DataFrame":
        """Return figures and differences, group by group."""
        tables = in_order(runs)
        parted = [(table, by, len(_groups(table, by))) for table in tables for by in WORDS]
        shown = [one for one in parted if one[2] > 1]
        first = asked.models[0]
        together = sum(
            count
            for table, _, count in shown
            if any(row.record.model == first for row in table.rows)
        )
        points: list[Point] = []
        for table, by, _ in shown:
            there = [row.label for row in table.rows if row.record.model == first]
            baseline = there[0] if len(there) == 1 else None
            for one in _groups(table, by, baseline, together or None):
                points += _points(one, {"question": question(table), "by": by}, baseline)
        whole = [point for table in tables for row in table.rows for point in _whole(row, table)]
        return frame(points or whole)

    def part(self, point: Mapping[str, Any]) -> str:
        """Name the group."""
        return f"in group {point['group']} by {point['by']}"

    def figure(self, data: "DataFrame") -> "Figure":
        """Draw figures on the left, and their differences to the first model on the right."""
        parts = list(data.groupby(["question", "by"], sort=False))
        figure, axes = sheet(columns=2, heights=(1.6,) * len(parts))
        kinds = looks(list(data["system"]))
        figures, against = data["figure"].iloc[0], data["against"].dropna()
        for number, ((asked, by), some) in enumerate(parts):
            left, right = axes[2 * number : 2 * number + 2]
            _draw(left, some, VALUE, kinds)
            _draw(right, some, DIFFERENCE, kinds)
            left.set_title(f"protocol {asked}")
            left.set_ylabel(f"{figures} (share)")
            if not against.empty:
                right.set_ylabel(f"less {against.iloc[0]}")
            for one in (left, right):
                one.set_xlabel(WORDS.get(by, by))
        legend(figure, axes[0])
        return figure


def _knows_users(model: str, asked: Asked) -> bool:
    """Tell whether a model answers its training users alone, which later rows are not all of."""
    found = at_hand(asked.cell(model, 0))
    return found is not None and found.knows_users


def _groups(
    table: Table, by: Grouping, baseline: str | None = None, families: int | None = None
) -> list[Group]:
    """Return the groups that have examples."""
    (found,) = grouped([table], by, baseline, families)
    return [one for one in found.groups if one.examples]


def _points(group: Group, part: dict[str, str], baseline: str | None) -> list[Point]:
    own = {**part, "group": group.name}
    points: list[Point] = []
    for row, found in zip(group.rows, group.estimates, strict=True):
        if found is not None:
            points.append(_point(row, found, own, group))
    if baseline is not None and group.users > 1:
        size = {"users": group.users, "examples": group.examples}
        points += [point | size for point in to_baseline(group.rows, baseline, **own)]
    return points


def _point(row: Row, found: Estimate, own: dict[str, str], group: Group) -> Point:
    whose = about(row, ranked_by(row.record)) | {"users": group.users}
    return {"kind": VALUE, **own, "against": None, **whose, **estimated(found)}


def _whole(row: Row, table: Table) -> list[Point]:
    """Return a point of all rows, where no grouping parts them."""
    return value(row, question=question(table), by="user", group="all", against=None)


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
