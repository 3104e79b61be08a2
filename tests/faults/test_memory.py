"""Memory that does not suffice: a run goes on with fewer rows at once, and its record says so."""

import subprocess
import sys
from pathlib import Path

import pytest

from recbench.evaluation import asker
from recbench.experiment import run

from .conftest import Toy, numbers


def test_a_run_whose_memory_ends_while_it_is_asked_says_so_in_its_record(
    toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = numbers(run(toy("popularity", tmp_path / "whole"), lambda _: None).record)
    real, said = asker.ask, list[str]()

    def small(model, queries, runtime):
        if len(queries) > 2:
            raise MemoryError("Unable to allocate 5.1 GiB for an array")
        return real(model, queries, runtime)

    monkeypatch.setattr(asker, "ask", small)
    record = run(toy("popularity", tmp_path / "small"), said.append).record
    assert record.account == {"halved": 2}
    assert "out of memory: asking 1 rows at once from here on" in said
    assert numbers(record) | {"account": {}} == expected


LIMITED = """
import resource, sys
import numpy as np, torch
from pathlib import Path
from torch import nn
from recbench.neural.loop import Task
from recbench.neural.plan import Plan
from recbench.neural.training import train
from recbench.recommender import Runtime

weight = nn.Linear(1, 1)
def loss(rows, step):
    held = torch.zeros(len(rows), 32 << 20)  # 128 MB a row
    return weight(torch.ones(len(rows), 1)).mean() + held[0, 0]

used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
limit = used + (700 << 20)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
folder = Path(sys.argv[1])
plan = Plan(batch_size=16, epochs=1, learning_rate=1e-2, weight_decay=0.0)
runtime = Runtime(0, "cpu", folder, folder, print)
report = train(weight, Task(loss, 16), plan, runtime, name="toy", identity=None)
print(report.micro_batch_size, report.halved)
"""
"""Trains 16 rows of 128 MB each in 700 MB."""


def test_a_limit_of_the_operating_system_halves_what_is_computed_at_once(tmp_path: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("the memory of a process is read from /proc")
    command = [sys.executable, "-c", LIMITED, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    *said, last = done.stdout.splitlines()
    assert said == [f"out of memory: going on with {n} rows computed at once" for n in (8, 4)]
    assert last == "4 2"
