"""Whether users are better off when a model is tuned on their kind alone."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recbench.errors import UserError
from recbench.questions.user_clusters import user_clusters
from recbench.request import Experiment
from recbench.runs.leaderboard import Row, ranked_by, rows_of
from recbench.runs.store import Run
from recbench.runs.systems import matched
from recbench.stages import ask
from recbench.statistics.best import all_pairs, differences
from recbench.statistics.clusters import check_can_cluster
from recbench.statistics.intervals import estimate
from recbench.studies.drawing import beside, intervals, legend, looks, named_places, sheet
from recbench.studies.points import DIFFERENCE, VALUE, Point, about, difference, estimated, frame
from recbench.studies.required import has_setting
from recbench.studies.study import Asked, Study

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

COUNT = 4
"""Clusters: more of them would have too few test users each."""

ALONE, TOGETHER = "alone", "together"
Both = tuple[Row, Row]
"""The row that was tuned on all users, and that of one cluster alone."""


class Interference(Study):
    """
    Gain or loss of each cluster of users when one model is tuned on all of them.

    Users are clustered by what they had to do with (`recbench.questions.user_clusters`), the same
    for every model and seed. A model is tuned on all users, and on each cluster alone
    (``--set cluster=1/4``), on as many rows of the cluster as of all users, or all it has where
    these are fewer, with one encoder, which has learnt from all. Both are asked about the test rows
    whose histories are nearest to the cluster. Together a cluster has only its share of the rows:
    below 0, rows of others in the place of own ones have cost it something, above, they were worth
    more. So a loss bounds the harm that others do (interference), for fewer own rows are in it too.
    Intervals hold for all clusters and models at once (Bonferroni).
    """

    question = "Does tuning on all users harm some of them, and does the gate mend it?"
    place = "iLoRA's argument: one LoRA for all makes users disturb each other; not measured there"
    models = ("llara", "ilora")
    seeds = 1
    cut = "the two smallest of four clusters"
    note = (
        "Both are tuned on as many rows, so that together a cluster has only its share of them: a "
        "loss is others' rows in the place of own ones, and no measure of harm by itself."
    )
    varies = ("cluster",)

    def cells(self, asked: Asked) -> list[Experiment]:
        """Return every model with every seed, tuned on all users and on each cluster."""
        if not asked.listing:
            check_can_cluster()
        for model in asked.models:
            if has_setting(model, "cluster") is False:
                raise UserError(f"{model} cannot be tuned on a cluster alone; name llara or ilora")
        alone = [f"{number}/{COUNT}" for number in range(1, COUNT + 1)]
        parts = [{}, *({"cluster": one} for one in (alone[:2] if asked.quick else alone))]
        return [cell for part in parts for cell in _of_all_models(asked, part)]

    def data(self, runs: Sequence[Run], asked: Asked) -> "DataFrame":
        """Return what each cluster has of both, and their differences."""
        clusters = _of_test_rows(runs[0], asked)
        found = _both(rows_of(runs))
        points: list[Point] = []
        for (model, number), both in found.items():
            inside = clusters == number - 1
            own = {"model": model, "cluster": number}
            points += _points(both, inside, len(found), own) if inside.any() else []
        return frame(points)

    def part(self, point: Mapping[str, Any]) -> str:
        """Name the cluster."""
        return f"in cluster {point['cluster']}"

    def figure(self, data: "DataFrame") -> "Figure":
        """Draw both figures of every cluster, and their differences."""
        figure, (left, right) = sheet(columns=2)
        sizes = data.drop_duplicates("cluster").set_index("cluster")["users"].sort_index()
        places = list(sizes.index)
        several = looks([f"{m}, {t}" for m in data["model"].unique() for t in (TOGETHER, ALONE)])
        for number, (name, look) in enumerate(several.items()):
            model, _, tuned = name.rpartition(", ")
            some = data[(data["model"] == model) & (data["tuned"] == tuned)]
            for axes, kind in ((left, VALUE), (right, DIFFERENCE)):
                own = some[some["kind"] == kind]
                at = np.array([places.index(one) for one in own["cluster"]])
                if len(own):
                    intervals(axes, at + beside(number, len(several)), own, label=name, **look)
        right.axhline(0, color="black", linewidth=0.8)
        name = data["figure"].iloc[0]
        left.set_ylabel(f"{name} (share of questions)")
        right.set_ylabel(f"{name}, {TOGETHER} less {ALONE}")
        for axes in (left, right):
            named_places(axes, [f"{one}\nn={sizes[one]}" for one in places])
            axes.set_xlabel("clusters by training users, the largest first\nn: test users")
        legend(figure, left)
        return figure


def _of_all_models(asked: Asked, part: dict[str, str]) -> Iterator[Experiment]:
    for cell in asked.of_all_models():
        yield cell.model_copy(update={"settings": {**cell.settings, **part}})


def _of_test_rows(run: Run, asked: Asked) -> NDArray[np.int64]:
    """Return the cluster that is nearest to the history of each test row."""
    split = ask(asked.cell(run.record.model, 0), lambda _: None).split
    shape = len(split.catalogue), split.train.histories.shape[1]
    return user_clusters(split.sequences, *shape, COUNT).of(split.test.histories)


def _both(rows: Sequence[Row]) -> dict[tuple[str, int], Both]:
    """Return the rows to compare, by model and number of the cluster."""
    whole = {row.record.model: row for row in rows if _cluster(row) is None}
    found = {
        (row.record.model, number): (whole[row.record.model], row)
        for row in rows
        if (number := _cluster(row)) is not None and row.record.model in whole
    }
    return dict(sorted(found.items()))


def _cluster(row: Row) -> int | None:
    told = row.record.settings.get("cluster")
    return None if told is None else int(told.partition("/")[0])


def _points(
    both: Both, inside: NDArray[np.bool_], comparisons: int, own: dict[str, Any]
) -> Iterator[Point]:
    """Return the figures of a cluster's test rows, and the difference, among several."""
    systems = [row.system.only(inside) for row in both if row.system is not None]
    size = {"users": len(np.unique(systems[0].users)), "examples": int(inside.sum())}
    for row, system, tuned in zip(both, systems, (TOGETHER, ALONE), strict=True):
        found = estimate(system)
        assert found is not None  # HitRatio@1 is defined everywhere
        whose = about(row, ranked_by(row.record)) | estimated(found) | size
        yield {"kind": VALUE, **own, "tuned": tuned, "against": None, **whose}
    if size["users"] > 1:
        pairs = differences(systems, lambda *_: matched(both[0].runs, both[1].runs))
        (pair,) = all_pairs(pairs, baseline=1, families=comparisons)
        for point in difference(*both, pair, **own, tuned=TOGETHER):
            yield point | size
