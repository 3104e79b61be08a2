"""Whether users differ in the experts that they are given, and whether that changes answers."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from recbench.errors import PluginError, UserError
from recbench.questions.candidates import Pack
from recbench.questions.queries import Queries
from recbench.recommender import Encoder, Runtime, WeighsExperts
from recbench.request import Experiment
from recbench.runs.leaderboard import rows_of
from recbench.runs.store import Run
from recbench.seeding import generator
from recbench.statistics.clusters import check_can_cluster, k_means
from recbench.studies.drawing import COLOURS, heat_map, intervals, legend, named_places, sheet
from recbench.studies.kept import Kept, kept
from recbench.studies.points import THIS_TRAINING, Point, frame, measured
from recbench.studies.required import ONLY_DECLARED, check_members
from recbench.studies.study import Asked, Study

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

SHOWN, ROWS = 10, 1_000
"""Sequences of the heat map, as in the paper; most test rows that are looked at."""

BINS = [one / 20 for one in range(21)]

WEIGHT, ENTROPY, CLUSTER, EXPLAINED = "weight", "entropy", "cluster", "the gate's share"
CHANGED, MOVED = "answers changed", "share of likelihoods"

NO_SHARE: Point = {"effective_users": None}
"""Of means of weights and entropies: few users on one side is a worry of shares of questions."""


@runtime_checkable
class Gated(WeighsExperts, Protocol):
    """A model whose gate can be held still, and what its encoder sees of users."""

    encoder: Encoder

    def weighing_alike(self, weights: NDArray[np.float32]) -> AbstractContextManager[None]:
        """Give every row the same weights [K] inside the block."""

    def score(self, queries: Queries, runtime: Runtime) -> NDArray[np.float32]:
        """Return log-likelihoods of the candidates, [rows, C]."""


@dataclass(frozen=True)
class Seen:
    """What one trained model does with test rows [n] of `users` [n], who are in `clusters` [n]."""

    users: NDArray[np.int32]
    weights: NDArray[np.float64]
    clusters: NDArray[np.int64]
    changed: NDArray[np.float64]
    moved: NDArray[np.float64]

    @property
    def entropies(self) -> NDArray[np.float64]:
        """Of the weights, from 0, one expert alone, to 1, all alike; 1 of a single expert."""
        weights, experts = self.weights, self.weights.shape[1]
        if experts == 1:
            return np.ones(len(weights))
        logs = np.log(np.where(weights > 0, weights, 1.0))
        return (-(weights * logs).sum(axis=1) / np.log(experts)).clip(0.0, 1.0)


class ExpertAttention(Study):
    """
    The gate's weights of test users, and what becomes of the answers without the gate.

    The models that the runs have kept are asked the first draw of the test rows again, of 1,000 of
    them where there are more, without targets. The entropy of a row's weights is in parts of log K:
    1 where all experts count alike. To see what the gate explains, every row is then given the mean
    of all rows' weights, and is asked once more. ``answers changed`` is the share of rows whose
    likeliest candidate is then another. ``share of likelihoods``: let s be a row's log-likelihoods
    with its own weights and m those with the mean ones, both less their mean over the candidates;
    the gate's share is ``|s - m|^2 / (|m|^2 + |s - m|^2)``, from 0, where it moves nothing, to 1,
    and the figure is its mean over rows. The heat map and the clusters (k-means on the encoder's
    user vectors) are of the first seed, for experts of two trainings do not correspond.
    """

    question = "Do users differ in their experts, and how much of an answer does the gate explain?"
    place = "iLoRA's paper, section 4.3: expert weights of ten sequences; the share is ours"
    models = ("ilora",)
    seeds = 1
    note = (
        f"Looked at are the test rows, {ROWS:,} of them drawn at random where there are more, the "
        "same ones for every run. Means are over rows: a user of several counts several times."
    )

    def cells(self, asked: Asked) -> list[Experiment]:
        """Return every gated model with every seed."""
        if not asked.listing:
            check_can_cluster()
        for model in asked.models:
            check_members(model, Gated, "name ilora or lora-ensemble")
        if asked.settings.get("guidance") == "token-routing":
            raise UserError("token-routing weighs experts by the token, not by the user")
        return list(asked.of_all_models())

    def data(self, runs: Sequence[Run], asked: Asked) -> "DataFrame":
        """Ask every kept model, and return its weights and what they change."""
        points: list[Point] = []
        order = list(dict.fromkeys(run.record.model for run in runs))
        for row in sorted(rows_of(runs), key=lambda row: order.index(row.record.model)):
            seen = {run.record.seed: _seen(run, asked) for run in row.runs}
            points += _points(row.label, seen)
        return frame(points)

    def part(self, point: Mapping[str, Any]) -> str:
        """Name the figure."""
        return f"by {point['figure']}"

    def table(self, data: "DataFrame", layout: Any = "markdown") -> str:
        """Write all but the weights and entropies of single users."""
        return super().table(data[data["user"].isna()].drop(columns="user"), layout)

    def figure(self, data: "DataFrame") -> "Figure":
        """Draw the first system's weights, entropies and clusters, and every system's share."""
        figure, (users, spread, clusters, share) = sheet(columns=2, heights=(2.6, 2.6))
        systems = list(dict.fromkeys(data["system"]))
        first = data[data["system"] == systems[0]]
        single = first[first["user"].notna()]
        weights = single[single["kind"] == WEIGHT]
        means = first[first["kind"] == CLUSTER]
        ends = 0.0, float(max(weights["value"].max(), means["value"].max()))
        bar = heat_map(users, weights, "user", "expert", ends)
        figure.colorbar(bar, ax=[users, clusters], label="weight", shrink=0.6)
        users.set_ylabel("user")
        if len(systems) > 1:
            for axes in (users, spread, clusters):
                axes.set_title(systems[0])
        spread.hist(
            single.loc[single["kind"] == ENTROPY, "value"], bins=np.linspace(0, 1, 21).tolist()
        )
        spread.set_xlabel("entropy of a user's weights (parts of log K)")
        spread.set_ylabel("test rows")
        heat_map(clusters, means, "cluster", "expert", ends)
        clusters.set_ylabel("cluster of users")
        for axes in (users, clusters):
            axes.set_xlabel("expert")
        _draw_share(share, data[data["kind"] == EXPLAINED])
        legend(figure, share, columns=1)
        return figure


def _draw_share(axes: Any, data: "DataFrame") -> None:
    figures = [CHANGED, MOVED]
    for number, (name, some) in enumerate(data.groupby("system", sort=False)):
        at = [figures.index(one) + 0.2 * number for one in some["figure"]]
        intervals(axes, at, some, color=COLOURS[number % len(COLOURS)], marker="o", label=name)
    named_places(axes, figures)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("share")
    axes.set_title("Gate replaced by its mean over rows")


def _seen(run: Run, asked: Asked) -> Seen:
    """Ask the kept model of a run with its gate, and with the gate's mean."""
    with kept(run, asked) as found:
        model = found.model
        if not isinstance(model, Gated):
            raise PluginError(ONLY_DECLARED)
        queries, users = _rows(found)
        weights = model.expert_weights(queries)
        own = model.score(queries, found.runtime)
        with model.weighing_alike(weights.mean(axis=0)):
            alike = model.score(queries, found.runtime)
        clusters = k_means(model.encoder.user_vectors(queries.histories)).labels
    changed = (own.argmax(axis=1) != alike.argmax(axis=1)).astype(np.float64)
    return Seen(users, weights.astype(np.float64), clusters, changed, _share(own, alike))


def _rows(found: Kept) -> tuple[Queries, NDArray[np.int32]]:
    """Return the first draw of the test rows, or of some of them, and whose they are."""
    test, pack = found.question.split.test, found.question.pack
    assert isinstance(pack, Pack)  # a model that has candidates in its prompt ranks no catalogue
    rows = np.sort(generator(0, "looked at").permutation(len(test))[:ROWS])
    return Queries(test.histories[rows], pack.candidates[rows, 0]), test.users[rows]


def _share(own: NDArray[np.float32], alike: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the gate's share of what tells the candidates of each row apart, float64 [rows]."""
    s, m = (one.astype(np.float64) - one.mean(axis=1, keepdims=True) for one in (own, alike))
    gate, rest = ((one**2).sum(axis=1) for one in (s - m, m))
    whole = gate + rest
    return np.divide(gate, whole, out=np.zeros_like(whole), where=whole > 0)


def _points(system: str, seen: dict[int, Seen]) -> Iterator[Point]:
    first = next(iter(seen.values()))
    everyone: dict[str, Any] = {"users": first.users, "seeds": tuple(seen), "system": system}
    for name, part in ((CHANGED, "changed"), (MOVED, "moved"), ("entropy", "entropies")):
        values = np.stack([getattr(one, part) for one in seen.values()])
        kind, none = (ENTROPY, NO_SHARE) if part == "entropies" else (EXPLAINED, {})
        yield measured(values, figure=name, kind=kind, user=None, **everyone) | none
    for number in range(int(first.clusters.max()) + 1):
        of = first.clusters == number
        whose: dict[str, Any] = {
            "users": first.users[of],
            "seeds": tuple(seen)[:1],
            "system": system,
        }
        own: dict[str, Any] = {"kind": CLUSTER, "user": None, "cluster": number + 1}
        for expert, values in enumerate(first.weights[of].T, 1):
            mean = measured(values[None], figure="mean weight", expert=expert, **own, **whose)
            yield mean | NO_SHARE
    yield from _single(system, first)


def _single(system: str, seen: Seen) -> Iterator[Point]:
    """Return the weights of some users, of one row each, and the entropies of all rows."""
    order = generator(0, "shown").permutation(len(seen.users))
    _, first = np.unique(seen.users[order], return_index=True)
    shown = order[np.sort(first)[:SHOWN]]
    known = {"system": system, "seeds": THIS_TRAINING}
    for row in shown:
        for expert, weight in enumerate(seen.weights[row], 1):
            own = {"kind": WEIGHT, "user": int(seen.users[row]), "expert": expert}
            yield {**own, **known, "figure": "weight", "value": float(weight)}
    for user, entropy in zip(seen.users, seen.entropies, strict=True):
        own = {"kind": ENTROPY, "user": int(user)}
        yield {**own, **known, "figure": "entropy", "value": float(entropy)}
