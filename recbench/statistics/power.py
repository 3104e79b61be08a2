"""
How small a difference can be told apart, and what it would take to tell a smaller one.

Two systems are "told apart" at a difference that the paired test of `differences` finds with 80%
power: there is no other definition in this project. The power is that of the noncentral t (Cohen,
Statistical Power Analysis, 1988; for evaluations of language models Miller, arXiv:2411.00640,
2024), counting only findings in the right direction.

The variance of a difference is split by what would make it smaller: more users, more draws of an
example's candidates, more training seeds. Each part shrinks with the number of what it is named
after (Brennan, Generalizability Theory, 2001), so what is stored says what another design has.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recbench.statistics.crossed import Array, Variance, effective_users, users_df, variance
from recbench.statistics.differences import by_training, check_pair, net, standard_error
from recbench.statistics.intervals import CONFIDENCE
from recbench.statistics.values import ENOUGH_TRAININGS, SystemValues

POWER = 0.8


@dataclass(frozen=True)
class Design:
    """
    How much is asked.

    Attributes
    ----------
    users, users_df
        Effective users, and the degrees of freedom that they leave.
    draws
        Of each example, at least 1.
    seeds
        Trainings of each system, at least 1; one or two are judged as these.
    """

    users: float
    users_df: float
    draws: int
    seeds: int

    @classmethod
    def of(cls, users: NDArray[np.integer], draws: int, seeds: int) -> "Design":
        """Return the design that asks examples [examples] of these users."""
        rows = np.unique(users, return_counts=True)[1]
        shares = rows / rows.sum()
        df = float(users_df(shares)) if len(rows) > 1 else 1.0
        return cls(float(effective_users(shares)), df, draws, seeds)

    @classmethod
    def equal(cls, users: int, draws: int, seeds: int) -> "Design":
        """Return the design of users, at least 2, with equally many examples."""
        return cls(users, users - 1, draws, seeds)


@dataclass(frozen=True)
class VarianceParts:
    """
    Variance of a difference, by what makes it smaller; all at least 0, and their sum is the whole.

    Attributes
    ----------
    users
        Between users (and between the examples of one), with all draws and trainings averaged.
    draws
        Between draws of an example.
    seeds
        Between trainings, alike for all users.
    users_by_seeds, draws_by_seeds
        The rest: between users, and draws, in what a training does to them.
    systems
        How many trainings a difference takes for each of its seeds: 2, or 1 where seeds are matched
        or one training is not random.
    """

    users: float
    draws: float
    seeds: float
    users_by_seeds: float
    draws_by_seeds: float
    systems: int = 2

    @property
    def rest(self) -> float:
        """Users by seeds and draws by seeds."""
        return self.users_by_seeds + self.draws_by_seeds

    def of(self, design: Design) -> "VarianceParts":
        """Return the parts of the variance of a difference in `design`, of parts of single ones."""
        users, draws, seeds = design.users, design.users * design.draws, design.seeds
        return VarianceParts(
            self.users / users,
            self.draws / draws,
            self.seeds / seeds,
            self.users_by_seeds / (users * seeds),
            self.draws_by_seeds / (draws * seeds),
            self.systems,
        )


def split(a: SystemValues, b: SystemValues, matched: bool = False) -> VarianceParts:
    """
    Split the variance of a difference into what one user, one draw and one seed have.

    Parameters
    ----------
    a, b, matched
        As for `difference`; at least two users.

    Returns
    -------
    VarianceParts
        Of a single effective user, draw and seed: ``split(...).of(design)`` is that of any design.
        Moments of the crossed and nested layout, cut at 0. With one draw, what draws do is in
        `users`; with one training, what trainings do to users is in `users` and draws, and `seeds`
        is 0, as nothing is known of it.
    """
    check_pair(a, b)
    parts = by_training(a, b, matched)
    shares = parts[0].crossed.shares
    residuals = net([part.crossed.residuals.mean(axis=0) for part in parts])
    users, draws = float(effective_users(shares)), a.draws
    between = float(variance(residuals, parts[0].crossed).users)
    within = _within(net([part.grid.mean(axis=0) for part in parts]), a.weights)
    of_seeds = of_users = of_draws = 0.0  # of one seed
    for part in parts:
        trainings = len(part.grid)
        if trainings > 1:
            one = variance(residuals, part.each_training)
            apart = part.grid - part.grid.mean(axis=0)
            inner = _within(apart, a.weights) / (trainings * (trainings - 1))
            between, within = between - float(one.rest), within - inner
            of_seeds += trainings * float(one.seeds - one.rest)
            of_users += trainings * (float(one.rest) - inner)
            of_draws += trainings * inner
    return VarianceParts(
        users=users * max(between - within, 0.0),
        draws=users * draws * max(within, 0.0),
        seeds=max(of_seeds, 0.0),
        users_by_seeds=users * max(of_users, 0.0),
        draws_by_seeds=users * draws * max(of_draws, 0.0),
        systems=sum(part.random_training for part in parts),
    )


def _within(grid: Array, weights: Array) -> float:
    """Return what draws give to the variance of the mean of float64 [..., examples, draws]."""
    draws = grid.shape[-1]
    return float((grid.var(axis=-1, ddof=1) @ weights**2).sum()) / draws if draws > 1 else 0.0


def assumed(
    discordance: float, seed_sd: float, draws_share: float = 0.0, systems: int = 2
) -> VarianceParts:
    """
    Return what one user, one draw and one seed have, where no runs are at hand.

    Parameters
    ----------
    discordance
        Share of the users for whom one system is right and the other wrong, in [0, 1].
    seed_sd
        Standard deviation of a system's figure between its trainings, at least 0.
    draws_share
        Of the discordance, what is by chance of the draw, in [0, 1]; 0 is the careful assumption,
        with which more draws help nothing.
    systems
        See `VarianceParts`.
    """
    of_draws = draws_share * discordance
    return VarianceParts(discordance - of_draws, of_draws, systems * seed_sd**2, 0.0, 0.0, systems)


def expected(single: VarianceParts, design: Design) -> Variance:
    """
    Return the variance that a difference has in a design.

    Parameters
    ----------
    single
        What one user, one draw and one seed have, see `split` and `assumed`.
    design
        With one seed or two the difference is that of the trainings at hand: seeds add nothing.
    """
    parts = single.of(design)
    users = parts.users + parts.draws + parts.rest
    random = design.seeds >= ENOUGH_TRAININGS and single.systems > 0
    of_seeds, rest = (parts.seeds + parts.rest, parts.rest) if random else (0.0, 0.0)
    df = single.systems * (design.seeds - 1) if random else 1
    amounts = (users, design.users_df, of_seeds, df, rest)
    return Variance(*(np.asarray(amount, dtype=np.float64) for amount in amounts))


def told_apart(
    single: VarianceParts, design: Design, alpha: float = 1 - CONFIDENCE, power: float = POWER
) -> float:
    """Return the `smallest_difference` of a design, above 0; see `standard_error`."""
    doubt = expected(single, design)
    se = standard_error(np.asarray(0.0), doubt.total, np.asarray(design.users))
    return smallest_difference(float(se), float(doubt.df), alpha, power)


def smallest_difference(
    se: float, df: float, alpha: float = 1 - CONFIDENCE, power: float = POWER
) -> float:
    """
    Return the true difference that the test finds with a given power.

    Parameters
    ----------
    se, df
        Of the difference.
    alpha
        Of the two-sided test; 2 a for a one-sided test at a.
    power
        In (alpha / 2, 1).

    Returns
    -------
    float
        In the units of `se`.
    """
    from scipy.special import nctdtrinc
    from scipy.stats import t

    return float(se * nctdtrinc(df, 1 - power, t.isf(alpha / 2, df)))
