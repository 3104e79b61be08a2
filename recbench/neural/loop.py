"""The steps of a training: gradients, optimizer, early stopping, what a checkpoint holds."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recbench.errors import RecbenchError
from recbench.hardware.memory import give_back, if_it_fits
from recbench.neural.checkpoint import Tensors, copied, learnt, restore
from recbench.neural.curve import ROWS, Curve, looks
from recbench.neural.plan import Plan, Step
from recbench.neural.precision import Precision, computing
from recbench.neural.progress import Position
from recbench.neural.randomness import seeded
from recbench.recommender import Runtime
from recbench.seeding import derived_seed, generator

Loss = Callable[[NDArray[np.int64], Step], Tensor]
Watch = Callable[[], float]
Sizes = Callable[[NDArray[np.int64], Step], NDArray[np.integer[Any]]]
Weights = Callable[[NDArray[np.int64], Step], NDArray[np.integer[Any]]]


@dataclass(frozen=True)
class Task:
    """
    What is learnt.

    Attributes
    ----------
    loss
        ``loss(rows, step)``: scalar tensor, the mean loss of those row numbers (int64 [B],
        0..rows-1). Called in training mode and in the training's precision, for a part of
        ``step.batch`` at a time: in one of several processes, or where memory does not suffice for
        all of it.
    rows
        Number of training rows, at least 1. Every epoch visits each once, in an order drawn from
        (seed, epoch); the last batch may be smaller.
    sizes
        ``sizes(rows, step)``: how large each row is, [B]. Micro-batches are then cut from a batch
        in the order of size, so that little is padded. None: as they come.
    weights
        ``weights(rows, step)``: how much each row counts in the mean of all of ``step.batch``, [B],
        for example the targets in it; None: all the same.
    """

    loss: Loss
    rows: int
    sizes: Sizes | None = None
    weights: Weights | None = None


class TrainingRun:
    """
    One training under way: the module, its optimizer and the position.

    Where several processes share it, each computes the gradients of its part of every batch; their
    sum is what one process would have, and with it all make the same step.

    Attributes
    ----------
    position
        Where it stands.
    total
        Steps if it is not stopped early.
    parameters
        What is trained, by dotted name.
    buffers
        What a forward pass may change besides, such as running means.
    average
        Their exponential moving average (Polyak and Juditsky, SIAM J. Control Optim. 1992), by the
        same names: the plain mean until it spans ``plan.averaged_epochs``; empty where the plan has
        none.
    best
        What was `learnt` at the best epoch.
    """

    def __init__(
        self,
        module: nn.Module,
        task: Task,
        plan: Plan,
        runtime: Runtime,
        precision: Precision,
        watch: Watch | None = None,
        curve: Curve | None = None,
    ) -> None:
        self.module, self.task, self.plan = module, task, plan
        self.precision, self.report = precision, runtime.report
        self.watch, self.curve = watch, curve
        self.processes = runtime.processes
        self._looks = looks(plan, task.rows)
        self.seed, self.device = runtime.seed, torch.device(runtime.device)
        module.to(self.device)
        self.steps_per_epoch = -(-task.rows // plan.batch_size)
        self.total = plan.epochs * self.steps_per_epoch
        stored = module.state_dict()
        self.buffers = [buffer for name, buffer in module.named_buffers() if name in stored]
        self.parameters = {n: p for n, p in module.named_parameters() if p.requires_grad}
        self.optimizer = _optimizer(self.parameters, plan)
        at_once = self.processes.of_main(plan.micro_batch_size or plan.batch_size)
        self.position = Position(at_once, total=self.total)
        self.average: Tensors = {}
        self.best: Tensors = {}
        self._resumed_at = time.monotonic()

    def epoch(self) -> Iterator[None]:
        """Make the steps that are left of the running epoch, yielding after each."""
        epoch = len(self.position.losses)
        order = generator(self.seed, "order", epoch).permutation(self.task.rows)
        self.module.train()
        for step in range(self.position.step, (epoch + 1) * self.steps_per_epoch):
            start = (step - epoch * self.steps_per_epoch) * self.plan.batch_size
            batch = order[start : start + self.plan.batch_size]
            self.position.loss_sum += self._step(batch, step) * len(batch)
            self.position.step = step + 1
            yield

    def _step(self, batch: NDArray[np.int64], index: int) -> float:
        """Make one optimizer step; return the batch's mean loss."""
        if self.task.sizes is not None:  # rows of like size together: less padding
            sizes = self.task.sizes(batch, Step(index, self.total, batch))
            batch = batch[np.argsort(-sizes, kind="stable")]
        step = Step(index, self.total, batch)
        mean = self._gradients_that_fit(batch, step)
        if not math.isfinite(mean):
            if index == 0:
                few_bits = self.precision.autocast is not None
                raise RecbenchError(
                    f"the loss is {mean} before anything is learnt, which no learning_rate mends; "
                    f"choose other settings{', or --set precision=float32' if few_bits else ''}"
                )
            raise self._diverged(f"the loss is {mean}")
        if self.plan.max_gradient_norm is not None:
            nn.utils.clip_grad_norm_(self.parameters.values(), self.plan.max_gradient_norm)
        for group in self.optimizer.param_groups:
            group["lr"] = self.plan.rate(step.index, step.total) * group["factor"]
        if if_it_fits(lambda: self.optimizer.step() or True) is None:
            raise RecbenchError(
                f"the memory of {self.device} does not suffice for the optimizer, which keeps two "
                "numbers of each that is trained; take a smaller model, or --device cpu"
            )
        self.optimizer.zero_grad()
        if self.task.sizes is not None:
            give_back()
        if self.plan.averaged_epochs is not None:
            self._add_to_average(step.index, self.plan.averaged_epochs * self.steps_per_epoch)
        return mean

    def _diverged(self, what: str) -> RecbenchError:
        """Say what went wrong and what may help; the last checkpoint is sound, and stays."""
        remedy = f"try a learning_rate below {self.plan.learning_rate:g}"
        if self.precision.autocast is not None:
            remedy += ", or --set precision=float32"
        return RecbenchError(f"training diverged: {what} at step {self.position.step}; {remedy}")

    def _check_finite(self, state: Mapping[str, Tensor] | None = None) -> None:
        """Refuse weights that are not finite before they are judged, or written over sound ones."""
        for name, tensor in [*self.parameters.items(), *(state or {}).items()]:
            if not tensor.isfinite().all():
                raise self._diverged(f"{name} is not finite")

    def _gradients_that_fit(self, batch: NDArray[np.int64], step: Step) -> float:
        """Make gradients; where memory runs out, begin again with half the rows at once."""
        before = [buffer.clone() for buffer in self.buffers]
        while (mean := self._added_up(if_it_fits(lambda: self._gradients(batch, step)))) is None:
            self.optimizer.zero_grad()
            for buffer, kept in zip(self.buffers, before, strict=True):
                buffer.copy_(kept)
            self._halve(len(batch))
        return mean

    def _added_up(self, mean: float | None) -> float | None:
        """
        Add up means and gradients over all processes, None where one of them had no memory.

        What no process has a gradient of keeps none: the optimizer leaves it alone, as it does in
        one process.
        """
        if self.processes.count == 1:
            return mean
        parameters = list(self.parameters.values())
        told = [mean or 0.0, mean is None, *(p.grad is not None for p in parameters)]
        found = torch.tensor(told, dtype=torch.float64)
        self.processes.add_up([found])
        total, without_memory, *having = found.tolist()
        if without_memory:
            return None
        touched = [p for p, some in zip(parameters, having, strict=True) if some]
        for parameter in touched:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        self.processes.add_up(p.grad for p in touched)
        return total

    @property
    def _at_once(self) -> int:
        """
        How many rows are computed at once, at most, in one process.

        As many as in one process by itself, where that leaves a part of each batch to all of them:
        dropout is drawn for the rows computed at once.
        """
        part = -(-self.plan.batch_size // self.processes.count)
        return min(self.position.micro_batch_size, part)

    def _halve(self, rows: int) -> None:
        half = min(self._at_once, rows) // 2
        if not half:
            raise RecbenchError(
                f"the memory of {self.device} does not suffice for one training row; of a language "
                "model try --set gradient_checkpointing=true, else a smaller one or --device cpu"
            )
        self.position.micro_batch_size = half
        self.position.halved += 1
        self.report(f"out of memory: going on with {half} rows computed at once")

    def _gradients(self, batch: NDArray[np.int64], step: Step) -> float:
        """Add up the gradients of this process's part of a batch; return its part of the mean."""
        size = self._at_once
        weights = self._row_weights(batch, step)
        total = torch.zeros((), device=self.device)
        starts = range(0, len(batch), size)
        for start in starts[self.processes.rank :: self.processes.count]:
            rows = batch[start : start + size]
            seed = derived_seed(self.seed, "training", step.index, start)
            with seeded(seed, self.device), computing(self.precision, self.device):
                part = float(weights[step.share(rows)[1]].sum() / weights.sum())
                loss = self.task.loss(rows, step) * part
            loss.backward()
            total += loss.detach()
        return total.item()

    def _row_weights(self, batch: NDArray[np.int64], step: Step) -> NDArray[np.integer[Any]]:
        """Return what each row counts in the mean of its batch, integers [rows]."""
        if self.task.weights is None or self._at_once >= len(batch):  # one part: any weights do
            return np.ones(len(batch), dtype=np.int64)
        return self.task.weights(batch, step)

    @torch.no_grad()
    def _add_to_average(self, step: int, span: float) -> None:
        if not self.average:
            self.average = {name: p.detach().clone() for name, p in self.parameters.items()}
        share = max(1 / (step + 1), 1 / max(1.0, span))
        for name, average in self.average.items():
            average.lerp_(self.parameters[name], share)

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        """Have the average in the place of the weights inside the block, if there is one."""
        if not self.average:
            yield
            return
        kept = copied(learnt(self.module))
        restore(learnt(self.module), kept | self.average)
        yield
        restore(learnt(self.module), kept)

    @torch.no_grad()
    def look(self) -> None:
        """Add a point to the learning curve, if one is due; note whether training ends here."""
        curve, position = self.curve, self.position
        seen = self._looks.get(position.step)
        if curve is None or seen is None:
            return
        self._check_finite()
        self.align()
        self.module.eval()
        point = {ROWS: seen, **curve.look()} if self.processes.is_main else None
        position.curve.append(self.processes.of_main(point))
        self.module.train()
        if curve.patience is not None and curve.best(position.curve) == len(position.curve) - 1:
            position.best_epoch = len(position.losses) + 1
            self.best = copied(learnt(self.module))
        position.finished = curve.ends(position.curve)

    def end_epoch(self) -> None:
        """Evaluate; note whether training ends here."""
        position, watch = self.position, self.watch
        self._check_finite()
        position.losses.append(position.loss_sum / self.task.rows)
        position.loss_sum = 0.0
        epochs = len(position.losses)
        self.align()
        with self._averaged():
            if watch is not None:
                position.watched.append(self._watched(watch))
            if self._keeps_last or (watch is not None and _is_new_best(position.watched)):
                position.best_epoch = epochs
                self.best = copied(learnt(self.module))
        waited = epochs - position.best_epoch if watch is not None else 0
        patience = self.plan.patience or math.inf
        position.finished = epochs == self.plan.epochs or waited >= patience

    def align(self) -> None:
        """Take the main process's numbers: another processor rounds otherwise, buffers differ."""
        self.processes.align(learnt(self.module).values())

    @property
    def _keeps_last(self) -> bool:
        """Whether nothing chooses among the weights of a training."""
        return self.watch is None and (self.curve is None or self.curve.patience is None)

    @torch.no_grad()
    def _watched(self, watch: Watch) -> float:
        self.module.eval()
        value: float = self.processes.of_main(watch() if self.processes.is_main else None)
        if math.isnan(value):
            raise RecbenchError(f"the validation figure is NaN at step {self.position.step}")
        return value

    def keep_best(self) -> None:
        """Put back the weights of the best epoch."""
        self.position.seconds = self._seconds()
        if self.best:
            restore(learnt(self.module), self.best)

    def tensors(self) -> dict[str, Tensors]:
        """
        Return all that going on needs besides the position, whose clock is set.

        Raises
        ------
        RecbenchError
            If some of it is not finite: nobody could go on from there.
        """
        self.position.seconds = self._seconds()
        self._resumed_at = time.monotonic()
        state = {
            f"{key}/{name}": value
            for name, parameter in self.parameters.items()
            for key, value in self.optimizer.state[parameter].items()
        }
        self._check_finite(state)
        return {
            "weights": learnt(self.module),
            "average": self.average,
            "best": self.best,
            "optimizer": state,
        }

    def resume(self, position: Position, tensors: dict[str, Tensors]) -> None:
        """Go on from a checkpoint."""
        self.position = position
        restore(learnt(self.module), tensors["weights"])
        self.best = tensors.get("best", {})
        self.average = {
            name: value.to(self.parameters[name].device)
            for name, value in tensors.get("average", {}).items()
        }
        for name, value in tensors.get("optimizer", {}).items():
            key, _, parameter = name.partition("/")
            owner = self.parameters[parameter]
            # Adam counts its steps in a CPU tensor; its moments live beside the parameter.
            place = value if key == "step" else value.to(owner.device)
            self.optimizer.state[owner][key] = place

    def _seconds(self) -> float:
        return self.position.seconds + time.monotonic() - self._resumed_at


def _is_new_best(values: list[float]) -> bool:
    return values[-1] > max(values[:-1], default=-math.inf)


def _optimizer(parameters: dict[str, nn.Parameter], plan: Plan) -> torch.optim.AdamW:
    """Group the parameters that share their rates."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in parameters.items():
        group = plan.group(name)
        groups.setdefault((group.learning_rate_factor, group.weight_decay), []).append(parameter)
    return torch.optim.AdamW(
        [
            {"params": members, "factor": factor, "weight_decay": decay}
            for (factor, decay), members in groups.items()
        ],
        lr=plan.learning_rate,
    )
