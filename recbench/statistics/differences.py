"""
What a difference between two systems is worth.

Both were asked the same, so users are always paired. Trainings are paired where equal seeds share
something that was fitted (an encoder) and both have the same seeds: then these are one crossed
design of differences. Else each system adds the doubt of its own seeds, which is careful where they
share some: what is alike in both would cancel. The test is Student's t with the
degrees of freedom of `crossed`, of the hypothesis that the systems are equal in expectation over
users and trainings. A system with one or two trainings of a random kind adds nothing for them; the
difference is then one given these.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from recbench.errors import UserError
from recbench.statistics.crossed import Array, effective_users, variance
from recbench.statistics.intervals import CONFIDENCE
from recbench.statistics.values import SystemValues


@dataclass(frozen=True)
class Difference:
    """
    The mean difference a - b of two systems.

    Attributes
    ----------
    value
        Over examples, in [-1, 1] for values in [0, 1].
    se, df
        Standard error and degrees of freedom. Infinite and 1 for a single user, who shows nothing.
    given_training
        True where a system of one or two trainings of a random kind took part.
    """

    value: float
    se: float
    df: float
    given_training: bool = False

    @property
    def low(self) -> float:
        """Lower end of the 95% interval, at least -1."""
        return max(-1.0, self.value - self.half_width())

    @property
    def high(self) -> float:
        """Upper end of the 95% interval, at most 1."""
        return min(1.0, self.value + self.half_width())

    @property
    def p(self) -> float:
        """Two-sided p-value of no difference."""
        from scipy.stats import t

        return float(2 * t.sf(abs(self.value) / self.se, self.df)) if self.se else 1.0

    def half_width(self, alpha: float = 1 - CONFIDENCE) -> float:
        """Return half the width of the interval with confidence 1 - alpha."""
        from scipy.stats import t

        return float(t.isf(alpha / 2, self.df) * self.se)


def difference(a: SystemValues, b: SystemValues, matched: bool = False) -> Difference:
    """
    Compare two systems that were asked the same.

    Parameters
    ----------
    a, b
        The same examples and draws in the same order, every value defined.
    matched
        Whether equal seeds share something that was fitted; of systems with other seeds, or a
        single one, it changes nothing.

    Returns
    -------
    Difference
        See `standard_error` for systems that differ nowhere, or everywhere alike. Between figures
        that are constant by construction there is no doubt.

    Raises
    ------
    UserError
        If the rows differ, there are none, or a value is not defined.
    """
    check_pair(a, b)
    parts = by_training(a, b, matched)
    value = float(net([part.crossed.by_seed.mean() for part in parts]))
    residuals = net([part.crossed.residuals.mean(axis=0) for part in parts])
    given = a.given_training or b.given_training
    if a.constant and b.constant:
        return Difference(value, 0.0, 1.0, given)
    if residuals.size < 2:
        return Difference(value, np.inf, 1.0, given)
    doubt = variance(residuals, *(part.crossed for part in parts))
    users = effective_users(parts[0].crossed.shares)
    se = float(standard_error(np.asarray(value), doubt.total, users))
    return Difference(value, se, float(doubt.df), given)


def standard_error(value: Array, total: Array, users: Array) -> Array:
    """
    Return the standard error of differences, float64 [...], above 0.

    Parameters
    ----------
    value, total
        float64 [...], the differences and their variances.
    users
        Effective, [...]. They stand in where there is no spread to go by: systems that differ by
        one amount for everyone have that under no difference, its size over sqrt(users), and those
        that never differ that of one user for whom they do, 1 / users.
    """
    unvaried = np.where(np.abs(value) > 1e-9, np.abs(value) / np.sqrt(users), 1 / users)
    return np.where(total > 1e-18, np.sqrt(total), unvaried)  # rounding leaves a trace


def by_training(a: SystemValues, b: SystemValues, matched: bool) -> tuple[SystemValues, ...]:
    """Return what has trainings of its own: the differences of matched seeds, or each system."""
    same = {*a.seeds} == {*b.seeds} and len(a.seeds) > 1
    if not (matched and same and a.random_training and b.random_training):
        return a, b
    order = [b.seeds.index(seed) for seed in a.seeds]
    return (replace(a, values=a.values - b.values[order]),)


def net(parts: Sequence[Array]) -> Array:
    """Return the first less the second, or the only one."""
    return parts[0] - parts[1] if len(parts) == 2 else parts[0]


def check_pair(a: SystemValues, b: SystemValues) -> None:
    """Refuse what cannot be paired, with a `UserError`."""
    same = a.draws == b.draws and a.each_user_once == b.each_user_once
    same = same and np.array_equal(a.users, b.users)
    if not same or a.values.size == 0:
        raise UserError(
            f"a paired test needs the same rows of both: "
            f"{a.values.shape[1]} and {b.values.shape[1]} values"
        )
    if np.isnan(a.values).any() or np.isnan(b.values).any():
        raise UserError("a paired test needs a value on every row; compare HitRatio@1 instead")
