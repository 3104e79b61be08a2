"""
Simulate how often intervals cover and tests reject, through the functions that tables call.

    python tools/coverage.py                      # results/simulations/*.csv, some 40 minutes
    python tools/coverage.py --replications 200   # a glance
    python tools/coverage.py --docs               # the tables of docs/statistics.md, from the files

Users differ in how easy their questions are, on the logit scale with standard deviation 1.5, most
of it alike for all systems; a training adds something to all users, and something to each (.5);
every draw of every row is then right or wrong by chance. The mean is chosen so that the hit ratio
over users and trainings is as asked; the spread of trainings so that a hit ratio of .45 would have
the standard deviation that is asked. With one seed the truth is that of this training.
"""

import argparse
import csv
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit
from scipy.stats import norm, t

from recbench.seeding import generator
from recbench.statistics.best import Differences, constrained, one_sided
from recbench.statistics.crossed import (
    Crossed,
    Variance,
    crossed,
    effective_users,
    variance,
)
from recbench.statistics.differences import standard_error
from recbench.statistics.intervals import score_interval

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "results" / "simulations"
COVERAGE, EQUAL = RESULTS / "coverage.csv", RESULTS / "equal_systems.csv"
PAIRS, FAMILIES = RESULTS / "pairs.csv", RESULTS / "families.csv"
PAGE = ROOT / "docs" / "statistics.md"

SHARED, OWN, BY_SEED = 1.3, 0.75, 0.5
"""Standard deviations of users' logits: alike for all systems, a system's, and a training's."""

SEEDS = (1, 3, 5)
RATES = ("coverage", "rejection", "coverage_satterthwaite", "rejection_users_only")
"""How often 95% intervals cover and tests at .05 reject, and what other ways would have done."""

REPLICATIONS = 4_000
BATCH = 250
ALPHA = 0.05

Array = NDArray[np.float64]


def unequal(users: int, most: int = 428, share: float = 55 / 166) -> Array:
    """Return lognormal rows of users, 1 to `most`, worth a share of them: `temporal` has such."""
    places = norm.ppf((np.arange(users) + 0.5) / users)

    def rows(sigma: float) -> Array:
        return np.clip(np.round(most * np.exp(sigma * (places - places[-1]))), 1, most)

    def surplus(sigma: float) -> float:
        return float(effective_users(rows(sigma) / rows(sigma).sum())) - share * users

    return rows(brentq(surplus, 0.3, 3.0))


DESIGNS = {
    "95 users": np.ones(95),
    "943 users": np.ones(943),
    "2,000 users": np.ones(2000),
    "166 unequal users": unequal(166),
    "10 users": np.ones(10),
    "20 users": np.ones(20),
    "40 users": np.ones(40),
    "250 users": np.ones(250),
    "60 unequal users": unequal(60),
}
"""Rows of each user."""

ASKED = tuple(DESIGNS)[:4]
"""The designs of the table; the others are where intervals begin to cover."""


class Cell(NamedTuple):
    """What is simulated; the spread is that of hit ratios of .45 between trainings."""

    design: str
    draws: int
    hit_ratio: float
    spread: float


def cells() -> Iterator[Cell]:
    """Yield what is simulated."""
    for design in DESIGNS:
        ratios = (0.02, 0.45, 0.98) if design in ASKED else (0.05, 0.1, 0.2, 0.45)
        spreads = (0.0, 0.01, 0.038) if design in ASKED else (0.01,)
        yield from itertools.starmap(Cell, itertools.product([design], (1, 20), ratios, spreads))


class Pair(NamedTuple):
    """
    Two systems: seeds of each, what their trainings have in common, how users count.

    One seed is judged given its training, as is a system whose training is not random: to the
    statistics they are the same. `shared` is the part of the variance between trainings that equal
    seeds have alike in both systems, which are then matched.
    """

    seeds: tuple[int, int]
    shared: float = 0.0
    each_user_once: bool = False

    @property
    def words(self) -> str:
        """What the files call it."""
        a, b = self.seeds
        how = " matched" if self.shared else " each user once" if self.each_user_once else ""
        return (f"{a}" if a == b else f"{a} against {b}") + how


ALIKE = tuple(Pair((seeds, seeds)) for seeds in SEEDS)
ONE = tuple(Pair((1, seeds)) for seeds in SEEDS if seeds > 1)
MATCHED = tuple(Pair((seeds, seeds), shared=0.5) for seeds in SEEDS if seeds > 1)
EACH_USER_ONCE = tuple(Pair((seeds, seeds), each_user_once=True) for seeds in SEEDS)


def other_pairs() -> Iterator[tuple[Cell, tuple[Pair, ...]]]:
    """Yield what is simulated of other pairs; users count otherwise only where they are unequal."""
    for cell in cells():
        if cell.design in ASKED:
            yield from ((cell, pairs) for pairs in (ONE, MATCHED))
        if cell.design in ASKED and "unequal" in cell.design:
            yield cell, EACH_USER_ONCE


NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(80)
USER_SD = float(np.sqrt(SHARED**2 + OWN**2 + BY_SEED**2))


def hit_ratio(logit: Array | float, sd: float) -> Array:
    """Return the mean of right answers, [...], over logits of mean [...] and standard deviation."""
    chances = expit(np.add.outer(np.asarray(logit), sd * NODES))
    return np.asarray(chances @ WEIGHTS / WEIGHTS.sum())


def logit_of(ratio: float, sd: float) -> float:
    """Return the mean logit that gives a hit ratio."""
    return float(brentq(lambda logit: float(hit_ratio(logit, sd)) - ratio, -15, 15))


def logit_spread(spread: float) -> float:
    """Return the spread of trainings, in logits, that hit ratios of .45 have as `spread`."""
    if spread == 0:
        return 0.0
    logit = logit_of(0.45, USER_SD)

    def of(sd: float) -> float:
        means = hit_ratio(logit + sd * NODES, USER_SD)
        return float(np.sqrt((means - 0.45) ** 2 @ WEIGHTS / WEIGHTS.sum()))

    return float(brentq(lambda sd: of(sd) - spread, 0, 3))


def simulate(
    cell: Cell,
    systems: int,
    seeds: int,
    size: int,
    random: np.random.Generator,
    shared: float = 0.0,
) -> tuple[Array, Array]:
    """Return right answers, float64 [size, systems, seeds, users], and truths by training."""
    rows, spread = DESIGNS[cell.design], logit_spread(cell.spread)
    logit = logit_of(cell.hit_ratio, float(np.hypot(USER_SD, spread)))

    def normal(*shape: int) -> Array:
        return random.standard_normal((size, *shape), dtype=np.float32).astype(np.float64)

    def of_trainings(users: int) -> Array:
        own = normal(systems, seeds, users)
        alike = normal(1, seeds, users) if shared else 0.0
        return np.asarray(np.sqrt(1 - shared) * own + np.sqrt(shared) * alike)

    of_seed = logit + spread * of_trainings(1)
    users = len(rows)
    people = SHARED * normal(1, 1, users) + OWN * normal(systems, 1, users)
    chance = expit(of_seed + people + BY_SEED * of_trainings(users))
    right = random.binomial((rows * cell.draws).astype(int), chance) / cell.draws
    return right, hit_ratio(of_seed[..., 0], USER_SD)


def first(right: Array, seeds: int, design: str, each_user_once: bool = False) -> Crossed:
    """Return what the first seeds of [..., seeds, users] give."""
    kept, rows = right[..., :seeds, :], DESIGNS[design]
    if each_user_once:
        return crossed(kept / rows, np.ones(kept.shape))
    return crossed(kept, np.broadcast_to(rows, kept.shape))


def rejected(value: Array, se: Array, df: Array, alpha: float = ALPHA) -> NDArray[np.bool_]:
    """Return which differences a two-sided test rejects, [...]."""
    return np.abs(value) > t.isf(alpha / 2, df) * se


def satterthwaite(doubt: Variance) -> tuple[Array, Array]:
    """Return the variance not cut at nought and Satterthwaite's degrees of freedom, [...]."""
    total = doubt.users + doubt.seeds - doubt.rest
    squares = doubt.users**2 / doubt.users_df + doubt.seeds**2 / doubt.seeds_df
    squares = squares + doubt.rest**2 / (doubt.users_df * doubt.seeds_df)
    varied = (total > 0) & (squares > 0)
    df = np.where(varied, total**2 / np.where(varied, squares, 1.0), 1.0)
    return np.maximum(total, 0.0), np.maximum(df, 1.0)


def judge(cell: Cell, right: Array, truth: Array, pair: Pair) -> tuple[NDArray[np.bool_], ...]:
    """Return what happened, bool [size] each, in the order of `RATES`; intervals of the first."""
    a, b = (
        first(right[:, system], seeds, cell.design, pair.each_user_once)
        for system, seeds in enumerate(pair.seeds)
    )
    users = effective_users(a.shares)
    value, difference = a.by_seed.mean(axis=-1), a.by_seed.mean(axis=-1) - b.by_seed.mean(axis=-1)
    of_a = a.residuals.mean(axis=-2)
    of_both = of_a - b.residuals.mean(axis=-2)
    doubt, both = variance(of_a, a), variance(of_both, *_with_trainings(a, b, pair))
    low, high = score_interval(value, doubt.total, doubt.df, users)
    lower, upper = score_interval(value, *satterthwaite(doubt), users)
    true, other = (
        truth[:, system, 0] if seeds == 1 else cell.hit_ratio
        for system, seeds in enumerate(pair.seeds)
    )
    return (
        (low <= true) & (true <= high),
        rejected(
            difference - (true - other), standard_error(difference, both.total, users), both.df
        ),
        (lower <= true) & (true <= upper),
        rejected(difference, np.sqrt(both.users), both.users_df),
    )


def _with_trainings(a: Crossed, b: Crossed, pair: Pair) -> tuple[Crossed, ...]:
    """Return what adds the doubt of its trainings, as `differences.by_training` does."""
    if not pair.shared:
        return a, b
    return (Crossed(a.by_seed - b.by_seed, a.residuals - b.residuals, a.shares),)


def coverage(cell: Cell, pairs: Sequence[Pair], replications: int) -> list[dict[str, object]]:
    """Simulate one cell, for pairs that share as much."""
    random = generator(0, "coverage", *map(str, cell))
    found: dict[Pair, list[Array]] = {pair: [] for pair in pairs}
    for size in _batches(replications, BATCH):
        right, truth = simulate(cell, 2, max(SEEDS), size, random, pairs[0].shared)
        for pair in pairs:
            found[pair].append(np.stack(judge(cell, right, truth, pair)))
    rates = {pair: np.concatenate(found[pair], axis=1).mean(axis=1) for pair in pairs}
    return [
        {**cell._asdict(), "seeds": pair.words, **_rounded(RATES, rates[pair])} for pair in pairs
    ]


def equal_systems(cell: Cell, systems: int, seeds: int, replications: int) -> dict[str, object]:
    """Simulate tables of equal systems: who is called worse than the best."""
    random = generator(0, "equal systems", systems, seeds, *map(str, cell))
    found = []
    for size in _batches(replications, BATCH // systems):
        right, _ = simulate(cell, systems, seeds, size, random)
        found.append(left_out(first(right, seeds, cell.design)))
    names = ("users_only", "users_only_corrected", "a_row_left_out", "some_left_out", "with_ties")
    rates = np.concatenate(found, axis=1).mean(axis=1)
    return {**cell._asdict(), "seeds": seeds, "systems": systems, **_rounded(names, rates)}


def families(
    cell: Cell, comparisons: int, seeds: int, shared: float, replications: int
) -> dict[str, object]:
    """Simulate matched comparisons with a baseline, all equal, of seeds counted as a sample."""
    random, pair = generator(0, "families", seeds, *map(str, cell)), Pair((seeds, seeds), shared)
    found = []
    for size in _batches(replications, BATCH // comparisons):
        right, _ = simulate(cell, comparisons + 1, seeds, size, random, shared)
        systems = [first(right[:, one], seeds, cell.design) for one in range(comparisons + 1)]
        each = [_difference(one, systems[0], pair) for one in systems[1:]]
        alone, at_once = (
            np.stack([rejected(*one, alpha=alpha) for one in each])
            for alpha in (ALPHA, ALPHA / comparisons)
        )
        found.append(np.stack([alone.mean(axis=0), at_once.any(axis=0)]))
    rates = np.concatenate(found, axis=1).mean(axis=1)
    known = {**cell._asdict(), "seeds": seeds, "comparisons": comparisons}
    return {**known, **_rounded(("a_pair", "some_pair_corrected"), rates)}


def _difference(a: Crossed, b: Crossed, pair: Pair) -> tuple[Array, Array, Array]:
    """Return a difference, its standard error and degrees of freedom, [size] each."""
    doubt = variance((a.residuals - b.residuals).mean(axis=-2), *_with_trainings(a, b, pair))
    value = a.by_seed.mean(axis=-1) - b.by_seed.mean(axis=-1)
    return value, standard_error(value, doubt.total, effective_users(a.shares)), doubt.df


def left_out(each: Crossed) -> Array:
    """
    Return what tables of K systems [size, K, ...] say, float64 [5, size].

    The first row is better than some other by users alone, at .05 and at .05 / (K - 1); the share
    of the rows that leave the set of the best; whether some row does; whether it does with ties.
    """
    size, systems, _ = each.by_seed.shape
    shape = (size, systems, systems)
    value, se, df = np.zeros(shape), np.zeros(shape), np.ones(shape)
    alone = np.zeros(shape)
    for i, j in itertools.combinations(range(systems), 2):
        a, b = (Crossed(*(part[:, row] for part in each)) for row in (i, j))
        doubt = variance((a.residuals - b.residuals).mean(axis=-2), a, b)
        value[:, i, j] = (a.by_seed - b.by_seed).mean(axis=-1)
        value[:, j, i] = -value[:, i, j]
        se[:, i, j] = se[:, j, i] = np.sqrt(doubt.total)
        df[:, i, j] = df[:, j, i] = doubt.df
        alone[:, i, j] = alone[:, j, i] = np.sqrt(doubt.users)
    users_df = each.residuals.shape[-1] - 1
    table = Differences(value, se, df, np.zeros(shape, dtype=bool))
    out = [constrained(table, one_sided(systems, ties))[2] == 0 for ties in (False, True)]
    before = [
        (value > t.isf(alpha / 2, users_df) * alone).any(axis=(1, 2))
        for alpha in (ALPHA, ALPHA / (systems - 1))
    ]
    return np.stack([*before, out[0].mean(axis=1), *(one.any(axis=1) for one in out)])


def _batches(replications: int, size: int) -> list[int]:
    return [min(size, replications - start) for start in range(0, replications, size)]


def _rounded(names: Sequence[str], rates: Array) -> dict[str, str]:
    return {name: f"{rate:.3f}" for name, rate in zip(names, rates, strict=True)}


def write(path: Path, rows: Sequence[dict[str, object]]) -> None:
    """Write rows as CSV."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def read(path: Path) -> list[dict[str, str]]:
    """Read what `write` has written."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def page(text: str) -> str:
    """Return `docs/statistics.md` with its tables made anew from the files."""
    tables = {"coverage": coverage_table(), "pairs": pairs_table(), "equal": equal_table()}
    tables |= {"families": families_table()}
    for name, lines in tables.items():
        start, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        before, rest = text.split(start)
        text = before + start + "\n".join(lines) + "\n" + end + rest.split(end)[1]
    return text


def coverage_table() -> list[str]:
    """Return the worst of the spreads for each design, draws and hit ratio, as Markdown."""
    heads = [f"{what}, {n} seed{'s'[: n > 1]}" for n in SEEDS for what in ("covers", "rejects")]
    others = ["Satterthwaite covers, 3 seeds", "users only reject, 3 seeds"]
    lines = _head(["rows", "draws", "hit ratio", *heads, *others])
    rows = [row for row in read(COVERAGE) if row["design"] in ASKED]

    def place(row: dict[str, str]) -> tuple[str, str, str]:
        return row["design"], row["draws"], row["hit_ratio"]

    for key in dict.fromkeys(map(place, rows)):
        here = [row for row in rows if place(row) == key]
        cells = []
        for seeds in map(str, SEEDS):
            mine = [row for row in here if row["seeds"] == seeds]
            cells.append(min(row["coverage"] for row in mine))
            cells.append(max(row["rejection"] for row in mine))
        three = [row for row in here if row["seeds"] == "3"]
        cells.append(min(row["coverage_satterthwaite"] for row in three))
        cells.append(max(row["rejection_users_only"] for row in three))
        lines.append(_line([*key, *cells]))
    return lines


def pairs_table() -> list[str]:
    """Return the most rejections of the spreads for every other pair, as Markdown."""
    kinds = [pair.words for pair in (*ONE, *MATCHED, *EACH_USER_ONCE)]
    rows = read(PAIRS)
    lines = _head(["rows", "draws", "hit ratio", *kinds])
    for key in dict.fromkeys((row["design"], row["draws"], row["hit_ratio"]) for row in rows):
        here = [row for row in rows if (row["design"], row["draws"], row["hit_ratio"]) == key]
        worst = [
            max((row["rejection"] for row in here if row["seeds"] == kind), default="-")
            for kind in kinds
        ]
        lines.append(_line([*key, *worst]))
    return lines


def equal_table() -> list[str]:
    """Return who is called worse than the best among equals, as Markdown."""
    names = ["design", "draws", "spread", "seeds", "systems", "users_only", "users_only_corrected"]
    names += ["a_row_left_out", "some_left_out", "with_ties"]
    heads = ["rows", "draws", "spread", "seeds", "K", "p < .05", "p < .05 / (K - 1)"]
    heads += ["a row leaves", "some row leaves", "some row leaves, `ties`"]
    return [*_head(heads), *(_line([row[name] for name in names]) for row in read(EQUAL))]


def families_table() -> list[str]:
    """Return how often comparisons with a baseline find what is not there, as Markdown."""
    names = ["design", "draws", "spread", "seeds", "comparisons", "a_pair", "some_pair_corrected"]
    heads = ["rows", "draws", "spread", "seeds", "K", "a pair, p < .05", "some pair, p < .05 / K"]
    return [*_head(heads), *(_line([row[name] for name in names]) for row in read(FAMILIES))]


def _head(cells: Sequence[str]) -> list[str]:
    return [_line(cells), "|" + "---|" * len(cells)]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    """Simulate, or write the page."""
    options = argparse.ArgumentParser(description=(__doc__ or "").strip().splitlines()[0])
    options.add_argument("--replications", type=int, default=REPLICATIONS)
    options.add_argument("--docs", action="store_true", help="write the tables of the page")
    asked = options.parse_args()
    if asked.docs:
        PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
        return
    times = asked.replications
    write(PAIRS, [row for one in other_pairs() for row in coverage(*one, times)])
    write(FAMILIES, [families(*one, times // 2) for one in matched_families()])
    write(EQUAL, [equal_systems(*one, times) for one in tables()])
    write(COVERAGE, [row for cell in cells() for row in coverage(cell, ALIKE, times)])


def matched_families() -> Iterator[tuple[Cell, int, int, float]]:
    """Yield cell, comparisons, seeds and what trainings share: as studies with a baseline have."""
    for design, spread, seeds in itertools.product(
        ("95 users", "943 users"), (0.01, 0.038), (2, 3, 5)
    ):
        yield Cell(design, 5, 0.45, spread), 6, seeds, 0.5


def tables() -> Iterator[tuple[Cell, int, int]]:
    """Yield cell, systems and seeds of the tables of equal systems."""
    for design, draws, spread, seeds in [
        ("943 users", 1, 0.0, 1),
        ("943 users", 1, 0.01, 3),
        ("943 users", 1, 0.01, 5),
        ("95 users", 20, 0.038, 3),
        ("95 users", 20, 0.038, 5),
    ]:
        for systems in (3, 7, 15):
            yield Cell(design, draws, 0.45, spread), systems, seeds


if __name__ == "__main__":
    main()
