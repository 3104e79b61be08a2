"""A clock that is set while a run is under way: seconds are counted by another one."""

import itertools
import time
from pathlib import Path

import pytest

from recbench.experiment import run
from recbench.runs.stopwatch import Stopwatch

from .conftest import Toy, numbers

DAY = 86_400.0


@pytest.fixture
def jumping(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time of day is another day whenever somebody looks."""
    days = itertools.cycle([0.0, 400 * DAY, -400 * DAY])
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + next(days))


@pytest.mark.usefixtures("jumping")
@pytest.mark.parametrize("model", ["popularity", "sasrec"])
def test_seconds_and_figures_are_those_of_a_clock_that_stands(
    model: str, toy: Toy, tmp_path: Path
) -> None:
    record = run(toy(model, tmp_path / "jumping"), lambda _: None).record
    assert record.trained is not None
    seconds = [*dict(record.times).values(), record.trained.seconds]
    assert all(0 <= one < DAY for one in seconds)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time", lambda: 1.7e9)
        expected = run(toy(model, tmp_path / "standing"), lambda _: None).record
    assert numbers(record) == numbers(expected)


@pytest.mark.usefixtures("jumping")
def test_a_stage_counts_what_has_passed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([10.0, 13.5])
    monkeypatch.setattr(time, "monotonic", lambda: next(now))
    with (watch := Stopwatch(tmp_path, pytest.fail)).stage("fit"):
        pass
    assert watch.seconds == {"fit": 3.5}
