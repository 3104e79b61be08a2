"""The values of one figure of one system, for every row and every training."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from recbench.errors import UserError
from recbench.statistics.crossed import Crossed, crossed


@dataclass(frozen=True, eq=False)
class System:
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
        """Whether a single training of a random kind is judged, and not its kind."""
        return self.random_training and len(self.seeds) == 1

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
    def crossed(self) -> Crossed:
        """By seed and user, users in the order of their numbers; of at least one defined value."""
        defined = ~np.isnan(self.grid)
        whose = self.users[~self._undefined]
        total = _by_user(np.where(defined, self.grid, 0.0).mean(axis=2), whose)
        return crossed(total, _by_user(defined.mean(axis=2), whose))

    @property
    def _undefined(self) -> NDArray[np.bool_]:
        """[examples], without a value in any draw of any seed."""
        grid = self.values.reshape(len(self.seeds), len(self.users), self.draws)
        return np.asarray(np.isnan(grid).all(axis=(0, 2)))


def _by_user(values: NDArray[np.float64], users: NDArray[np.integer]) -> NDArray[np.float64]:
    """Sum float64 [seeds, examples] into float64 [seeds, users]."""
    found, numbers = np.unique(users, return_inverse=True)
    return np.stack([np.bincount(numbers, row, minlength=len(found)) for row in values])


def per_user(system: System) -> System:
    """
    Let every user count once, however many rows it has.

    Returns
    -------
    System
        One example a user: in each draw the mean over the user's examples, those defined; users by
        ascending number.
    """
    users, numbers = np.unique(system.users, return_inverse=True)
    grid = system.values.reshape(len(system.seeds), len(system.users), system.draws)
    defined = ~np.isnan(grid)
    sums, counts = np.zeros((2, len(users), len(system.seeds), system.draws))
    np.add.at(sums, numbers, np.where(defined, grid, 0.0).swapaxes(0, 1))
    np.add.at(counts, numbers, defined.swapaxes(0, 1))
    means = np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)
    values = means.swapaxes(0, 1).reshape(len(system.seeds), -1)
    return replace(system, values=values, users=users)


def part(system: System, inside: NDArray[np.bool_]) -> System:
    """Keep some examples, bool [examples]."""
    grid = system.values.reshape(len(system.seeds), len(system.users), system.draws)
    kept = grid[:, inside].reshape(len(system.seeds), -1)
    return replace(system, values=kept, users=system.users[inside])
