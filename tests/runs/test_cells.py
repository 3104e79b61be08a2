import subprocess
import threading

import pytest

from recbench.runs import cells
from recbench.runs.cells import fill, wanted


def test_every_cell_once_seeds_fastest():
    found = wanted(["a", "b"], ["d"], range(2), ["--draws", "5"])
    assert [cell.name for cell in found] == [
        *("a on d, seed 0", "a on d, seed 1", "b on d, seed 0", "b on d, seed 1"),
    ]
    assert found[1].arguments == (
        *("--model", "a", "--dataset", "d", "--seed", "1", "--draws", "5"),
    )


@pytest.fixture
def started(monkeypatch):
    """Record what would be started, as (command, device); cells of model "bad" fail."""
    calls, busy = [], set()

    def run(command, **_):
        device = command[command.index("--device") + 1]
        assert device not in busy, "one cell a device at a time"
        busy.add(device)
        threading.Event().wait(0.02)
        calls.append((command, device))
        busy.remove(device)
        bad = "bad" in command
        return subprocess.CompletedProcess(command, 2 if bad else 0, stderr="x\nerror: no\n")

    monkeypatch.setattr(cells.subprocess, "run", run)
    return calls


def test_devices_share_the_cells(started):
    lines = []
    assert fill(wanted(["a"], ["d"], range(8), []), ["cuda:0", "cuda:1"], lines.append) == {}
    assert sorted(call[0][call[0].index("--seed") + 1] for call in started) == list("01234567")
    assert {device for _, device in started} == {"cuda:0", "cuda:1"}
    assert sum(line.endswith(": done") for line in lines) == 8


def test_a_cell_is_a_process_that_cannot_see_the_folder_it_is_started_in(started):
    fill(wanted(["a"], ["d"], [0], []), ["cpu"], lambda _: None)
    assert started[0][0][1:5] == ["-P", "-m", "recbench_cli.main", "run"]


def test_a_failed_cell_stops_no_other(started):
    lines = []
    failed = fill(wanted(["bad", "good"], ["d"], [0], []), ["cpu"], lines.append)
    assert {cell.name: code for cell, code in failed.items()} == {"bad on d, seed 0": 2}
    assert len(started) == 2
    assert "bad on d, seed 0 on cpu: failed with exit code 2: error: no" in lines


def test_an_interrupt_starts_nothing_more(monkeypatch):
    begun, release = [], threading.Event()

    def run(command, **_):
        begun.append(command)
        release.wait(5)
        return subprocess.CompletedProcess(command, 130, stderr="")

    real = threading.Thread.join

    def interrupted(thread, timeout=None):
        if not release.is_set():
            release.set()
            raise KeyboardInterrupt
        real(thread, timeout)

    monkeypatch.setattr(cells.subprocess, "run", run)
    monkeypatch.setattr(threading.Thread, "join", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fill(wanted(["a"], ["d"], range(5), []), ["cpu"], lambda _: None)
    assert len(begun) <= 2
