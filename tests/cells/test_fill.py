"""Every cell is run, whatever becomes of one of them."""

import threading
from collections import Counter
from concurrent.futures import Future

import pytest

from recbench.cells import fill as filling
from recbench.cells import local
from recbench.cells.board import Board
from recbench.cells.cell import Cell
from recbench.cells.fill import AGAIN, fill
from recbench.cells.local import Local
from recbench.cells.process import Ended


def cells(model, count):
    words = ("--model", model, "--dataset", "d", "--seed")
    return [Cell(f"{model} on d, seed {seed}", (*words, str(seed))) for seed in range(count)]


@pytest.fixture
def started(monkeypatch):
    """Note what would be started, as (seed, device); "bad" fails, "killed" is killed at first."""
    calls, busy, tried = [], set(), Counter()

    def run(arguments, device, leash, tell, threads):
        assert device not in busy, "one cell a device at a time"
        busy.add(device)
        threading.Event().wait(0.02)
        calls.append((arguments[5], device))
        busy.remove(device)
        tried[arguments] += 1
        if "killed" in arguments and tried[arguments] == 1:
            return Ended(-9)
        if "doomed" in arguments:
            return Ended(143)
        return Ended(2, "error: no") if "bad" in arguments else Ended(0)

    monkeypatch.setattr(local, "run_cell", run)
    return calls


def filled(wanted, devices=("cpu",)):
    lines = []
    board = Board(len(wanted), lines.append)
    return fill(wanted, Local(devices, board), board), lines


def test_devices_share_the_cells(started):
    failed, lines = filled(cells("a", 8), ["cuda:0", "cuda:1"])
    assert failed == {}
    assert sorted(seed for seed, _ in started) == list("01234567")
    assert {device for _, device in started} == {"cuda:0", "cuda:1"}
    assert sum(line.endswith(": done") for line in lines) == 8


@pytest.mark.parametrize(("places", "threads"), [(1, None), (2, 3)])
def test_a_cell_has_its_share_of_the_cores(monkeypatch, places, threads):
    given = []
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(local, "own_cores", lambda: 6)
    monkeypatch.setattr(local, "run_cell", lambda *asked: given.append(asked[-1]) or Ended(0))
    filled(cells("a", 4), ["cpu"] * places)
    assert given == [threads] * 4


def test_a_failed_cell_stops_no_other(started):
    failed, lines = filled([*cells("bad", 1), *cells("good", 1)])
    assert {cell.name: how.code for cell, how in failed.items()} == {"bad on d, seed 0": 2}
    assert len(started) == 2
    assert "bad on d, seed 0 on cpu: failed with exit code 2: error: no" in lines


def test_a_cell_that_another_process_works_on_is_put_off_once(started):
    """Two who fill one table would do each cell together, one of them waiting."""
    wanted, asked = cells("a", 3), []

    def held(cell):
        asked.append(cell)
        return cell is wanted[0]

    lines = []
    board = Board(3, lines.append)
    assert fill(wanted, Local(["cpu"], board, held), board) == {}
    assert [seed for seed, _ in started] == ["1", "2", "0"]
    assert asked == wanted  # as each is to begin
    assert lines[0] == "a on d, seed 0: another process works on it; it is put off"
    assert sum(line.endswith(": done") for line in lines) == 3


def test_a_killed_cell_is_gone_on_with(started):
    failed, lines = filled(cells("killed", 2))
    assert failed == {}
    assert [seed for seed, _ in started] == ["0", "1", "0", "1"]
    assert f"killed on d, seed 0 on cpu: {Ended(-9).words}; it goes on where it stopped" in lines


def test_cells_that_end_together_are_gone_on_with_in_their_order():
    begun = []

    class AtOnce(Local):
        def submit(self, cell):
            begun.append(cell)
            done = Future()
            done.set_result(Ended(-9) if begun.count(cell) == 1 else Ended(0))
            return done

    wanted, board = cells("killed", 20), Board(20, lambda line: None)
    assert fill(wanted, AtOnce(["cpu"], board), board) == {}
    assert begun == [*wanted, *wanted]


def test_a_cell_that_is_always_ended_fails_at_last(started):
    failed, lines = filled([*cells("doomed", 1), *cells("good", 1)])
    assert [how.code for how in failed.values()] == [143]
    assert len(started) == 2 + AGAIN
    assert lines[-1] == "doomed on d, seed 0 on cpu: failed with exit code 143"


def test_what_breaks_beside_a_cell_fails_it_alone(started, monkeypatch):
    real = local.run_cell

    def run(arguments, *more):
        if "0" in arguments:
            raise OSError("no more\nprocesses")
        return real(arguments, *more)

    monkeypatch.setattr(local, "run_cell", run)
    failed, _ = filled(cells("a", 3))
    assert [how.words for how in failed.values()] == [
        "failed with exit code 1: OSError: no more processes"
    ]
    assert len(started) == 2


def test_an_interrupt_starts_nothing_more_and_lets_go(monkeypatch):
    begun, release, let_go = [], threading.Event(), []

    def run(arguments, device, leash, tell, threads):
        begun.append(arguments)
        release.wait(5)
        let_go.append(not leash._held)
        return Ended(130)

    def interrupted(running, return_when):
        monkeypatch.undo()
        stop = Local.stop

        def stopping(places):
            stop(places)
            release.set()

        monkeypatch.setattr(Local, "stop", stopping)
        raise KeyboardInterrupt

    monkeypatch.setattr(local, "run_cell", run)
    monkeypatch.setattr(filling, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        filled(cells("a", 5), ["cpu", "cpu"])
    assert 1 <= len(begun) <= 2
    assert let_go == [True] * len(begun)
