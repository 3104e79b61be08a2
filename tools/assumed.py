"""
Measure on stored runs what the doctor assumes where there are none.

    python tools/assumed.py                  # of the published runs
    python tools/assumed.py --results DIR

A line for every question with drawn candidates that two trained ID models or more were asked, of
their pairs and their seeds in HitRatio@1; those that count, or draw, are left out, as they differ
from all trained ones by far more than these do from each other. The last line is what
`recbench.questions.doctor.rows` assumes.
"""

import argparse
from collections.abc import Collection, Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np

from recbench.questions.doctor import rows
from recbench.runs.leaderboard import leaderboard
from recbench.runs.places import cache_folder
from recbench.runs.record import RunRecord
from recbench.runs.store import runs
from recbench.statistics.values import SystemValues

ROOT = Path(__file__).resolve().parents[1]

MODELS = ("caser", "gru4rec", "sasrec")
"""Whose runs the doctor goes by: those that every publication compares."""


class Measured(NamedTuple):
    """
    What was found, means over pairs; NaN where too few draws, rows of a user or seeds are there.

    Attributes
    ----------
    discordance
        Share of the rows, of one draw and one training each, where one is right and the other not.
    draws_share
        Of the variance of a difference, what is between the draws of a row.
    alike
        Correlation of the differences in two rows of one user, of one draw and one training each.
    seed_sd
        Of the figures of a system's trainings, pooled.
    """

    discordance: float
    draws_share: float
    alike: float
    seed_sd: float


def measured(systems: Sequence[SystemValues]) -> Measured:
    """Measure systems that were asked the same, at least two."""
    pairs = np.array([_pair(a, b) for a, b in combinations(systems, 2)])
    several = [one.crossed.by_seed for one in systems if len(one.seeds) > 1]
    free = sum(len(figures) - 1 for figures in several)
    squares = sum(float(figures.var() * len(figures)) for figures in several)
    seed_sd = float(np.sqrt(squares / free)) if free else np.nan
    return Measured(*pairs.mean(axis=0), seed_sd=seed_sd)


def _pair(a: SystemValues, b: SystemValues) -> tuple[float, float, float]:
    each = np.stack([one - other for one in a.grid for other in b.grid])  # [pairs, rows, draws]
    discordance, whole = float((each != 0).mean()), float((each**2).mean() - each.mean() ** 2)
    share = each.var(axis=-1, ddof=1).mean() / whole if a.draws > 1 else np.nan
    users, numbers = np.unique(a.users, return_inverse=True)
    if len(users) == len(a.users):
        return discordance, share, np.nan
    apart = each.mean(axis=(0, 2)) - each.mean()
    counts, sums = np.bincount(numbers), np.bincount(numbers, apart)
    products = (sums**2).sum() - (apart**2).sum()  # of the rows of a user, two by two
    return discordance, share, float(products / (counts * (counts - 1)).sum() / whole)


def asked(results: Path, models: Collection[str]) -> Iterator[tuple[str, list[SystemValues]]]:
    """Yield each question with its systems of some models, those among them that are trained."""
    found = runs(results, print, cache_folder(None))
    for table in leaderboard(found):
        systems = [
            row.system
            for row in table.rows
            if row.record.model in models and row.system is not None and _is_trained(row.record)
        ]
        if len(systems) > 1 and not table.record.full_ranking:
            yield f"{table.record.dataset} {table.record.protocol}", systems


def _is_trained(record: RunRecord) -> bool:
    """Whether chance is in what it learnt; a random order has chance, and learns nothing."""
    return record.random_training and record.trained.fit["parameters_trained"] > 0


def main() -> None:
    """Print what was measured, and what is assumed."""
    options = argparse.ArgumentParser(description=(__doc__ or "").strip().splitlines()[0])
    options.add_argument("--results", type=Path, default=ROOT / "results")
    options.add_argument("--models", nargs="+", default=MODELS)
    said = options.parse_args()
    lines = {name: measured(systems) for name, systems in asked(said.results, said.models)}
    lines["assumed"] = Measured(rows.DISCORDANCE, rows.DRAWS_SHARE, rows.ALIKE, rows.SEED_SD)
    for name, found in lines.items():
        figures = (f"{field} {value:.4f}" for field, value in found._asdict().items())
        print(f"{name}: {', '.join(figures)}")


if __name__ == "__main__":
    main()
