"""The learning curve of a training: how good what is learnt is, by rows seen."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from recbench.neural.plan import Plan

Point = dict[str, float]
"""Name of a figure to its value; `ROWS` is how many rows had been learnt from."""

ROWS = "rows"

FIRST = 512
"""Rows before the first look; every further look comes after twice as many."""


@dataclass(frozen=True)
class Curve:
    """
    When a training is looked at, and whether it ends by what is seen.

    Attributes
    ----------
    look
        Returns the figures of what is learnt so far; called in evaluation mode, without gradients.
    by
        The figure that decides: the higher, the better.
    patience
        Looks without a new best after which training ends, with the weights of the best; None to
        look only.
    """

    look: Callable[[], Point]
    by: str
    patience: int | None = None

    def ends(self, points: Sequence[Point]) -> bool:
        """Whether training ends after these looks."""
        return self.patience is not None and len(points) - 1 - self.best(points) >= self.patience

    def best(self, points: Sequence[Point]) -> int:
        """Return which look was the best, the first of equals."""
        values = [point[self.by] for point in points]
        return values.index(max(values))


def looks(plan: Plan, rows: int) -> dict[int, int]:
    """
    Return the optimizer steps after which a training of `rows` rows an epoch is looked at.

    Returns
    -------
    dict of int to int
        Steps done to rows seen: the first that reach 512, 1,024, 2,048, ..., and the last.
    """
    an_epoch, wanted = -(-rows // plan.batch_size), FIRST
    found = {}
    while wanted < plan.epochs * rows:
        whole, rest = divmod(wanted, rows)
        batches = -(-rest // plan.batch_size)
        # The last batch of an epoch may be smaller than the others.
        seen = whole * rows + min(batches * plan.batch_size, rows)
        found[whole * an_epoch + batches] = seen
        wanted *= 2
    return found | {plan.epochs * an_epoch: plan.epochs * rows}
