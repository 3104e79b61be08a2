import itertools
import math
import signal
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from torch import Tensor, nn

from recbench.errors import RecbenchError, UserError
from recbench.neural import loop, training
from recbench.neural.curve import Curve
from recbench.neural.loop import Sizes, Task, TrainingRun
from recbench.neural.plan import ParameterGroup, Plan, Step, cosine
from recbench.neural.precision import FLOAT32, Precision
from recbench.neural.tensor_file import read_tensors
from recbench.neural.training import TrainingReport, train
from recbench.processes import Processes
from recbench.recommender import Runtime
from recbench.settings import digest

BFLOAT16 = Precision("bfloat16", torch.float32, torch.bfloat16)
PLAN = Plan(batch_size=8, epochs=4, learning_rate=1e-2, weight_decay=0.1, schedule="cosine")


class Toy(nn.Module):
    """A regression with all that a checkpoint must hold: dropout, buffers, frozen weights."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.frozen = nn.Linear(3, 16)
        self.gate = nn.Sequential(nn.BatchNorm1d(16), nn.Dropout(0.5), nn.Linear(16, 1))
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=0.3, generator=generator)
        self.frozen.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        return self.gate(self.frozen(x))[:, 0]


class ToyTask:
    """Rows, a loss on them, and a record of what the loop asked for."""

    checkpoint_seconds = 0.0

    def __init__(self, rows: int = 29, interrupt_at: int | None = None) -> None:
        generator = torch.Generator().manual_seed(1)
        self.x = torch.randn(rows, 3, generator=generator)
        self.module = Toy()
        self.interrupt_at = interrupt_at
        self.seen: list[tuple[int, list[int]]] = []

    def loss(self, rows: NDArray[np.int64], step: Step) -> Tensor:
        if step.index == self.interrupt_at:
            raise KeyboardInterrupt
        self.seen.append((step.index, rows.tolist()))
        x = self.x[torch.from_numpy(rows)]
        return nn.functional.mse_loss(self.module(x), x.sum(1))

    def watch(self) -> float:
        # Depends on the weights alone, and is best anywhere but at the end.
        return math.sin(1000 * self.module(self.x).sum().item())

    def run(
        self,
        folder: Path,
        plan: Plan = PLAN,
        seed: int = 0,
        watch: bool = True,
        report: Callable[[str], None] = lambda _: None,
        sizes: Sizes | None = None,
        precision: Precision = FLOAT32,
    ) -> TrainingReport:
        return train(
            self.module,
            Task(self.loss, len(self.x), sizes),
            plan,
            Runtime(seed, "cpu", checkpoints=folder, cache=folder, report=report),
            name="toy",
            identity={"data": "toy"},
            watch=self.watch if watch else None,
            checkpoint_seconds=self.checkpoint_seconds,
            precision=precision,
        )

    def weights(self) -> dict[str, Tensor]:
        return {name: tensor.clone() for name, tensor in self.module.state_dict().items()}


def equal(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_an_epoch_visits_every_row_once_in_an_order_of_its_own(tmp_path: Path) -> None:
    task = ToyTask()
    report = task.run(tmp_path)
    epochs = [
        [row for index, rows in task.seen for row in rows if index // 4 == epoch]
        for epoch in range(4)
    ]
    assert all(sorted(epoch) == list(range(29)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4
    assert (report.steps, report.epochs) == (16, 4)
    assert report.parameters_trained == 16 + 16 + 16 + 1
    assert report.losses[-1] < report.losses[0]


def test_the_seed_decides_everything(tmp_path: Path) -> None:
    one, again, other = ToyTask(), ToyTask(), ToyTask()
    one.run(tmp_path / "1")
    torch.manual_seed(99)
    again.run(tmp_path / "2")
    other.run(tmp_path / "3", seed=1)
    assert equal(one.weights(), again.weights())
    assert not equal(one.weights(), other.weights())


def test_global_randomness_is_left_alone(tmp_path: Path) -> None:
    task = ToyTask()
    before = torch.random.get_rng_state(), str(np.random.get_state())
    task.run(tmp_path)
    assert torch.equal(torch.random.get_rng_state(), before[0])
    assert str(np.random.get_state()) == before[1]


@pytest.mark.parametrize("step", [1, 6, 8, 15])
@pytest.mark.parametrize("watch", [True, False])
def test_an_interrupted_run_ends_with_the_same_bits(tmp_path: Path, step: int, watch: bool) -> None:
    whole = ToyTask()
    expected = whole.run(tmp_path / "whole", watch=watch)
    assert (expected.best_epoch < expected.epochs) == watch
    with pytest.raises(KeyboardInterrupt):
        ToyTask(interrupt_at=step).run(tmp_path / "killed", watch=watch)
    rest = ToyTask()
    report = rest.run(tmp_path / "killed", watch=watch)
    assert rest.seen == [seen for seen in whole.seen if seen[0] >= step]
    assert equal(rest.weights(), whole.weights())
    assert replace(report, seconds=0) == replace(expected, seconds=0)


@pytest.mark.parametrize("step", [0, 6, 9])
def test_a_run_that_is_told_to_stop_loses_no_step(tmp_path: Path, step: int) -> None:
    whole = ToyTask()
    whole.run(tmp_path / "whole")

    class Told(ToyTask):
        checkpoint_seconds = math.inf

        def loss(self, rows: NDArray[np.int64], step_: Step) -> Tensor:
            if step_.index == step:
                signal.raise_signal(signal.SIGINT)
            return super().loss(rows, step_)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            Told().run(tmp_path / "told")
    finally:
        signal.signal(signal.SIGINT, before)
    rest = ToyTask()
    rest.run(tmp_path / "told")
    assert rest.seen == [seen for seen in whole.seen if seen[0] > step]
    assert equal(rest.weights(), whole.weights())


def test_a_long_step_is_kept_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "LONG_STEP", 0.0)
    killed = ToyTask(interrupt_at=6)
    killed.checkpoint_seconds = math.inf
    with pytest.raises(KeyboardInterrupt):
        killed.run(tmp_path)
    rest = ToyTask()
    rest.run(tmp_path)
    assert rest.seen[0][0] == 6


def test_the_seconds_of_a_killed_run_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = map(float, itertools.count())
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    whole = ToyTask().run(tmp_path / "whole").seconds
    with pytest.raises(KeyboardInterrupt):
        ToyTask(interrupt_at=15).run(tmp_path / "killed")
    assert ToyTask().run(tmp_path / "killed").seconds == whole


def test_a_finished_run_is_not_repeated(tmp_path: Path) -> None:
    first, second = ToyTask(), ToyTask()
    report = first.run(tmp_path)
    assert second.run(tmp_path) == report
    assert second.seen == []
    assert equal(first.weights(), second.weights())


def test_a_checkpoint_of_another_seed_or_plan_is_left_alone(tmp_path: Path) -> None:
    said: list[str] = []
    ToyTask().run(tmp_path, report=said.append)
    assert said == []
    for plan, seed in ((PLAN, 1), (replace(PLAN, learning_rate=1e-3), 0)):
        task = ToyTask()
        task.run(tmp_path, plan, seed, report=said.append)
        assert task.seen[0][0] == 0
    assert len(list(tmp_path.iterdir())) == 3
    line = "what was begun with other settings (as curve_rows of a language model) or by other code"
    assert said == [f"{line} is not gone on with; this training begins anew"] * 2


@pytest.mark.honesty
@pytest.mark.parametrize("then", [("cuda",), ("cuda", "deterministic")])
def test_what_was_begun_in_another_way_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, then: tuple[str, ...]
) -> None:
    with pytest.raises(KeyboardInterrupt):
        ToyTask(interrupt_at=7).run(tmp_path)
    said: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr(training, "way_of", lambda _: then)
        anew = ToyTask()
        anew.run(tmp_path, report=said.append)
        assert anew.seen[0][0] == 0
        assert [line.rpartition("; ")[2] for line in said] == ["this training begins anew"]
        again = ToyTask()
        again.run(tmp_path, report=said.append)
        assert not again.seen
        assert len(said) == 1
    gone_on = ToyTask()  # the first one's stays, and is found
    gone_on.run(tmp_path, report=said.append)
    assert gone_on.seen[0][0] == 7
    assert len(said) == 1


@pytest.mark.honesty
@pytest.mark.parametrize(("first", "then"), [(BFLOAT16, FLOAT32), (FLOAT32, BFLOAT16)])
def test_what_was_begun_in_another_precision_begins_anew(
    tmp_path: Path, first: Precision, then: Precision
) -> None:
    """As where a queue of a cluster gives another processor: ``precision=auto`` follows it."""
    said: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        ToyTask(interrupt_at=7).run(tmp_path, precision=first)
    anew = ToyTask()
    assert anew.run(tmp_path, report=said.append, precision=then).precision == then.name
    assert anew.seen[0][0] == 0
    assert [line.rpartition("; ")[2] for line in said] == ["this training begins anew"]
    gone_on = ToyTask()
    gone_on.run(tmp_path, report=said.append, precision=first)
    assert gone_on.seen[0][0] == 7
    assert len(said) == 1


def test_processes_of_different_precisions_are_refused(tmp_path: Path) -> None:
    class Second(Processes):
        rank, count = 1, 2

        def of_main(self, value: Any) -> Any:
            return "bfloat16"

    task = ToyTask()
    runtime = Runtime(0, "cpu", checkpoints=tmp_path, cache=tmp_path, processes=Second())
    said = "process 1 computes in float32, but the main process in bfloat16; give --set precision="
    with pytest.raises(UserError, match=said):
        train(task.module, Task(task.loss, 29), PLAN, runtime, name="toy", identity=None)
    assert not task.seen


def test_what_a_look_chooses_is_the_main_processes(tmp_path: Path) -> None:
    """It alone looks, and running means of the others may be a step behind."""

    class Second(Processes):
        rank, count = 1, 2

        def of_main(self, value: Any) -> Any:
            return {"rows": 29, "hits": 1.0} if value is None else value

        def align(self, tensors: Any) -> None:
            for tensor in tensors:
                tensor.fill_(7)

    task, runtime = ToyTask(), Runtime(0, "cpu", tmp_path, tmp_path, processes=Second())
    curve = Curve(lambda: {}, by="hits", patience=1)
    run = TrainingRun(task.module, Task(task.loss, 29), PLAN, runtime, FLOAT32, curve=curve)
    run.position.step = run.total
    run.look()
    assert any("running_mean" in name for name in run.best)
    assert all(bool((tensor == 7).all()) for tensor in run.best.values())


def test_a_checkpoint_of_a_cpu_keeps_its_name(tmp_path: Path) -> None:
    ToyTask().run(tmp_path)
    decisive = asdict(PLAN) | {"micro_batch_size": "the checkpoint's"}
    (file,) = tmp_path.iterdir()
    assert digest(["toy", {"data": "toy"}, decisive, 29, 0])[:16] in file.name


def test_frozen_weights_are_neither_trained_nor_stored(tmp_path: Path) -> None:
    task = ToyTask()
    before = task.weights()
    task.run(tmp_path)
    assert torch.equal(before["frozen.weight"], task.weights()["frozen.weight"])
    (path,) = tmp_path.iterdir()
    with safe_open(path, "pt") as file:
        names = set(file.keys())
    assert "weights/gate.2.weight" in names
    assert "weights/gate.0.running_mean" in names
    assert not any("frozen" in name for name in names)


def test_the_best_weights_are_kept_and_patience_ends_the_run(tmp_path: Path) -> None:
    task = ToyTask()
    values = iter([0.1, 0.5, 0.5, 0.4, 0.3, 0.9])
    kept: list[dict[str, Tensor]] = []

    def watch() -> float:
        assert not task.module.training
        assert not torch.is_grad_enabled()
        kept.append(task.weights())
        return next(values)

    task.watch = watch  # type: ignore[method-assign]
    report = task.run(tmp_path, replace(PLAN, epochs=9, patience=3))
    assert (report.epochs, report.best_epoch) == (5, 2)
    assert equal(task.weights(), kept[1])
    assert not task.module.training


@pytest.mark.parametrize(
    ("epochs", "shares"), [(1.0, [1, 1 / 2, 1 / 3, 1 / 4, 1 / 4, 1 / 4]), (0.0, [1] * 6)]
)
def test_what_is_watched_and_kept_is_the_moving_average(
    tmp_path: Path, epochs: float, shares: list[float]
) -> None:
    plan = replace(PLAN, epochs=2, schedule="constant", averaged_epochs=epochs)  # of 4 steps each
    task, trained, watched = ToyTask(rows=27), [], []
    loss = task.loss

    def observed(rows: NDArray[np.int64], step: Step) -> Tensor:
        trained.append(task.weights())
        return loss(rows, step)

    task.loss = observed  # type: ignore[method-assign]
    task.watch = lambda: watched.append(task.weights()) or float(len(watched))  # type: ignore
    task.run(tmp_path, plan)
    average = trained[1]["gate.2.weight"]
    for weights, share in zip(trained[1:5], shares, strict=False):
        average = average + share * (weights["gate.2.weight"] - average)
    torch.testing.assert_close(watched[0]["gate.2.weight"], average)
    assert equal(task.weights(), watched[1])


def test_micro_batches_give_the_gradient_of_the_batch(tmp_path: Path) -> None:
    plan = replace(PLAN, epochs=1, max_gradient_norm=0.5)
    whole, parts = ToyTask(), ToyTask()
    for task in (whole, parts):
        task.module.gate = nn.Sequential(task.module.gate[2])  # nothing that depends on the batch
    whole.run(tmp_path / "whole", plan)
    parts.run(tmp_path / "parts", replace(plan, micro_batch_size=3))
    assert max(len(rows) for _, rows in parts.seen) == 3
    for name, tensor in whole.weights().items():
        torch.testing.assert_close(parts.weights()[name], tensor)


def test_a_killed_run_goes_on_with_its_micro_batches(tmp_path: Path) -> None:
    """Dropout depends on them, and less memory may be free the next time."""
    began, later = replace(PLAN, micro_batch_size=3), replace(PLAN, micro_batch_size=5)
    whole = ToyTask()
    expected = whole.run(tmp_path / "whole", began)
    with pytest.raises(KeyboardInterrupt):
        ToyTask(interrupt_at=6).run(tmp_path / "killed", began)
    rest = ToyTask()
    lines: list[str] = []
    report = rest.run(tmp_path / "killed", later, report=lines.append)
    assert lines == ["going on with 3 rows computed at once, as this training did so far"]
    assert report.micro_batch_size == 3
    assert equal(rest.weights(), whole.weights())
    assert replace(report, seconds=0) == replace(expected, seconds=0)


class Small(ToyTask):
    """Runs out of memory above so many rows, after it has drawn dropout and moved the means."""

    told: Exception = torch.OutOfMemoryError("CUDA out of memory")

    def __init__(self, most: int, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.most = most

    def loss(self, rows: NDArray[np.int64], step: Step) -> Tensor:
        loss = super().loss(rows, step)
        if len(rows) > self.most:
            raise self.told
        return loss


OUT_OF_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory"),
    RuntimeError("std::bad_alloc"),
    MemoryError("Unable to allocate 5.1 GiB for an array"),
]
"""As a GPU, torch on a CPU, C++ and numpy tell it."""


@pytest.mark.parametrize("told", OUT_OF_MEMORY, ids=str)
def test_out_of_memory_the_step_is_made_again_with_half_the_rows(
    tmp_path: Path, told: Exception
) -> None:
    """As if it had begun so: the same random numbers, and nothing of the broken step is left."""
    lines: list[str] = []
    small = Small(most=2, rows=28)
    small.told = told
    report = small.run(tmp_path / "small", report=lines.append)
    expected = ToyTask(rows=28)
    whole = expected.run(tmp_path / "two", replace(PLAN, micro_batch_size=2))
    assert equal(small.weights(), expected.weights())
    assert lines == [f"out of memory: going on with {n} rows computed at once" for n in (4, 2)]
    assert (report.micro_batch_size, report.halved) == (2, 2)
    assert replace(report, seconds=0, halved=0) == replace(whole, seconds=0)


def test_a_later_micro_batch_that_does_not_fit_leaves_no_gradient(tmp_path: Path) -> None:
    task, expected, calls = ToyTask(), ToyTask(), itertools.count()
    loss = task.loss

    def fails_once(rows: NDArray[np.int64], step: Step) -> Tensor:
        if next(calls) == 3:  # the second of the two parts of the second batch
            raise torch.OutOfMemoryError("CUDA out of memory")
        return loss(rows, step)

    for one in (task, expected):
        one.module.gate = nn.Sequential(one.module.gate[2])  # nothing that depends on the batch
    task.loss = fails_once  # type: ignore[method-assign]
    assert task.run(tmp_path / "fails", replace(PLAN, micro_batch_size=4)).halved == 1
    expected.run(tmp_path / "whole", replace(PLAN, micro_batch_size=4))
    for name, tensor in expected.weights().items():
        torch.testing.assert_close(task.weights()[name], tensor)


def test_a_killed_run_goes_on_with_the_halved_rows(tmp_path: Path) -> None:
    whole, rest, lines = Small(most=2, rows=28), Small(most=2, rows=28), []
    whole.run(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        Small(most=2, rows=28, interrupt_at=6).run(tmp_path / "killed")
    report = rest.run(tmp_path / "killed", report=lines.append)
    assert lines == []
    assert (report.micro_batch_size, report.halved) == (2, 2)
    assert equal(rest.weights(), whole.weights())


def test_a_row_that_does_not_fit_alone_is_one_line(tmp_path: Path) -> None:
    small = Small(most=0)
    small.module.gate = nn.Sequential(small.module.gate[2])  # a mean of one row is none
    with pytest.raises(RecbenchError, match="of cpu does not suffice for one training row"):
        small.run(tmp_path)


def test_an_optimizer_that_does_not_fit_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torch.optim.AdamW, "step", full)
    with pytest.raises(RecbenchError, match=r"of cpu does not suffice for the optimizer"):
        ToyTask().run(tmp_path)


def test_what_another_library_is_told_changes_no_gradient(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, plain, told = replace(PLAN, max_gradient_norm=0.01), ToyTask(), ToyTask()
    plain.run(tmp_path / "plain", plan)
    monkeypatch.setenv("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "8")
    told.run(tmp_path / "told", plan)
    assert equal(plain.weights(), told.weights())


@pytest.mark.parametrize("mixed", [True, False])
def test_the_loss_is_computed_in_the_precision_that_is_reported(
    tmp_path: Path, mixed: bool
) -> None:
    task, seen = ToyTask(), []
    precision = BFLOAT16 if mixed else FLOAT32

    def loss(rows: NDArray[np.int64], step: Step) -> Tensor:
        seen.append(torch.is_autocast_enabled("cpu"))
        return task.loss(rows, step)

    runtime = Runtime(0, "cpu", checkpoints=tmp_path, cache=tmp_path)
    with torch.autocast("cpu", torch.bfloat16, enabled=not mixed):
        report = train(
            *(task.module, Task(loss, 29), replace(PLAN, epochs=1), runtime),
            **{"name": "toy", "identity": None, "precision": precision},  # type: ignore[arg-type]
        )
    assert set(seen) == {mixed}
    assert report.precision == precision.name


class Subnormal(ToyTask):
    """Notes what a number below float32's full ones comes to, forward and backward."""

    def loss(self, rows: NDArray[np.int64], step: Step) -> Tensor:
        loss = super().loss(rows, step)
        small = torch.full((1,), 1e-40, requires_grad=True)
        (small * small.detach() * 1e38).sum().backward()
        assert small.grad is not None
        self.met = (float(small.detach() * 1), float(small.grad))
        return loss


@pytest.mark.parametrize("before", [False, True])
def test_numbers_too_small_to_be_quick_are_zero_in_training_alone(
    tmp_path: Path, before: bool
) -> None:
    if not torch.set_flush_denormal(True):
        pytest.skip("this processor computes with all numbers in one way")
    try:
        torch.set_flush_denormal(before)
        task = Subnormal()
        task.run(tmp_path / "whole")
        assert task.met == (0.0, 0.0)
        with pytest.raises(KeyboardInterrupt):
            Subnormal(interrupt_at=3).run(tmp_path / "cut")
        assert bool(torch.full((1,), 1e-40) * 1 == 0) is before
    finally:
        torch.set_flush_denormal(False)


def test_groups_have_rates_of_their_own(tmp_path: Path) -> None:
    plan = replace(PLAN, groups=(ParameterGroup("gate.2", learning_rate_factor=0.0),))
    task = ToyTask()
    before = task.weights()
    task.run(tmp_path, plan)
    assert torch.equal(task.weights()["gate.2.weight"], before["gate.2.weight"])
    assert not torch.equal(task.weights()["gate.0.weight"], before["gate.0.weight"])
    assert ParameterGroup("gate").owns("gate.2.weight")
    assert not ParameterGroup("gate").owns("gateway.weight")
    assert plan.group("frozen.weight").weight_decay == PLAN.weight_decay


class Diverging(ToyTask):
    """Its loss, or the gradient of its loss, is of no use from a step on."""

    def __init__(self, step: int, value: float, *, gradient: bool) -> None:
        super().__init__()
        self.step, self.value, self.gradient = step, value, gradient

    def loss(self, rows: NDArray[np.int64], step: Step) -> Tensor:
        loss = super().loss(rows, step)
        if step.index < self.step:
            return loss
        if self.gradient:
            loss.register_hook(lambda gradient: gradient * self.value)
            return loss
        return loss * self.value


def test_a_loss_that_is_no_number_before_anything_is_learnt_is_not_laid_to_the_rate(
    tmp_path: Path,
) -> None:
    said = "the loss is nan before anything is learnt, .*; choose other settings$"
    with pytest.raises(RecbenchError, match=said):
        Diverging(0, math.nan, gradient=False).run(tmp_path)


@pytest.mark.parametrize("gradient", [True, False], ids=["gradient", "loss"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("step", [6, 15])
def test_a_training_that_diverges_ends_with_advice_and_keeps_a_sound_checkpoint(
    tmp_path: Path, step: int, value: float, gradient: bool
) -> None:
    """At the last step, too: nobody is given, and no checkpoint holds, what is not finite."""
    with pytest.raises(KeyboardInterrupt):
        ToyTask(interrupt_at=step).run(tmp_path / "sound")
    task = Diverging(step, value, gradient=gradient)
    what = "gate.* is not finite" if gradient else f"the loss is {abs(value)}"
    told = rf"diverged: {what} at step {step + gradient}; try a learning_rate below 0.01$"
    with pytest.raises(RecbenchError, match=told):
        task.run(tmp_path / "diverged")
    (kept,) = (tmp_path / "diverged").iterdir()
    (sound,) = (tmp_path / "sound").iterdir()
    found, expected = read_tensors(kept)[0], read_tensors(sound)[0]
    assert equal(found, expected)
    assert all(tensor.isfinite().all() for tensor in found.values())


def test_lower_precision_is_part_of_the_advice(tmp_path: Path) -> None:
    for step, advice in (6, "below 0.01"), (0, "choose other settings"):
        task = Diverging(step, math.nan, gradient=False)
        with pytest.raises(RecbenchError, match=rf"{advice}, or --set precision=float32$"):
            task.run(tmp_path / str(step), precision=BFLOAT16)


def test_after_steps_on_rows_of_other_sizes_memory_is_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[None] = []
    monkeypatch.setattr("recbench.neural.loop.give_back", lambda: given.append(None))
    ToyTask().run(tmp_path / "one-size")
    assert not given
    task = ToyTask()
    task.run(tmp_path / "sizes", sizes=lambda rows, step: rows)
    assert len(given) == len({step for step, _ in task.seen})


def test_the_cosine_schedule() -> None:
    rates = [cosine(step, 100) for step in range(100)]
    assert rates[0] == pytest.approx(0.01)
    assert rates[5] == pytest.approx(1)
    assert rates[99] == pytest.approx(0.01)
    assert rates[:6] == sorted(rates[:6])
    assert rates[5:] == sorted(rates[5:], reverse=True)
    assert cosine(0, 1) == 1


def test_the_loss_of_an_epoch_is_the_mean_over_its_rows(tmp_path: Path) -> None:
    task = ToyTask(rows=29)  # three batches of 8 rows, and one of 5

    def number(rows: NDArray[np.int64], step: Step) -> Tensor:
        return 0 * task.module(task.x).sum() + float(rows.mean())

    task.loss = number  # type: ignore[method-assign]
    assert task.run(tmp_path).losses == pytest.approx([14.0] * 4)


def test_the_best_look_is_of_the_epoch_that_was_under_way(tmp_path: Path) -> None:
    task, hits = ToyTask(rows=600), iter([0.1, 0.9, 0.5, 0.4])  # after 512, 1024, 2048, 2400 rows
    curve = Curve(lambda: {"hits": next(hits)}, by="hits", patience=3)
    place = Runtime(seed=0, device="cpu", checkpoints=tmp_path, cache=tmp_path)
    report = train(
        task.module, Task(task.loss, 600), PLAN, place, name="toy", identity="", curve=curve
    )
    assert [point["hits"] for point in report.curve] == [0.1, 0.9, 0.5, 0.4]
    assert report.best_epoch == 2
