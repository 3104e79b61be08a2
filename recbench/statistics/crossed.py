"""
Variance of a mean of which users and trainings are both samples.

Every user meets every training, so the design is crossed. With f[s] the ratio of seed s and r[s, u]
the share of user u in its error (linearised: Cochran, Sampling Techniques, 1977, section 6.4),

    variance = users + max(seeds - rest, 0),

where `users` is the clustered variance of the users' means over seeds, `seeds` the variance of the
mean of f[s] as if nothing but seeds varied, and `rest`, users by seeds, is taken off since it is in
both. With equal users these are the mean squares of users, seeds and residual, each over users
times seeds.

Users count by their rows. Each squared residual is divided by what the estimated mean leaves of it,
and the degrees of freedom of `users` are those of Bell and McCaffrey (Survey Methodology 28, 2002;
Pustejovsky and Tipton, Journal of Business and Economic Statistics 36, 2018) where the mean of a
user is equally doubtful however many rows it has; with equal users both come to the usual U - 1. A
few users who have most of the rows leave few degrees of freedom, as they should (MacKinnon, Nielsen
and Webb, Journal of Econometrics 232, 2023).

Two choices were made by simulation (`tools/coverage.py`, `docs/statistics.md`): what seeds add is
cut at nought, and 1/df is the mean of the parts' 1/df by their shares of the variance.
Satterthwaite (Biometrics Bulletin 2, 1946) squares the shares, as if they were known; with three
seeds they are not, and his intervals cover too seldom.

All functions take leading axes [...], so that the simulation calls the functions that tables do.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Crossed(NamedTuple):
    """
    One figure, or one difference of a figure, by training seed and by user.

    Attributes
    ----------
    by_seed
        float64 [..., seeds], the figure of each training; their mean is the system's.
    residuals
        float64 [..., seeds, users], the users' shares in its error; they sum to 0 over users.
    shares
        float64 [..., users], of the rows, summing to 1.
    """

    by_seed: Array
    residuals: Array
    shares: Array


@dataclass(frozen=True)
class Variance:
    """
    The variance of a mean over users and seeds, by source.

    Attributes
    ----------
    users, users_df
        float64 [...], that of the users' means over seeds, with its degrees of freedom.
    seeds, seeds_df, rest
        float64 [...], see the module; 0 where a single training is all there is.
    """

    users: Array
    users_df: Array
    seeds: Array
    seeds_df: Array
    rest: Array

    @property
    def total(self) -> Array:
        """The variance of the mean, float64 [...]."""
        return self.users + np.maximum(self.seeds - self.rest, 0.0)

    @property
    def df(self) -> Array:
        """Its degrees of freedom, float64 [...], from the fewest of a part to the most."""
        total = self.total
        share = np.minimum(self.seeds / np.where(total > 0, total, 1.0), 1.0)
        return 1 / (share / self.seeds_df + (1 - share) / self.users_df)


def crossed(total: Array, weight: Array) -> Crossed:
    """
    Take ratios apart by seed and user.

    Parameters
    ----------
    total, weight
        float64 [..., seeds, users], numerators and denominators. Every seed has some weight, and
        every user has some in one of the seeds.
    """
    whole = weight.sum(axis=-1, keepdims=True)  # [..., S, 1]
    ratio = total.sum(axis=-1, keepdims=True) / whole
    rows = weight.mean(axis=-2)  # [..., U]
    shares = rows / rows.sum(axis=-1, keepdims=True)
    return Crossed(ratio[..., 0], (total - ratio * weight) / whole, shares)


def variance(mean_residuals: Array, *random: Crossed) -> Variance:
    """
    Add up the variance of a mean.

    Parameters
    ----------
    mean_residuals
        float64 [..., users], of what the mean is of, averaged over seeds; at least two users.
    *random
        What adds the doubt of its seeds: the system or the difference itself, or each of two
        systems of which no training has to do with any of the other's. Those with one seed add
        nothing. At least one; they have the same shares.
    """
    shares = random[0].shares
    users = (mean_residuals**2 / _left(shares)).sum(axis=-1)
    seeds = rest = squares = np.zeros_like(users)
    for one in random:
        trainings = one.by_seed.shape[-1]
        if trainings > 1:
            own = one.by_seed.var(axis=-1, ddof=1) / trainings
            seeds, squares = seeds + own, squares + own**2 / (trainings - 1)
            rest = rest + _rest(one)
    varied = squares > 0
    seeds_df = np.where(varied, seeds**2 / np.where(varied, squares, 1.0), 1.0)
    return Variance(users, users_df(shares), seeds, seeds_df, rest)


def _rest(one: Crossed) -> Array:
    """Return what users by seeds give to the variance of the mean, float64 [...]."""
    seeds = one.by_seed.shape[-1]
    apart = one.residuals - one.residuals.mean(axis=-2, keepdims=True)
    squares = (apart**2).sum(axis=-2) / (seeds * (seeds - 1))  # [..., U]
    return (squares / _left(one.shares)).sum(axis=-1)


def users_df(shares: Array) -> Array:
    """
    Return the degrees of freedom of a variance over users, float64 [...]; U - 1 if all are equal.

    The variance is a quadratic form in the users' means, the sum of A[u] m[u]**2 with m taken from
    their mean; where B is the covariance of m, it has tr(AB)**2 / tr(ABAB) degrees of freedom.
    """
    square = (shares**2).sum(axis=-1)  # tr(AB)
    scale = shares**2 / _left(shares)  # A [..., U]
    s0, s1, s2 = ((scale * shares**power).sum(axis=-1) for power in range(3))
    pairs = square**2 * s0**2 + 2 * s0 * s2 - 4 * square * s0 * s1 + 2 * s1**2
    same = (scale**2 * (square[..., None] - 2 * shares) ** 2).sum(axis=-1)
    return square**2 / ((shares**4).sum(axis=-1) + pairs - same)


def effective_users(shares: Array) -> Array:
    """Return how many equal users these are worth, float64 [...] (Kish, Survey Sampling, 1965)."""
    return 1 / (shares**2).sum(axis=-1)


def _left(shares: Array) -> Array:
    """Return what the estimated mean leaves of each user's variance, float64 [..., users]."""
    return 1 - 2 * shares + (shares**2).sum(axis=-1, keepdims=True)
