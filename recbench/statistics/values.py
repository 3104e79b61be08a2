"""The values of one figure of one system, for every row and every training."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from recbench.errors import UserError
from recbench.statistics.crossed import Crossed, crossed

ENOUGH_TRAININGS = 3
"""
From so many on they are a sample of all. Two leave one degree of freedom: at the levels of several
comparisons a test that goes by it rejects up to four times too often (`docs/statistics.md`).
"""


@dataclass(frozen=True, eq=False)
class SystemValues:
    """
    One figure of one system.

    Attributes
    ----------
    values
        float64 [seeds, examples * draws], by example and then by draw; NaN where not defined.
    draws
        Draws of each example, at least 1.
    users
        [examples], whose each is, by any numbers.
    seeds
        [seeds], the training seeds, each once.
    random_training
        False where a training does not depend on its seed (popularity): one is all there is.
    constant
        True where the figure is what it is by construction (the ValidRatio of an ID model), so that
        there is nothing to be unsure of.
    each_user_once
        Whether the mean is over users, each of them once, instead of over examples.

    Raises
    ------
    UserError
        If values, users and seeds do not fit one another.
    """

    values: NDArray[np.float64]
    draws: int
    users: NDArray[np.integer]
    seeds: tuple[int, ...] = (0,)
    random_training: bool = True
    constant: bool = False
    each_user_once: bool = False

    def __post_init__(self) -> None:
        if self.values.shape != (len(self.seeds), len(self.users) * self.draws):
            raise UserError(
                f"values {self.values.shape} do not fit {len(self.seeds)} seeds, "
                f"{len(self.users)} examples and {self.draws} draws"
            )
        if len(set(self.seeds)) < len(self.seeds):
            raise UserError(f"a seed of a system counts once: {self.seeds}")

    @property
    def given_training(self) -> bool:
        """Whether one or two trainings of a random kind are judged as they are, not their kind."""
        return self.random_training and len(self.grid) < ENOUGH_TRAININGS

    @cached_property
    def grid(self) -> NDArray[np.float64]:
        """
        The values, float64 [trainings, examples, draws].

        Trainings are the seeds, or the one training where the training is not random. Seeds and
        examples without any defined value are left out.
        """
        grid = self.values.reshape(len(self.seeds), len(self.users), self.draws)
        grid = grid[~np.isnan(grid).all(axis=(1, 2))]
        grid = grid[:, ~self._undefined]
        return grid if self.random_training else grid[:1]

    @cached_property
    def weights(self) -> NDArray[np.float64]:
        """Float64 [examples] of `grid`, what each counts, summing to 1."""
        _, numbers, rows = np.unique(
            self.users[~self._undefined], return_inverse=True, return_counts=True
        )
        weights = 1.0 / rows[numbers] if self.each_user_once else np.ones(len(numbers))
        return weights / weights.sum()

    @property
    def crossed(self) -> Crossed:
        """As `each_training`; too few to be a sample count as one, their mean."""
        if not self.given_training:
            return self.each_training
        by_seed, residuals, shares = self.each_training
        mean = by_seed.mean(axis=0, keepdims=True), residuals.mean(axis=0, keepdims=True)
        return Crossed(*mean, shares)

    @cached_property
    def each_training(self) -> Crossed:
        """By seed and user, users in the order of their numbers; of at least one defined value."""
        defined = ~np.isnan(self.grid)
        whose = self.users[~self._undefined]
        total = np.where(defined, self.grid, 0.0).mean(axis=2) * self.weights
        return crossed(_by_user(total, whose), _by_user(defined.mean(axis=2) * self.weights, whose))

    def only(self, examples: NDArray[np.bool_]) -> "SystemValues":
        """Return the system on some of the examples, bool [examples]."""
        grid = self.values.reshape(len(self.seeds), len(self.users), self.draws)[:, examples]
        users = self.users[examples]
        return replace(self, values=grid.reshape(len(self.seeds), -1), users=users)

    @property
    def _undefined(self) -> NDArray[np.bool_]:
        """[examples], without a value in any draw of any seed."""
        grid = self.values.reshape(len(self.seeds), len(self.users), self.draws)
        return np.asarray(np.isnan(grid).all(axis=(0, 2)))


def _by_user(values: NDArray[np.float64], users: NDArray[np.integer]) -> NDArray[np.float64]:
    """Sum float64 [seeds, examples] into float64 [seeds, users]."""
    found, numbers = np.unique(users, return_inverse=True)
    return np.stack([np.bincount(numbers, row, minlength=len(found)) for row in values])
