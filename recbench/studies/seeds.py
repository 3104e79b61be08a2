"""Whether a gain is real: the paper's t-test over five seeds beside a test of users and seeds."""

import warnings
from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from recbench.request import Experiment
from recbench.runs.leaderboard import Row, ranked_by
from recbench.runs.store import Run
from recbench.statistics.best import all_pairs
from recbench.studies.drawing import intervals, legend, looks, named_places, sheet
from recbench.studies.points import (
    DIFFERENCE,
    VALUE,
    Point,
    about,
    difference,
    frame,
    only_table,
    value,
)
from recbench.studies.study import Asked, Study

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

TRAINING, ALONE, BOTH = "one training", "seeds alone", "users and seeds"
LEVELS = {BOTH: f"{BOTH}, all pairs at once", ALONE: f"{ALONE}, each pair by itself"}
"""The two tests, and of how many pairs their 95% are."""


class Seeds(Study):
    """
    Every difference by two tests.

    Student's t-test over the figures of the trainings takes the test users for all users there are,
    and looks at each pair by itself; the other counts users and seeds, and all pairs together.
    """

    question = "Is the gain real, or another draw of seeds and users?"
    place = "iLoRA's rebuttal: five seeds with p-values of a t-test"
    models = ("llara", "ilora")
    seeds = 5
    note = (
        f"The interval of a difference by {ALONE} is that of Student's t-test over trainings, "
        "without the doubt of users, of each pair by itself; that by "
        f"{BOTH} is of all pairs together."
    )

    def cells(self, asked: Asked) -> list[Experiment]:
        """Return every model with every seed."""
        return list(asked.of_all_models())

    def data(self, runs: Sequence[Run], asked: Asked) -> "DataFrame":
        """Return systems, trainings, and differences by both tests."""
        table = only_table(runs)
        points: list[Point] = []
        for row in table.rows:
            points += [*value(row, test=None, against=None), *_trainings(row)]
        able = [row for row in table.rows if row.system is not None]
        if table.differences is not None:
            for pair in all_pairs(table.differences):
                a, b = able[pair.a], able[pair.b]
                points += difference(a, b, pair, test=BOTH)
        for a, b in combinations(able, 2):
            points += _by_seeds_alone(a, b)
        return frame(points)

    def figure(self, data: "DataFrame") -> "Figure":
        """Draw the trainings of each system, and every difference by both tests."""
        whole, trainings = (data[data["kind"] == kind] for kind in (VALUE, TRAINING))
        found = data[data["kind"] == DIFFERENCE]
        names, pairs = list(whole["system"]), list(dict.fromkeys(_pair(found)))
        figure, (above, below) = sheet(heights=[0.5 + 0.3 * len(one) for one in (names, pairs)])
        intervals(above, range(len(names)), whole, upright=False, color="black", marker="D")
        at = [names.index(one) + 0.25 for one in trainings["system"]]
        above.plot(trainings["value"], at, ".", color="#7F7F7F", markersize=4)
        above.set_xlabel(f"{whole['figure'].iloc[0]} (share of questions); dots: single trainings")
        for number, (test, look) in enumerate(looks(list(LEVELS)).items()):
            some = found[found["test"] == test]
            places = [pairs.index(one) + 0.3 * number - 0.15 for one in _pair(some)]
            if places:
                intervals(below, places, some, upright=False, label=LEVELS[test], **look)
        below.axvline(0, color="black", linewidth=0.8)
        below.set_xlabel(f"difference in {whole['figure'].iloc[0]}")
        named_places(above, names, upright=False)
        named_places(below, pairs, upright=False)
        if pairs:
            legend(figure, below)
        return figure


def _pair(data: "DataFrame") -> "list[str]":
    return [f"{a} less {b}" for a, b in zip(data["system"], data["against"], strict=True)]


def _trainings(row: Row) -> list[Point]:
    if row.system is None or not row.record.random_training or len(row.runs) == 1:
        return []
    own = about(row, ranked_by(row.record))
    figures = zip(row.system.seeds, row.system.each_training.by_seed, strict=True)
    return [{"kind": TRAINING, "seed": seed, **own, "value": one} for seed, one in figures]


def _by_seeds_alone(a: Row, b: Row) -> list[Point]:
    """Return Student's t-test of the trainings' figures, two-sided; nothing of single trainings."""
    from scipy.stats import ttest_ind

    if any(row.system is None or len(row.system.each_training.by_seed) < 2 for row in (a, b)):
        return []
    one, other = (row.system.each_training.by_seed for row in (a, b) if row.system is not None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # trainings that are equal have no spread
        test = ttest_ind(one, other)
        ends = test.confidence_interval()
    point: Point = {"kind": DIFFERENCE, "test": ALONE, "against": b.label}
    point |= about(a, ranked_by(a.record)) | {"value": float(one.mean() - other.mean())}
    if np.isfinite(test.pvalue):
        point |= {"low": float(ends.low), "high": float(ends.high), "p": float(test.pvalue)}
    return [point]
