"""
Whether the order of systems survives another protocol.

For every two questions that the same systems were asked: Kendall's tau-b (Biometrika 30, 1938;
ties count in neither direction) between the systems' figures, with a 95% interval by bootstrap over
what is random: users, each with all its rows under both questions (Poisson weights: Oza and
Russell, AISTATS 2001), and the trainings of every system. Cañamares and Castells (SIGIR 2018) and
Krichene and Rendle (KDD 2020) ask the same of sampled and full rankings. A pair of systems that is
not told apart may stand in either order, so the interval says what the tables show, no more.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from recbench.runs.leaderboard import Row, Table, ranked_by
from recbench.runs.text import DASH, Format, as_csv, grid, protocol_name
from recbench.seeding import generator
from recbench.settings import digest
from recbench.statistics.system import System

RESAMPLES = 2_000


@dataclass(frozen=True)
class Agreement:
    """
    How two questions order the same systems.

    Attributes
    ----------
    first, second
        The two tables.
    systems
        How many were asked both.
    tau, low, high
        Kendall's tau-b, in [-1, 1], with its 95% interval; NaN where systems never differ.
    """

    first: Table
    second: Table
    systems: int
    tau: float
    low: float
    high: float


def agreements(tables: Sequence[Table]) -> list[Agreement]:
    """Compare every two tables of one dataset that have three systems or more in common."""
    found = []
    for first, second in combinations(tables, 2):
        if first.record.digests.dataset == second.record.digests.dataset:
            own, other = _by_system(first), _by_system(second)
            common = [key for key in own if key in other]
            if len(common) > 2:
                pairs = [own[key] for key in common], [other[key] for key in common]
                found.append(_agreement(first, second, *pairs))
    return found


def _by_system(table: Table) -> dict[str, System]:
    rows = {_system_key(row): row.system for row in table.rows}
    return {key: system for key, system in rows.items() if system is not None}


def _system_key(row: Row) -> str:
    record = row.record
    asked = [record.model, record.settings, record.ingredients, record.matching]
    return digest([*asked, record.training.model_dump(mode="json")])


def _agreement(first: Table, second: Table, own: list[System], other: list[System]) -> Agreement:
    random = generator(0, "order of systems")
    users = 1 + max(int(one.users.max()) for one in (*own, *other))
    sums = [[_by_user(system, users) for system in systems] for systems in (own, other)]
    taus = np.empty(RESAMPLES)
    for sample in range(RESAMPLES):
        weights = random.poisson(1.0, users).astype(np.float64)
        taus[sample] = _tau(*([_mean(one, weights, random) for one in some] for some in sums))
    tau = _tau(*([_mean(one, np.ones(users)) for one in some] for some in sums))
    known = taus[~np.isnan(taus)]
    low, high = np.quantile(known, [0.025, 0.975]) if known.size else (np.nan, np.nan)
    return Agreement(first, second, len(own), tau, float(low), float(high))


Sums = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Values of each seed and user, float64 [seeds, users], and examples of each user."""


def _by_user(system: System, users: int) -> Sums:
    seeds = len(system.seeds) if system.random_training else 1
    means = system.values[:seeds].reshape(seeds, -1, system.draws).mean(axis=2)
    totals = np.stack([np.bincount(system.users, one, minlength=users) for one in means])
    return totals.astype(np.float64), np.bincount(system.users, minlength=users).astype(np.float64)


def _mean(
    sums: Sums, weights: NDArray[np.float64], random: np.random.Generator | None = None
) -> float:
    totals, counts = sums
    by_seed = totals @ weights / max(1.0, float(counts @ weights))
    if random is None:
        return float(by_seed.mean())
    return float(by_seed[random.integers(len(by_seed), size=len(by_seed))].mean())


def _tau(own: Sequence[float], other: Sequence[float]) -> float:
    from scipy.stats import kendalltau

    return float(kendalltau(own, other).statistic)


def render_order(found: Sequence[Agreement], form: Format) -> str:
    """Write agreements as text, a line a pair of questions, without a last line end."""
    headers = ["dataset", "first", "by", "second", "by", "systems", "Kendall's tau", "95% interval"]
    if form == "json":
        named = [dict(zip(_KEYS, _values(one), strict=True)) for one in found]
        return json.dumps(named, indent=2, ensure_ascii=False)
    if form == "csv":
        return as_csv(_KEYS, [_values(one) for one in found])
    lines = [[*map(str, _values(one)[:6]), *_tau_cells(one)] for one in found]
    return "\n\n".join(
        [
            grid(headers, lines, form == "markdown"),
            "Agreement of the order of systems under two questions: 1 the same, -1 the reverse. "
            f"Intervals by bootstrap over users and training seeds ({RESAMPLES:,} resamples).",
        ]
    )


def _tau_cells(one: Agreement) -> tuple[str, str]:
    if np.isnan(one.tau):
        return "none", DASH
    return f"{one.tau:+.2f}", f"[{one.low:+.2f}, {one.high:+.2f}]"


_KEYS = ("dataset", "first", "first_by", "second", "second_by", "systems", "tau", "low", "high")


def _values(one: Agreement) -> list[object]:
    first, second = one.first.record, one.second.record
    return [
        *(first.dataset, protocol_name(first), ranked_by(first)),
        *(protocol_name(second), ranked_by(second), one.systems, one.tau, one.low, one.high),
    ]
