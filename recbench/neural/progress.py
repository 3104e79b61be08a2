"""Where a training stands, and its bar on standard error."""

from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from recbench.progress import progress_bar


@dataclass
class Position:
    """
    Where a training stands: all that a checkpoint needs besides tensors.

    Attributes
    ----------
    micro_batch_size
        Rows computed at once, at most: dropout depends on it.
    halved
        How often memory did not suffice, and half as many rows were computed at once from then on.
    step
        Optimizer steps done.
    loss_sum
        Sum over the rows of the running epoch.
    losses, watched
        One value an epoch done.
    best_epoch
        From 1; 0 before the first evaluation.
    curve
        What was seen at each look (`recbench.neural.curve`).
    seconds
        Spent so far.
    finished
        Whether nothing is left to do.
    total
        Steps if it is not stopped early; 0 where an older recbench has not written it down.
    """

    micro_batch_size: int
    halved: int = 0
    step: int = 0
    loss_sum: float = 0.0
    losses: list[float] = field(default_factory=list)
    watched: list[float] = field(default_factory=list)
    best_epoch: int = 0
    curve: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0
    finished: bool = False
    total: int = 0


class TrainingBar:
    """A progress bar over the steps of a training; draws nothing unless `shown`."""

    def __init__(self, name: str, total: int, shown: bool) -> None:
        self._bar = progress_bar(shown)
        self._name = name
        self._task = self._bar.add_task(f"training {name}", total=total)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def show(self, position: Position) -> None:
        """Move the bar to where training stands."""
        text = f"training {self._name}"
        if position.losses:
            text += f" · epoch {len(position.losses)} · loss {position.losses[-1]:.4f}"
        if position.watched:
            text += f" · validation {position.watched[-1]:.4f} (best {max(position.watched):.4f})"
        self._bar.update(self._task, completed=position.step, description=text)
