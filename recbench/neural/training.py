"""
The one training loop, for ID models and language models alike.

AdamW over mini-batches on `accelerate` (device, mixed precision, gradient accumulation), with early
stopping. Every random choice is a function of the run's seed and the step, so a run that was killed
goes on from its checkpoint and ends with the same numbers.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, GradientState
from numpy.typing import NDArray
from torch import Tensor, nn

from recbench.neural.checkpoint import Checkpoint, Progress
from recbench.neural.plan import Plan
from recbench.neural.progress import ProgressBar
from recbench.neural.randomness import seeded
from recbench.recommender import Runtime
from recbench.seeding import derived_seed, generator
from recbench.settings import digest


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
    """

    index: int
    total: int


Loss = Callable[[NDArray[np.int64], Step], Tensor]
Watch = Callable[[], float]


@dataclass(frozen=True)
class TrainingReport:
    """
    What happened, for the run record.

    Attributes
    ----------
    parameters_trained
        Numbers in the trained tensors.
    steps, epochs
        Optimizer steps and passes done.
    seconds
        Time spent, interrupted runs included.
    losses
        Mean loss of each epoch.
    watched
        Value of `watch` after each epoch; empty without one.
    best_epoch
        Whose weights were kept, from 1; the last one without `watch`.
    """

    parameters_trained: int
    steps: int
    epochs: int
    seconds: float
    losses: list[float]
    watched: list[float]
    best_epoch: int

    def record(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return asdict(self)


def train(
    module: nn.Module,
    loss: Loss,
    rows: int,
    plan: Plan,
    runtime: Runtime,
    *,
    name: str,
    identity: Any,
    watch: Watch | None = None,
    checkpoint_seconds: float = 30.0,
) -> TrainingReport:
    """
    Train the parameters of `module` that require gradients, in place.

    The module is moved to ``runtime.device`` and is left there, in evaluation mode, with the best
    weights (by `watch`) or the last ones. Global random state is left untouched: inside `loss`, torch
    draws from a stream seeded by (seed, step, micro-batch); anything else that `loss` draws should come
    from ``recbench.seeding.generator(runtime.seed, use, step.index)``.

    Parameters
    ----------
    module
        Its trained parameters and its buffers are checkpointed; frozen weights are not.
    loss
        ``loss(rows, step)``: scalar tensor, the mean loss of those row numbers (int64 [B], 0..rows-1).
        Called in training mode and under autocast (bf16 on a GPU, none on a CPU). Micro-batches are
        weighted by their rows.
    rows
        Number of training rows, at least 1. Every epoch visits each once, in an order drawn from
        (seed, epoch); the last batch may be smaller.
    plan
        Sizes, rates and when to stop.
    runtime
        Seed, device, folder of checkpoints, progress.
    name
        What is trained, for progress bars and for the checkpoint's file name: ``"sasrec"``.
    identity
        JSON value of everything else that decides the numbers (settings, data digest). A checkpoint of
        another identity, plan or seed is not resumed.
    watch
        Called after each epoch in evaluation mode without gradients: the higher, the better. The first
        of equal values is kept. NaN is an error.
    checkpoint_seconds
        Least time between two checkpoints.

    Returns
    -------
    TrainingReport

    Raises
    ------
    FloatingPointError
        If the loss or the watched value is not finite.
    """
    accelerator = _accelerator(runtime.device)
    module.to(accelerator.device)
    key = digest([name, identity, asdict(plan), rows, runtime.seed])
    checkpoint = Checkpoint(runtime.checkpoints, name, key, checkpoint_seconds)
    run = _Run(module, loss, rows, plan, runtime, accelerator, checkpoint)
    run.resume()
    with ProgressBar(name, run.total, runtime.show_progress) as bar:
        while not run.progress.finished:
            run.epoch(bar)
            run.evaluate(watch)
            bar.describe(run.progress)
    run.keep_best()
    return run.report()


class _Run:
    """One training under way."""

    def __init__(
        self,
        module: nn.Module,
        loss: Loss,
        rows: int,
        plan: Plan,
        runtime: Runtime,
        accelerator: Accelerator,
        checkpoint: Checkpoint,
    ) -> None:
        self.module, self.loss, self.rows, self.plan = module, loss, rows, plan
        self.seed, self.accelerator, self.checkpoint = runtime.seed, accelerator, checkpoint
        self.steps_per_epoch = -(-rows // plan.batch_size)
        self.total = plan.epochs * self.steps_per_epoch
        self.parameters = {n: p for n, p in module.named_parameters() if p.requires_grad}
        self.optimizer = accelerator.prepare_optimizer(self._optimizer())
        self.progress = Progress()
        self.best: dict[str, Tensor] = {}
        self.clock = time.monotonic()

    def _optimizer(self) -> torch.optim.Optimizer:
        groups = []
        for name, parameter in self.parameters.items():
            group = self.plan.group(name)
            groups.append(
                {
                    "params": [parameter],
                    "weight_decay": group.weight_decay,
                    "factor": group.learning_rate_factor,
                }
            )
        return torch.optim.AdamW(groups, lr=self.plan.learning_rate)
