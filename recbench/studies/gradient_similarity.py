"""Whether users pull one LoRA in different directions, and less so with experts."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from recbench.errors import PluginError, UserError
from recbench.questions.split import PAD, Examples
from recbench.recommender import Encoder, Runtime, TrainingData
from recbench.request import Experiment
from recbench.runs.leaderboard import rows_of
from recbench.runs.store import Run
from recbench.seeding import generator
from recbench.statistics.clusters import check_can_cluster, k_means
from recbench.statistics.intervals import CONFIDENCE
from recbench.studies.cells import at_hand, part_of_rows
from recbench.studies.drawing import beside, heat_map, intervals, legend, looks, sheet
from recbench.studies.kept import kept
from recbench.studies.points import THIS_TRAINING, Point, frame
from recbench.studies.required import ONLY_DECLARED, check_members
from recbench.studies.study import Asked, Study

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

PARTS = (0.25, 0.5, 1.0)
"""Of the rows that are learnt from: the points of training that are looked at."""

USERS, PLACES, SHUFFLES = 256, 8_192, 200
"""Most users whose gradients are taken, numbers of a sketch, random partings of the users."""

COSINE, CLUSTERED, FLOOR, PAIR = "cosine", "clusters", "random clusters", "users"

Array = NDArray[np.float64]
OPPOSED = "share of negative pairs"
FIGURES: dict[str, Callable[[Array], float]] = {
    OPPOSED: lambda beside: float((beside < 0).mean()),
    "mean cosine": lambda beside: float(beside.mean()),
}
"""What the cosines of all pairs of clusters come to."""


@runtime_checkable
class HasGradients(Protocol):
    """A model with LoRA and an encoder, such as ``llara``."""

    encoder: Encoder

    def gradient_sketches(
        self, rows: Examples, places: int, runtime: Runtime
    ) -> NDArray[np.float32]:
        """Return a sketch of the gradient of each row's loss by LoRA's weights, [rows, places]."""


@dataclass(frozen=True)
class Seen:
    """
    One trained model and some training users, a row each.

    Attributes
    ----------
    model, system, seed, rows_learnt
        Which it is, and how far it was trained.
    products
        float64 [users, users], scalar products of the gradients of their losses.
    vectors
        float32 [users, d], what the encoder sees in their histories.
    titles
        The ends of their histories, in words.
    """

    model: str
    system: str
    seed: int
    rows_learnt: int
    products: Array
    vectors: NDArray[np.float32]
    titles: tuple[str, ...]

    @property
    def key(self) -> tuple[str, int, int]:
        """Parts of more rows than there are come to one and the same training."""
        return self.model, self.seed, self.rows_learnt

    def own(self, kind: str, figure: str) -> Point:
        """Return the columns that all points of it have."""
        about = {"model": self.model, "rows_learnt": self.rows_learnt, "seed": self.seed}
        users = {"users": len(self.products), "examples": len(self.products)}
        whose = {"system": self.system, "figure": figure, "seeds": THIS_TRAINING}
        return {"kind": kind, **about, **whose, **users}


class GradientSimilarity(Study):
    """
    Cosines between the mean gradients of clusters of users, by LoRA's weights.

    Of up to 256 training users the last training row each is looked at, the same ones everywhere;
    its loss is differentiated as at the end of training, without dropout, with the model's own
    gate. Users are clustered by k-means on the encoder's user vectors (8 clusters), and the matrix
    is ordered by hierarchical clustering (average linkage on 1 - cosine) of the first system's last
    point. "Over training" means trainings of a quarter, half and all of the rows, each a whole one
    with its own schedule: ordinary cells, so that nothing watches a training and nothing could
    change it. A mean over some thirty users is mostly noise, which draws cosines to 0 and makes
    signs a matter of chance: where nothing opposes anything a third of the pairs have a negative
    cosine. So the share of pairs that oppose each other has the interval from the pairs of which
    that is shown to those of which the contrary is not, all pairs at once (`shown_signs`); and
    random clusters of the same sizes (mean and middle 95% of 200) say what share and mean cosine
    would be if clusters meant nothing. Each training is a point of its own, and no difference is
    tested.
    """

    question = "Do users disturb each other: do their gradients oppose, and less so with experts?"
    place = "iLoRA's paper, figure 1: gradient similarity of 8 clusters; the floor is ours"
    models = ("llara", "ilora")
    seeds = 1
    titles = ("history", "and")
    cut = "the trainings of a part of the rows"
    note = (
        f"The interval of the {OPPOSED} goes from the pairs that are shown to oppose each other to "
        "those that are not shown to agree (95% over users, all pairs at once), of these "
        f"trainings; that of {FLOOR} is the middle 95% of {SHUFFLES} random partings of the same "
        "users. Noise draws cosines to 0, so their mean has no interval."
    )

    def cells(self, asked: Asked) -> list[Experiment]:
        """Return every model with every seed, trained on ever more rows."""
        if not asked.listing:
            check_can_cluster()
        for model in asked.models:
            check_members(model, HasGradients, "name llara or ilora")
        whole = list(asked.of_all_models())
        if asked.quick:
            return whole
        for cell in whole:
            system = at_hand(cell)
            if system is not None and system.settings.record().get("examples", 0) is None:
                raise UserError(
                    f"{cell.model} learns from all rows, however many these are; give --set "
                    "examples=N, of which parts are taken, or --quick"
                )
        return [part_of_rows(cell, part) for part in PARTS for cell in whole]

    def data(self, runs: Sequence[Run], asked: Asked) -> "DataFrame":
        """Take the gradients of every kept model, and compare them."""
        labels = {run.folder: row.label for row in rows_of(runs) for run in row.runs}
        known = {one.key: one for one in (_seen(run, labels[run.folder], asked) for run in runs)}
        seen = list(known.values())
        if len(seen) < len(runs):
            rows = max(one.rows_learnt for one in seen)
            asked.report(
                f"trainings on more than the {rows} rows there are come to one point; with "
                f"--set examples={rows} each has its own"
            )
        points: list[Point] = []
        for seed in dict.fromkeys(one.seed for one in seen):
            several = [one for one in seen if one.seed == seed]
            clusters = _in_order(several)
            for one in several:
                points += _over_pairs(one, clusters)
                if seed == seen[0].seed:
                    points += [*_matrix(one, clusters), *_pairs(one)]
        return frame(points)

    def table(self, data: "DataFrame", layout: Any = "markdown") -> str:
        """Write all but the matrices."""
        shown = data[data["kind"] != COSINE].drop(columns=["cluster", "other"], errors="ignore")
        return super().table(shown, layout)

    def figure(self, data: "DataFrame") -> "Figure":
        """Draw the matrices of the last point side by side, and what they come to over training."""
        models = list(dict.fromkeys(data["model"]))
        columns = max(len(models), len(FIGURES))
        figure, axes = sheet(columns=columns, heights=(2.6, 2.2))
        cosines = data[data["kind"] == COSINE]
        for place, model in zip(axes, models, strict=False):
            own = cosines[cosines["model"] == model]
            last = own[own["rows_learnt"] == own["rows_learnt"].max()]
            image = heat_map(place, last, "cluster", "other", (-1, 1), "PuOr")
            figure.colorbar(image, ax=place, label="cosine of mean gradients")
            place.set_title(model)
            place.set_xlabel("cluster of users")
            place.set_ylabel("cluster of users")
        for place, name in zip(axes[columns:], FIGURES, strict=False):
            _draw_over_training(place, data[data["figure"] == name], looks(models))
            place.set_ylabel(name)
        for place in (*axes[len(models) : columns], *axes[columns + len(FIGURES) :]):
            place.set_axis_off()
        legend(figure, axes[columns], columns=2)
        return figure


def _draw_over_training(axes: Any, data: "DataFrame", kinds: dict[str, dict[str, Any]]) -> None:
    lines = {CLUSTERED: "-", FLOOR: ":"}
    shown = data[data["kind"].isin(lines)]
    series = shown.groupby(["model", "kind", "seed"], sort=False)  # a line joins those of one seed
    for number, ((model, kind, seed), own) in enumerate(series):
        name = model if kind == CLUSTERED else f"{model}, {FLOOR} (middle 95% of {SHUFFLES})"
        alike = shown[(shown["model"] == model) & (shown["kind"] == kind)]
        label = name if seed == alike["seed"].min() else None
        at = np.log2(own["rows_learnt"]) + beside(number, len(series), 0.2)
        intervals(axes, at, own, label=label, **kinds[model] | {"linestyle": lines[kind]})
    rows = sorted(set(data["rows_learnt"]))
    axes.set_xticks(np.log2(rows), [f"{one:g}" for one in rows])
    axes.set_xlabel("rows learnt from")


def _seen(run: Run, label: str, asked: Asked) -> Seen:
    with kept(run, asked) as found:
        model, data = found.model, found.data
        if not isinstance(model, HasGradients):
            raise PluginError(ONLY_DECLARED)
        rows = _watched(data)
        sketches = model.gradient_sketches(rows, PLACES, found.runtime).astype(np.float64)
        vectors = model.encoder.user_vectors(rows.histories)
    record = run.record
    told = record.settings.get("examples")
    learnt = len(data.train) if told is None else min(told, len(data.train))
    titles = tuple(_ends(history, data) for history in rows.histories)
    products = sketches @ sketches.T
    known = record.model, label, record.seed, learnt
    return Seen(*known, (products + products.T) / 2, vectors, titles)


def _watched(data: TrainingData) -> Examples:
    """Return the last training row of some training users, always the same ones."""
    train = data.train
    users, last = np.unique(train.users[::-1], return_index=True)
    chosen = np.sort(generator(0, "looked at").permutation(len(users))[:USERS])
    rows = len(train) - 1 - last[chosen]
    return Examples(train.histories[rows], train.targets[rows], train.users[rows])


def _ends(history: NDArray[np.int32], data: TrainingData) -> str:
    return "; ".join(data.catalogue.titles[item] for item in history[history != PAD][-3:])


def _in_order(several: Sequence[Seen]) -> NDArray[np.int64]:
    """Cluster users, and number the clusters so that those whose gradients agree are neighbours."""
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    models = [one for one in several if one.model == several[0].model]
    last = max(models, key=lambda one: one.rows_learnt)
    clusters = k_means(last.vectors).labels
    if clusters.max() == 0:
        return clusters
    apart = squareform(1 - cosines(last.products, clusters), checks=False)
    numbers = np.argsort(leaves_list(linkage(apart, "average")))
    return np.asarray(numbers[clusters], dtype=np.int64)


def cosines(products: Array, clusters: NDArray[np.int64]) -> Array:
    """
    Return the cosines between the mean vectors of clusters.

    Parameters
    ----------
    products
        float64 [n, n], scalar products of all vectors.
    clusters
        int64 [n], numbers from 0, all of them there.

    Returns
    -------
    ndarray
        float64 [clusters, clusters], symmetric, 1 on the diagonal; 0 beside it of a mean of zero.
    """
    member = np.eye(int(clusters.max()) + 1)[:, clusters]  # [clusters, n]
    means = member @ products @ member.T  # the sizes cancel
    lengths = np.sqrt(np.diagonal(means))
    whole = np.outer(lengths, lengths)
    found = np.divide(means, whole, out=np.zeros_like(means), where=whole > 0).clip(-1.0, 1.0)
    np.fill_diagonal(found, 1.0)
    return (found + found.T) / 2


def _beside(products: Array, clusters: NDArray[np.int64]) -> Array:
    """Return the cosine of every pair of clusters."""
    return cosines(products, clusters)[np.triu_indices(int(clusters.max()) + 1, 1)]


def shown_signs(products: Array, clusters: NDArray[np.int64]) -> tuple[float, float]:
    """
    Return the shares of the pairs of clusters that are shown to oppose each other, and to agree.

    The mean product of a user of one and a user of the other has the sign of the cosine and, unlike
    that, no bias: no gradient is multiplied with itself. Its standard error is that of the users'
    means in both; t has the degrees of freedom of the smaller cluster, and the levels of all pairs
    add up to .05 (Bonferroni). So the share of pairs with a negative true cosine lies between the
    first and one less the second with confidence 95% or more.

    Parameters
    ----------
    products, clusters
        As for `cosines`. A pair with a cluster of a single user shows nothing.
    """
    from scipy.stats import t

    members = [np.flatnonzero(clusters == number) for number in range(int(clusters.max()) + 1)]
    pairs = list(combinations(members, 2))
    signs = []
    for one, other in pairs:
        found = products[np.ix_(one, other)]
        fewest = min(found.shape)
        if fewest < 2:
            continue
        doubt = sum(found.mean(axis).var(ddof=1) / found.shape[1 - axis] for axis in (0, 1))
        half = t.isf((1 - CONFIDENCE) / 2 / len(pairs), fewest - 1) * np.sqrt(doubt)
        signs.append(int(found.mean() - half > 0) - int(found.mean() + half < 0))
    return signs.count(-1) / len(pairs), signs.count(1) / len(pairs)


def _over_pairs(seen: Seen, clusters: NDArray[np.int64]) -> Iterator[Point]:
    """Return what all pairs of clusters come to, and what those of random clusters would."""
    if clusters.max() == 0:
        return
    products = seen.products
    negative, positive = shown_signs(products, clusters)
    known = {OPPOSED: {"low": negative, "high": 1 - positive}}
    for name, figure in FIGURES.items():
        value = figure(_beside(products, clusters))
        yield {**seen.own(CLUSTERED, name), "value": value, **known.get(name, {})}
        random = generator(0, "random clusters")
        floor = [figure(_beside(products, random.permutation(clusters))) for _ in range(SHUFFLES)]
        low, high = np.quantile(floor, [0.025, 0.975])
        yield {**seen.own(FLOOR, name), "value": np.mean(floor), "low": low, "high": high}


def _matrix(seen: Seen, clusters: NDArray[np.int64]) -> Iterator[Point]:
    sizes = np.bincount(clusters)
    for (one, other), value in np.ndenumerate(cosines(seen.products, clusters)):
        count = int(sizes[[one, other]].sum()) if one != other else int(sizes[one])
        own = {"cluster": one + 1, "other": other + 1, "users": count, "examples": count}
        yield {**seen.own(COSINE, "cosine of mean gradients"), **own, "value": value}


def _pairs(seen: Seen) -> Iterator[Point]:
    """Return the two users whose gradients are most alike, and the two that are most opposed."""
    found = cosines(seen.products, np.arange(len(seen.products)))
    pairs = list(combinations(range(len(found)), 2))
    for which, best in (("most alike", max), ("most opposed", min)):
        one, other = best(pairs, key=lambda pair: found[pair])
        words = {"which": which, "history": seen.titles[one], "and": seen.titles[other]}
        own = seen.own(PAIR, "cosine of two gradients") | {"users": 2, "examples": 2}
        yield {**own, **words, "value": found[one, other]}
