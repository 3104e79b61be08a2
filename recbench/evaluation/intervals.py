"""
95% intervals and paired tests: means over examples, their doubt over users.

Draws of one example share its history and target, so they are not independent: an example counts
once, with the mean over its draws, and ``n`` counts examples. Nor are the examples of one user: a
user is one observation, the sum over the user's examples. Where every user has one example, as
under ``paper`` and ``next-item``, users and examples are the same. The mean stays that over
examples, a ratio of two sums over users (values, examples), so its variance is the linearised one
of a ratio (Cochran, Sampling Techniques, 1977, section 6.4), which is the cluster-robust variance
of a mean (Cameron and Miller, Journal of Human Resources 50(2), 2015; for evaluations of language
models Miller, arXiv:2411.00640, 2024). Ratios (correct over valid) are pooled in the same way.

The interval is Wilson's score interval with the number of observations replaced by the effective
one, n_eff = p (1 - p) / var(p). Franco, Little, Louis and Slud (Journal of Survey Statistics and
Methodology 7(3), 2019) recommend it for clustered proportions; against the undercoverage that they
find with few clusters, Student's t with one degree of freedom less than there are users takes the
place of the normal quantile (Korn and Graubard, Survey Methodology 24(2), 1998). It stays within
[0, 1] and has a width at 0 and at 1, where the plain t interval has none.

Simulated coverage: .93 to .96 with 95 examples and 1 to 20 draws; with 10 examples, 20 draws and a
mean of .05 it falls to .86, so the intervals of a handful of users are too narrow near 0 and 1.
With as many rows a user as MovieLens-100K has under ``temporal`` (166 users, 1 to 428 rows) and
chances that differ from user to user it is .91 to .94, where intervals over rows cover .25 to .50;
with 20 such users it is .87 to .88, so few users with unequal numbers of rows give intervals that
are too narrow. The sign flips reject a true hypothesis .05 of the time with both.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from recbench.errors import UserError
from recbench.seeding import generator

CONFIDENCE = 0.95
PERMUTATIONS = 10_000
_BATCH = 1_000


class Figure(BaseModel):
    """A mean with its 95% interval."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    value: float = Field(description="Mean over examples of the mean over draws, in [0, 1].")
    low: float = Field(description="Lower end of the 95% interval, clustered by user.")
    high: float = Field(description="Upper end of the 95% interval, clustered by user.")
    n: int = Field(description="Examples on which the figure is defined in at least one draw.")


class Difference(NamedTuple):
    """
    A mean difference over the same examples.

    Attributes
    ----------
    value, low, high
        Mean of a - b over examples, in [-1, 1], with its 95% interval, clustered by user.
    p
        Two-sided, of the hypothesis that swapping a and b for any user changes nothing.
    """

    value: float
    low: float
    high: float
    p: float


def figure(
    values: NDArray[np.float64], draws: int, users: NDArray[np.integer] | None = None
) -> Figure | None:
    """
    Average per-row values and say how sure the average is.

    Parameters
    ----------
    values
        float64 [examples * draws] in [0, 1], by example and then by draw; NaN where not defined.
    draws
        Draws of each example, at least 1.
    users
        [examples], whose each is, by any numbers; None where each is of a user of its own.

    Returns
    -------
    Figure or None
        None where no row is defined. Rows that are not defined count neither in the numerator nor
        in the denominator (a ratio of sums). One user alone is given the interval of one yes-no
        trial.
    """
    grid = values.reshape(-1, draws)  # [examples, draws]
    defined = ~np.isnan(grid)
    kept = defined.any(axis=1)
    if not kept.any():
        return None
    whose = _whose(users, len(grid))[kept]
    total = _by_user(np.where(defined, grid, 0.0)[kept].mean(axis=1), whose)  # numerators
    weight = _by_user(defined[kept].mean(axis=1), whose)  # denominators, of a plain mean examples
    value = float(np.clip(total.sum() / weight.sum(), 0.0, 1.0))
    low, high = _score_interval(value, len(total), _effective(total, weight, value))
    return Figure(value=value, low=min(low, value), high=max(high, value), n=int(kept.sum()))


def _whose(users: NDArray[np.integer] | None, examples: int) -> NDArray[np.integer]:
    return np.arange(examples) if users is None else users


def _by_user(values: NDArray[np.float64], users: NDArray[np.integer]) -> NDArray[np.float64]:
    """Sum float64 [examples] into float64 [users], in the order in which the users first occur."""
    _, first, numbers = np.unique(users, return_index=True, return_inverse=True)
    sums = np.zeros(len(first))
    np.add.at(sums, numbers, values)
    return sums[np.argsort(first)]


def _residuals(
    total: NDArray[np.float64], weight: NDArray[np.float64], value: float
) -> NDArray[np.float64]:
    """Return float64 [users] whose mean has the variance of the ratio `value`, to first order."""
    return (total - value * weight) / weight.mean()


def _effective(total: NDArray[np.float64], weight: NDArray[np.float64], value: float) -> float:
    """Return how many independent yes-no trials would be as sure as these users."""
    n = len(total)
    spread = value * (1.0 - value)
    if n < 2 or spread <= 0.0:
        return float(n)
    variance = float((_residuals(total, weight, value) ** 2).sum()) / (n * (n - 1))
    # Equal values everywhere (every reciprocal rank 1/2) say nothing about their spread: then a
    # user counts as one trial, which can only widen the interval.
    return spread / variance if variance > 1e-12 else float(n)


def _score_interval(value: float, n: int, effective: float) -> tuple[float, float]:
    from scipy.stats import t

    quantile = float(t.ppf(0.5 + CONFIDENCE / 2, max(n - 1, 1)))
    square = quantile**2
    middle = (value + square / (2 * effective)) / (1 + square / effective)
    half = (
        quantile
        / (1 + square / effective)
        * np.sqrt(value * (1 - value) / effective + square / (4 * effective**2))
    )
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))


def paired_difference(
    a: NDArray[np.float64],
    b: NDArray[np.float64],
    draws: int = 1,
    users: NDArray[np.integer] | None = None,
    seed: int = 0,
) -> Difference:
    """
    Compare two systems on the same examples.

    The interval is Student's t over the users' summed differences, as a ratio to their examples.
    The p-value is a sign-flip permutation test (Fisher, 1935) with 10,000 random flips of whole
    users and one added to both counts, so that it is never zero (Phipson and Smyth, 2010).

    Parameters
    ----------
    a, b
        float64 [examples * draws], the same rows in the same order, every one defined.
    draws
        Draws of each example, at least 1.
    users
        [examples], whose each is, by any numbers; None where each is of a user of its own.
    seed
        Of the flips; the same seed gives the same p-value.

    Returns
    -------
    Difference
        Systems that never differ get 0, an interval of no width and p = 1. One user has no
        interval: it spans [-1, 1], and its p is 1.

    Raises
    ------
    UserError
        If the rows differ in number, there are none, or a value is not defined.
    """
    if a.shape != b.shape or a.size == 0:
        raise UserError(f"a paired test needs the same rows of both: {a.size} and {b.size}")
    if np.isnan(a).any() or np.isnan(b).any():
        raise UserError("a paired test needs a value on every row; compare HitRatio@1 instead")
    differences = (a - b).reshape(-1, draws).mean(axis=1)  # [examples]
    whose = _whose(users, len(differences))
    total, weight = _by_user(differences, whose), _by_user(np.ones(len(differences)), whose)
    value = float(total.sum() / weight.sum())
    low, high = _t_interval(total, weight, value)
    return Difference(value, low, high, _sign_flip(total, seed))


def _t_interval(
    total: NDArray[np.float64], weight: NDArray[np.float64], value: float
) -> tuple[float, float]:
    from scipy.stats import t

    n = len(total)
    if n < 2:
        return -1.0, 1.0
    deviation = np.sqrt((_residuals(total, weight, value) ** 2).sum() / (n - 1))
    half = float(t.ppf(0.5 + CONFIDENCE / 2, n - 1) * deviation / np.sqrt(n))
    return max(-1.0, value - half), min(1.0, value + half)


def _sign_flip(differences: NDArray[np.float64], seed: int) -> float:
    random = generator(seed, "sign flips")
    unequal = differences[differences != 0.0]
    observed = abs(unequal.sum()) - 1e-9  # equal sums in another order of addition are equal
    extreme = 0
    for _ in range(PERMUTATIONS // _BATCH):
        signs = random.integers(0, 2, size=(_BATCH, len(unequal)), dtype=np.int8) * 2.0 - 1.0
        extreme += int((np.abs(signs @ unequal) >= observed).sum())
    return (1 + extreme) / (1 + PERMUTATIONS)
