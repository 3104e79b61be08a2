"""
The one training loop, for ID models and language models alike.

AdamW over mini-batches, with early stopping. Every random choice is a function of the run's seed
and the step, so a run that was killed goes on from its checkpoint and ends with the same numbers.

Several processes (`recbench.processes`) divide the rows of every batch among them. What the loss
draws is drawn for the whole batch, so that the gradients are those of one process but for the order
of sums, and but for dropout, which is drawn for the rows that are computed at once.
"""

import time
from dataclasses import asdict, dataclass
from typing import Any

from torch import nn

from recbench.errors import UserError
from recbench.hardware.devices import WAYS, way_of
from recbench.neural.checkpoint import Checkpoint, learnt
from recbench.neural.curve import Curve, Point
from recbench.neural.loop import Task, TrainingRun, Watch
from recbench.neural.plan import Plan
from recbench.neural.precision import FLOAT32, NAMES, Precision, whole_float32, without_subnormals
from recbench.neural.progress import TrainingBar
from recbench.neural.whole_steps import WholeSteps
from recbench.processes import Processes
from recbench.recommender import Runtime
from recbench.settings import digest

LONG_STEP = 2.0
"""Seconds of a step from which on each is kept: nobody waits for the end of such a one."""

_ELSEWHERE = "on another kind of device, in another precision or with another --deterministic"
_OTHERWISE = "with other settings (as curve_rows of a language model) or by other code"
"""How a training may have been begun that is not this one."""


@dataclass(frozen=True)
class TrainingReport:
    """
    What happened, for the run record.

    Attributes
    ----------
    parameters_trained
        Numbers in the trained tensors.
    micro_batch_size
        Rows computed at once, at most; at the end, where memory did not suffice on the way.
    halved
        How often it did not, so that half as many rows were computed at once from then on.
    precision
        Name of the `Precision` in which it was computed.
    processes
        How many divided the rows of each batch.
    steps, epochs
        Optimizer steps and passes done.
    seconds
        Time spent, with that of interrupted runs up to their last checkpoint.
    losses
        Mean loss of each epoch.
    watched
        Value of `watch` after each epoch; empty without one.
    best_epoch
        Whose weights were kept, from 1; the last one where nothing chose.
    curve
        What was seen at each look; empty without any.
    """

    parameters_trained: int
    micro_batch_size: int
    halved: int
    precision: str
    processes: int
    steps: int
    epochs: int
    seconds: float
    losses: list[float]
    watched: list[float]
    best_epoch: int
    curve: list[Point]

    @classmethod
    def of(cls, run: TrainingRun) -> "TrainingReport":
        """Tell what a finished training did."""
        position = run.position
        return cls(
            parameters_trained=sum(p.numel() for p in run.parameters.values()),
            micro_batch_size=position.micro_batch_size,
            halved=position.halved,
            precision=run.precision.name,
            processes=run.processes.count,
            steps=position.step,
            epochs=len(position.losses),
            seconds=round(position.seconds, 1),
            losses=position.losses,
            watched=position.watched,
            best_epoch=position.best_epoch,
            curve=position.curve,
        )

    def record(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return asdict(self)


def train(
    module: nn.Module,
    task: Task,
    plan: Plan,
    runtime: Runtime,
    *,
    name: str,
    identity: Any,
    watch: Watch | None = None,
    curve: Curve | None = None,
    precision: Precision = FLOAT32,
    checkpoint_seconds: float = 30.0,
) -> TrainingReport:
    """
    Train the parameters of `module` that require gradients, in place.

    The module is moved to ``runtime.device`` and is left there, in evaluation mode, with the best
    weights (by `watch`) or the last ones. Global random state is left untouched: inside the loss,
    torch draws from a stream seeded by (seed, step, micro-batch); anything else that it draws
    should come from ``recbench.seeding.generator(runtime.seed, use, step.index)``.

    Parameters
    ----------
    module
        Its trained parameters and its buffers are checkpointed; frozen weights are not.
    task
        What is learnt.
    plan
        Sizes, rates and when to stop.
    runtime
        Seed, device, folder of checkpoints, progress.
    name
        What is trained, for progress bars and for the checkpoint's file name: ``"sasrec"``.
    identity
        JSON value of everything else that decides the numbers (settings, data digest). A checkpoint
        of another identity, plan (but for its micro-batches), seed, precision, kind of device or,
        on a GPU, ``--deterministic`` is not resumed, which is said.
    watch
        Called after each epoch in evaluation mode without gradients: the higher, the better. The
        first of equal values is kept. NaN is an error.
    curve
        When training is looked at on the way, and whether it ends by what is seen; without `watch`.
    precision
        In which the loss is computed; gradients and what is trained are float32.
    checkpoint_seconds
        Least time between two checkpoints, but after an interrupt, or steps of `LONG_STEP`.

    Returns
    -------
    TrainingReport

    Raises
    ------
    UserError
        If processes that share it would compute in different precisions, or find different
        checkpoints.
    RecbenchError
        If the loss or what is learnt is not finite, the watched value is NaN, or one row does not
        fit the memory. The checkpoint that was last written is a sound one, and stays.
    """
    _check_same_precision(precision, runtime.processes)
    run = TrainingRun(module, task, plan, runtime, precision, watch, curve)
    # How many rows are computed at once may follow the memory that is free; what was begun with a
    # number goes on with it.
    decisive = asdict(plan) | {"micro_batch_size": "the checkpoint's"}
    decides = [name, identity, decisive, task.rows, runtime.seed]
    checkpoint = _checkpoint(name, decides, precision, runtime, checkpoint_seconds)
    if (saved := checkpoint.read(runtime.report)) is not None:
        run.resume(*saved)
        began = run.position.micro_batch_size
        if plan.micro_batch_size not in (None, began):
            runtime.report(
                f"going on with {began} rows computed at once, as this training did so far"
            )
    _check_same(run.position.step, runtime.processes)
    run.align()
    if not run.position.finished:
        writes = runtime.processes.is_main
        bars = TrainingBar(name, run.total, runtime.show_progress)
        with bars as bar, whole_float32(), without_subnormals():
            _train_on(run, checkpoint, bar, writes)
    module.eval()
    return TrainingReport.of(run)


def _checkpoint(
    name: str, decides: list[Any], precision: Precision, runtime: Runtime, seconds: float
) -> Checkpoint:
    """Return the checkpoint of this training; say if another one was begun that is not resumed."""
    own = _key(decides, way_of(runtime.device), precision.name)
    checkpoint = Checkpoint(runtime.checkpoints, name, own, seconds)
    others = [] if checkpoint.path.exists() else checkpoint.others()
    if others:
        begun = {_key(decides, way, one) for way in WAYS for one in NAMES} - {own}
        elsewhere = {Checkpoint(runtime.checkpoints, name, key, 0).path for key in begun}
        how = _ELSEWHERE if elsewhere.intersection(others) else _OTHERWISE
        runtime.report(f"what was begun {how} is not gone on with; this training begins anew")
    return checkpoint


def _key(decides: list[Any], way: tuple[str, ...], precision: str) -> str:
    """Return the digest of all that decides the numbers; a CPU's float32 stands without a word."""
    return digest([*decides, *way, *([] if precision == FLOAT32.name else [precision])])


def _train_on(run: TrainingRun, checkpoint: Checkpoint, bar: TrainingBar, writes: bool) -> None:
    """Make the steps that are left, and keep what comes out where this process `writes`."""
    with WholeSteps() as steps:
        while not run.position.finished:
            begun = time.monotonic()
            for _ in run.epoch():
                bar.show(run.position)
                run.look()
                if run.position.finished:
                    break
                is_long = time.monotonic() - begun >= LONG_STEP
                if writes and (checkpoint.due or is_long or steps.told is not None):
                    checkpoint.write(run.position, run.tensors())
                steps.let_through()
                begun = time.monotonic()
            else:
                run.end_epoch()
        run.keep_best()
        if writes:
            checkpoint.write(run.position, {"weights": learnt(run.module)})


def _check_same_precision(precision: Precision, processes: Processes) -> None:
    """Refuse processes whose devices do not all compute in the precision of the main one's."""
    if (main := processes.of_main(precision.name)) != precision.name:
        raise UserError(
            f"process {processes.rank} computes in {precision.name}, but the main process in "
            f"{main}; give --set precision=float32"
        )


def _check_same(step: int, processes: Processes) -> None:
    """Refuse processes of which one does not find the checkpoint that the main process found."""
    if processes.of_main(step) != step:
        raise UserError(
            f"process {processes.rank} finds another checkpoint than the main process; let "
            "--results name a folder that all hosts see"
        )
