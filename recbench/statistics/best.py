"""
Many systems at once: which may be the best, and what all pairs show together.

The best row of a table was chosen by winning, so a test of it against another is not at its level.
Multiple comparisons with the best (Hsu, Annals of Statistics 12, 1984; with unequal variances
Edwards and Hsu, Journal of the American Statistical Association 78, 1983) asks instead of every
row whether some other is better than it, at one-sided alpha / (K - 1) for K rows (Bonferroni, in
place of Dunnett's quantile, since every pair has a standard error and degrees of freedom of its
own). The rows of which nothing is shown to be better hold the best system with confidence
1 - alpha, whichever it is and however it was found.

That is a claim of one row, the best. Where several are equally good, each of them stays with that
confidence, not all of them at once: among K equal systems some row is left out more often than
alpha. `ties=True` keeps all of them with confidence 1 - alpha; it asks one-sided alpha / K (K - 1),
as the simultaneous intervals of all pairs do, and leaves fewer rows out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recbench.statistics.crossed import Array
from recbench.statistics.differences import Difference, difference
from recbench.statistics.intervals import CONFIDENCE
from recbench.statistics.values import SystemValues

ALPHA = 1 - CONFIDENCE


class ToBest(NamedTuple):
    """
    A row's difference to the best of the other rows.

    Attributes
    ----------
    value
        At most 0 but for the first row, whose lead it is.
    low, high
        Its simultaneous interval, which holds 0 or ends there: 0 as `high` says that another row
        is better, 0 as `low` that no other may be.
    may_be_best
        Whether no other row is shown to be better.
    """

    value: float
    low: float
    high: float
    may_be_best: bool


class Pair(NamedTuple):
    """
    A difference among several that are looked at together.

    Attributes
    ----------
    a, b
        Numbers of the systems; a comes first.
    difference
        a - b, by itself.
    low, high
        Of the interval that holds simultaneously with those of all other pairs (Bonferroni).
    p
        Adjusted for the number of pairs looked at (Bonferroni): below alpha where the interval
        leaves out 0.
    """

    a: int
    b: int
    difference: Difference
    low: float
    high: float
    p: float


@dataclass(frozen=True, eq=False)
class Differences:
    """
    The differences between every two of K systems.

    Attributes
    ----------
    value, se, df
        float64 [..., K, K], of row less column; value and se are 0 on the diagonal.
    given_training
        bool [..., K, K], True where a system of one or two trainings of a random kind took part.
    """

    value: Array
    se: Array
    df: Array
    given_training: NDArray[np.bool_]

    def __getitem__(self, pair: tuple[int, int]) -> Difference:
        """Return the difference between two systems."""
        value, se, df = (float(of[pair]) for of in (self.value, self.se, self.df))
        return Difference(value, se, df, bool(self.given_training[pair]))

    def among(self, systems: Sequence[int]) -> "Differences":
        """Return those between some systems alone, by their numbers, of arrays [K, K]."""
        part = np.ix_(systems, systems)
        given = self.given_training[part]
        return Differences(self.value[part], self.se[part], self.df[part], given)


def differences(
    systems: Sequence[SystemValues], matched: Callable[[int, int], bool] = lambda _a, _b: False
) -> Differences:
    """
    Compare every two systems.

    Parameters
    ----------
    systems
        At least one, all asked the same.
    matched
        Of the numbers of two systems: whether their seeds are matched, see `difference`.
    """
    size = len(systems)
    value, se, df = np.zeros((size, size)), np.zeros((size, size)), np.ones((size, size))
    given = np.zeros((size, size), dtype=bool)
    for a, b in combinations(range(size), 2):
        found = difference(systems[a], systems[b], matched(a, b))
        value[a, b], value[b, a] = found.value, -found.value
        for table, entry in ((se, found.se), (df, found.df), (given, found.given_training)):
            table[a, b] = table[b, a] = entry
    return Differences(value, se, df, given)


def one_sided(rows: int, ties: bool = False, alpha: float = ALPHA) -> float:
    """Return the level at which another must beat a row for that to leave the best of `rows`."""
    return alpha / max(rows - 1, 1) / (rows if ties else 1)


def to_best(found: Differences, ties: bool = False, alpha: float = ALPHA) -> list[ToBest]:
    """
    Compare every row with the best of the others.

    Parameters
    ----------
    found
        Of at least two systems; a table of one row has no other to compare with.
    ties
        Whether the best are kept with confidence 1 - alpha all at once, however many there are.
    alpha
        In (0, 1).

    Returns
    -------
    list of ToBest
        In the order of the systems.
    """
    *ends, best = constrained(found, one_sided(len(found.value), ties, alpha))
    rows = zip(*(end.clip(-1.0, 1.0).tolist() for end in ends), best.tolist(), strict=True)
    return [ToBest(*row) for row in rows]


def constrained(found: Differences, level: float) -> tuple[Array, Array, Array, NDArray[np.bool_]]:
    """
    Return difference to the best of the others, low, high, and what may be the best, [..., K] each.

    The interval of row i is [min(0, min (d[i, j] - w[i, j])), max(0, min (d[i, j] + w[i, j]))] with
    w the half width at the one-sided `level`, the first minimum over the other rows that may be
    the best and the second over all other rows. A row may be the best where the second is not
    below 0: rows that never differ stay together.
    """
    from scipy.stats import t

    half = found.se * t.isf(level, found.df)
    own = np.eye(found.value.shape[-1], dtype=bool)
    margin = np.where(own, np.inf, found.value + half).min(axis=-1)
    best = margin >= 0
    rivals = best[..., None, :] & ~own  # [..., K, K]
    low = np.where(rivals, found.value - half, np.inf).min(axis=-1)
    lead = np.where(own, np.inf, found.value).min(axis=-1)
    return lead, np.minimum(low, 0.0), np.maximum(margin, 0.0), best


def all_pairs(
    found: Differences, alpha: float = ALPHA, baseline: int | None = None, families: int = 1
) -> list[Pair]:
    """
    Return every difference with what all of them show together.

    Parameters
    ----------
    found
        Of the systems.
    alpha
        In (0, 1), shared by all pairs: the intervals hold all at once with confidence 1 - alpha.
    baseline
        Number of a system that was named beforehand: then only the pairs with it, as second.
    families
        How many such lists are looked at together, this one included: groups of users, language
        models. They share alpha, and p is adjusted for all.
    """
    systems = range(len(found.value))
    pairs = list(combinations(systems, 2))
    if baseline is not None:
        pairs = [(other, baseline) for other in systems if other != baseline]
    return [_pair(a, b, found[a, b], len(pairs) * families, alpha) for a, b in pairs]


def _pair(a: int, b: int, one: Difference, pairs: int, alpha: float) -> Pair:
    half = one.half_width(alpha / pairs)
    low, high = max(-1.0, one.value - half), min(1.0, one.value + half)
    return Pair(a, b, one, low, high, min(1.0, one.p * pairs))
