"""How many experts one rank should be cut into."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from recbench.request import Experiment
from recbench.runs.leaderboard import Row
from recbench.runs.learning_curve import points_of
from recbench.runs.store import Run
from recbench.studies.drawing import beside, intervals, legend, looks, sheet
from recbench.studies.points import (
    VALUE,
    Point,
    about,
    frame,
    only_table,
    settings_of,
    value,
)
from recbench.studies.required import only_model
from recbench.studies.study import Asked, Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from pandas import DataFrame

EXPERTS, RANKS = (1, 2, 4, 8), (8, 16)

CURVE = "learning curve"
FIGURE = "HitRatio@1"


class Experts(Study):
    """iLoRA with 1, 2, 4 and 8 experts in rank 8 and 16; one expert is one LoRA for all users."""

    question = "How many experts should one rank be cut into?"
    place = "iLoRA's paper, section 4.3 (K = 1, 2, 4, 8); rank 8 in its scripts, 16 in the rebuttal"
    models = ("ilora",)
    seeds = 1
    cut = "rank 16"
    varies = ("experts", "rank", "expert_ranks")

    def cells(self, asked: Asked) -> list[Experiment]:
        """Return every number of experts in every rank."""
        model = only_model(asked, ("rank", "experts"))
        return [
            asked.cell(model, seed, {"rank": rank, "experts": experts})
            for rank in (RANKS[:1] if asked.quick else RANKS)
            for experts in EXPERTS
            for seed in range(asked.seeds)
        ]

    def data(self, runs: Sequence[Run], asked: Asked) -> "DataFrame":
        """Return test figures by rank and experts, and validation figures by rows learnt from."""
        rows = sorted(only_table(runs).rows, key=_shape)
        points = [point for row in rows for point in value(row, **_named(row))]
        return frame([*points, *(point for row in rows for point in _curve(row))])

    def figure(self, data: "DataFrame") -> "Figure":
        """Draw the figure by experts, and learning curves of each number of them."""
        figure, (left, right) = sheet(columns=2)
        shown = data[data["kind"] == VALUE]
        ranks = sorted(set(shown["rank"]))
        for number, (rank, look) in enumerate(looks([f"rank {one}" for one in ranks]).items()):
            some = shown[shown["rank"] == ranks[number]]
            at = np.log2(some["experts"]) + beside(number, len(ranks), 0.2)
            intervals(left, at, some, label=rank, **look | {"linestyle": "-"})
        left.set_xticks([np.log2(one) for one in EXPERTS], [*map(str, EXPERTS)])
        left.set_xlabel("experts K (1 is one LoRA)")
        left.set_ylabel(f"{FIGURE} (share of test questions)")
        left.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=len(ranks))  # above the bars
        curves = data[data["kind"] == CURVE]
        if len(curves):
            _draw_curves(right, curves)
            legend(figure, right)
        right.set_xlabel("rows learnt from")
        right.set_ylabel(f"{FIGURE} (validation)")
        right.set_ylim(bottom=0)  # else a row more or less of some sixty looks like a course
        return figure


def _shape(row: Row) -> tuple[int, int]:
    settings = settings_of(row)
    return settings["rank"], settings["experts"]


def _named(row: Row) -> dict[str, Any]:
    rank, experts = _shape(row)
    return {"rank": rank, "experts": experts}


def _curve(row: Row) -> list[Point]:
    """Return the mean over trainings at every number of rows that all of them were looked at."""
    curves = [
        {rows: found[FIGURE] for rows, found in points_of(run.record) if FIGURE in found}
        for run in row.runs
    ]
    common = sorted(set.intersection(*map(set, curves)))
    own = about(row, FIGURE) | {"users": None, "examples": None}
    return [
        {
            "kind": CURVE,
            **_named(row),
            "rows_learnt": rows,
            **own,
            "value": float(np.mean([curve[rows] for curve in curves])),
        }
        for rows in common
    ]


def _draw_curves(axes: "Axes", data: "DataFrame") -> None:
    kinds = looks([f"K = {one}" for one in EXPERTS])
    rows = sorted(set(data["rows_learnt"]))
    for number, ((rank, experts), some) in enumerate(data.groupby(["rank", "experts"])):
        first = rank == data["rank"].min()
        name = f"K = {experts}"
        style: dict[str, Any] = {
            "linestyle": "-" if first else "--",
            "label": name if first else None,
        }
        at = np.log2(some["rows_learnt"]) + beside(number, len(EXPERTS) * len(RANKS), 0.1)
        axes.plot(at, some["value"], **kinds[name], **style)
    axes.set_xticks(np.log2(rows), [f"{one:,.0f}" for one in rows])
    axes.set_title("Few validation rows; dashed: the larger rank")
