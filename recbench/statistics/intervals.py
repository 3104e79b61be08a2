"""
Means with 95% intervals that hold the doubt of users and of training seeds.

Draws of one example share its history and target, so they are not independent: an example counts
once, with the mean over its draws, and ``n`` counts examples. Nor are the examples of one user: a
user is one observation, the sum over the user's examples (the cluster-robust variance of a mean:
Cameron and Miller, Journal of Human Resources 50, 2015; for evaluations of language models Miller,
arXiv:2411.00640, 2024). Nor is one training what another would be: `crossed` says how both count.
One training of a random kind, or two, are judged as these; nothing is claimed of the next.

The interval is Wilson's score interval with the number of observations replaced by the effective
one, n_eff = p (1 - p) / variance. Franco, Little, Louis and Slud (Journal of Survey Statistics and
Methodology 7, 2019) recommend it for clustered proportions; against the undercoverage that they
find with few clusters, Student's t takes the place of the normal quantile (Korn and Graubard,
Survey Methodology 24, 1998). It stays within [0, 1] and has a width at 0 and at 1, where the plain
t interval has none. How often it covers is measured, and `caution` says where that is too seldom:
`docs/statistics.md`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from recbench.statistics.crossed import Array, effective_users, variance
from recbench.statistics.values import SystemValues

CONFIDENCE = 0.95

ENOUGH = 5.0
"""Effective users on the rarer side (right or wrong) from which on intervals cover."""


class Figure(BaseModel):
    """A mean with its 95% interval; of no width where it is constant by construction."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    value: float = Field(
        description="Mean over examples of the mean over draws, in [0, 1]; of a figure that is not "
        "defined on all rows, the mean over those on which it is."
    )
    low: float = Field(description="Lower end of the 95% interval, clustered by user.")
    high: float = Field(description="Upper end of the 95% interval, clustered by user.")
    n: int = Field(description="Examples on which the figure is defined in at least one draw.")


@dataclass(frozen=True)
class Estimate:
    """
    What the values of a system say of it.

    Attributes
    ----------
    figure
        Mean over seeds of each seed's figure, with its interval.
    se, df
        Standard error, at least 0, and degrees of freedom, at least 1.
    seed_sd
        Standard deviation between trainings, at least 0; None where there is a single one.
    users
        How many equal users these are worth, from 1 to their number.
    given_training
        True where one or two trainings of a random kind are judged.
    """

    figure: Figure
    se: float
    df: float
    seed_sd: float | None
    users: float
    given_training: bool


def figure(
    values: NDArray[np.float64],
    draws: int,
    users: NDArray[np.integer] | None = None,
    constant: bool = False,
) -> Figure | None:
    """
    Average the values of one run; see `estimate`.

    Parameters
    ----------
    values
        float64 [examples * draws] in [0, 1], by example and then by draw; NaN where not defined.
    draws
        Draws of each example, at least 1.
    users
        [examples], whose each is, by any numbers; None where each is of a user of its own.
    constant
        Whether the figure is what it is by construction; see `SystemValues`.
    """
    whose = np.arange(len(values) // draws) if users is None else users
    found = estimate(SystemValues(values[None], draws, whose, constant=constant))
    return None if found is None else found.figure


def estimate(system: SystemValues) -> Estimate | None:
    """
    Average a system's values and say how sure the average is.

    Parameters
    ----------
    system
        Its values in [0, 1].

    Returns
    -------
    Estimate or None
        None where no row is defined. Rows that are not defined count neither in the numerator nor
        in the denominator (a ratio of sums). One user alone is given the interval of one yes-no
        trial.
    """
    _, n, _ = system.grid.shape
    if n == 0:
        return None
    one, figures = system.crossed, system.each_training.by_seed
    users = float(effective_users(one.shares))
    value = float(np.clip(one.by_seed.mean(), 0.0, 1.0))
    seed_sd = float(figures.std(ddof=1)) if len(figures) > 1 else None
    se, df = 0.0, 1.0
    if one.shares.size > 1:
        doubt = variance(one.residuals.mean(axis=0), one)
        se, df = float(np.sqrt(doubt.total)), float(doubt.df)
    if system.constant:
        low = high = value
    else:
        low, high = map(float, score_interval(np.asarray(value), np.asarray(se**2), df, users))
    ends = Figure(value=value, low=min(low, value), high=max(high, value), n=n)
    return Estimate(ends, se, df, seed_sd, users, system.given_training)


def score_interval(
    value: Array, variance: Array, df: Array | float, users: Array | float
) -> tuple[Array, Array]:
    """
    Return the ends of the score interval.

    Parameters
    ----------
    value
        float64 [...] in [0, 1].
    variance, df
        float64 [...], of the value, and its degrees of freedom.
    users
        [...], effective; so many yes-no trials stand for values that do not vary. Equal values
        everywhere (every reciprocal rank 1/2) say nothing about their spread.
    """
    from scipy.stats import t

    square = t.ppf(0.5 + CONFIDENCE / 2, df) ** 2
    spread = value * (1.0 - value)
    varies = (variance > 1e-12) & (spread > 0.0)
    effective = np.where(varies, spread / np.where(varies, variance, 1.0), users)
    middle = (value + square / (2 * effective)) / (1 + square / effective)
    root = np.sqrt(square * (spread / effective + square / (4 * effective**2)))
    half = root / (1 + square / effective)
    return np.maximum(middle - half, 0.0), np.minimum(middle + half, 1.0)


def caution(value: float, users: float) -> str:
    """
    Say why an interval may be too narrow; empty where it is not known to be.

    Parameters
    ----------
    value
        In [0, 1].
    users
        Effective, see `Estimate`. Where fewer than `ENOUGH` of them are on the rarer side, some
        simulated coverage is below .93, and nowhere else: `docs/statistics.md`.
    """
    rarer = users * min(value, 1.0 - value)
    return f"worth {rarer:.1f} users on the rarer side" if rarer < ENOUGH else ""
