"""What a training does, as values: sizes, learning rates, schedule, when to stop."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ParameterGroup:
    """
    Other rates for the parameters of one submodule.

    Attributes
    ----------
    module
        Dotted name of the submodule, for example ``"gate"``; ``""`` is the whole module.
    learning_rate_factor
        Multiplies the plan's learning rate.
    weight_decay
        Replaces the plan's weight decay.
    """

    module: str
    learning_rate_factor: float = 1.0
    weight_decay: float = 0.0

    def owns(self, parameter: str) -> bool:
        """Whether the parameter of that dotted name is inside the submodule."""
        return not self.module or f"{parameter}.".startswith(f"{self.module}.")


@dataclass(frozen=True)
class Plan:
    """
    How to train.

    Attributes
    ----------
    batch_size
        Rows an optimizer step.
    epochs
        Passes over the rows, at most.
    learning_rate
        Of Adam, at its peak.
    weight_decay
        Of AdamW (Loshchilov and Hutter, ICLR 2019): decoupled, times the learning rate.
    micro_batch_size
        Rows that are computed at once, gradients being added up over a batch; None for all of them.
        Where memory does not suffice it is halved. A training that is gone on with keeps the number
        that it had.
    groups
        Exceptions; the first that owns a parameter decides.
    schedule
        Key of `SCHEDULES`.
    max_gradient_norm
        Clips the norm over all trained parameters; None for no clipping.
    patience
        Evaluations of `watch` without a new best after which training ends; None to run all epochs.
    averaged_epochs
        What is evaluated and kept is the moving average of the trained weights over about so many
        epochs (`TrainingRun.average`), not the weights of a single step; None for the weights
        themselves.
    """

    batch_size: int
    epochs: int
    learning_rate: float
    weight_decay: float = 0.0
    micro_batch_size: int | None = None
    groups: tuple[ParameterGroup, ...] = ()
    schedule: Literal["constant", "cosine"] = "constant"
    max_gradient_norm: float | None = None
    patience: int | None = None
    averaged_epochs: float | None = None

    def group(self, parameter: str) -> ParameterGroup:
        """Return the first group that owns the parameter of that dotted name, or the plan's own."""
        own = ParameterGroup("", weight_decay=self.weight_decay)
        return next((group for group in self.groups if group.owns(parameter)), own)

    def rate(self, step: int, total: int) -> float:
        """Return the learning rate of step 0..total-1, before the groups' factors."""
        return self.learning_rate * SCHEDULES[self.schedule](step, total)


@dataclass(frozen=True)
class Step:
    """
    Where training stands.

    Attributes
    ----------
    index
        Optimizer steps done so far, 0..total-1.
    total
        Steps of the whole training if it is not stopped early.
    batch
        int64 [rows], all rows of the step, each once; a loss may be asked for some of them at a
        time, in their order, and draws what it draws for all of them. None outside a training.
    """

    index: int
    total: int
    batch: NDArray[np.int64] | None = field(default=None, compare=False)

    def share(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """
        Return the rows of the step, int64 [all], and which of them are `rows`, bool [all].

        Outside a training these are all that there are.
        """
        batch = rows if self.batch is None else self.batch
        return batch, np.isin(batch, rows)


def constant(step: int, total: int) -> float:  # noqa: ARG001
    """Return 1."""
    return 1.0


def cosine(step: int, total: int) -> float:
    """
    Warm up linearly from 1/100 over total/20 steps, then fall as a cosine to 1/100.

    The schedule of LLaRA and iLoRA (Kong et al., NeurIPS 2024, released code).

    Parameters
    ----------
    step
        In 0..total-1.
    total
        At least 1; below 20 there is no warm-up.

    Returns
    -------
    float
        In [0.01, 1].
    """
    low, warm = 0.01, total // 20
    if step < warm:
        return low + (1 - low) * step / warm
    progress = (step - warm) / max(1, total - 1 - warm)
    return low + (1 - low) * (1 + math.cos(math.pi * progress)) / 2


SCHEDULES: dict[str, Callable[[int, int], float]] = {"constant": constant, "cosine": cosine}
