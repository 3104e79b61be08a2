"""What a worker of a cluster does with a cell, and when it could not do right."""

import json
from types import SimpleNamespace

import pytest

from recbench.cells import worker as working
from recbench.cells.process import Ended
from recbench.cells.worker import fault, let_go, on_worker

distributed = pytest.importorskip("distributed", reason="Dask comes with the extra dask")

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Dask's own


CODE = "recbench 1, figure version 2, commit 3"


@pytest.fixture(autouse=True)
def _code(monkeypatch):
    """Ask no process for it."""
    monkeypatch.setattr(working, "own_code", lambda: CODE)


def test_a_worker_says_what_it_lacks(tmp_path):
    (tmp_path / "mark").touch()
    here, there = str(tmp_path / "mark"), str(tmp_path / "other")
    assert fault("me", {"results": here, "cache": here}, CODE) == fault("me", {}, CODE) == ""
    said = fault("me", {"results": there}, CODE)
    assert f"do not see {tmp_path}: give --results a folder on a disk that all" in said
    assert said.endswith("or have finished runs sent here by --fetch")
    said = fault("me", {"results": here, "cache": there}, CODE)
    assert f"do not see {tmp_path}: give --cache a folder on a disk that all" in said
    assert said.endswith("or leave it out: each machine then has a cache of its own")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("recbench 1, figure version 2", ""),  # installed from a wheel
        ("recbench 0, figure version 2", "recbench 1 where this has recbench 0;"),
        ("recbench 1, figure version 3", "figure version 2 where this has figure version 3;"),
        ("recbench 1, figure version 2, commit 3+", "commit 3 where this has commit 3+; install"),
        ("recbench 0, figure version 2, commit 4", "recbench 0 and commit 3 where this has commit"),
    ],
)
def test_a_worker_with_other_code_says_what_differs(code, said):
    """Every commit has the same version."""
    found = fault("me", {}, code)
    assert said in found
    assert bool(said) == bool(found)


def test_a_worker_is_asked_for_its_code_by_each_who_fills_cells(monkeypatch):
    assert fault("one", {}, CODE) == ""
    monkeypatch.setattr(working, "own_code", lambda: "recbench 2")
    assert fault("one", {}, CODE) == ""
    assert "have recbench 2 where this has recbench 1" in fault("another", {}, CODE)


def test_a_worker_runs_a_cell_and_lets_go_of_it_when_told(monkeypatch, tmp_path):
    events, seen = [], []
    worker = SimpleNamespace(name="w", address="tcp://w:1")
    worker.log_event = lambda topic, said: events.append((topic, said))
    monkeypatch.setattr(distributed, "get_worker", lambda: worker)

    def run_cell(arguments, device, leash, tell, threads):
        seen.append((arguments, device, threads))
        tell("training")
        let_go("another")
        assert leash._held
        let_go("mine")
        assert not leash._held
        return Ended(143)

    monkeypatch.setattr(working, "run_cell", run_cell)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    (tmp_path / "mark").touch()
    task = {"name": "a", "arguments": ["--seed", "0"], "device": "cpu", "filling": "mine"}
    task |= {"marks": {"results": str(tmp_path / "mark")}, "code": CODE}
    assert on_worker(json.dumps(task)) == Ended(143)
    assert seen == [(["--seed", "0"], "cpu", 3)]
    assert [said.get("line") for _, said in events] == [None, "training"]
    assert on_worker(json.dumps(task | {"code": "recbench 99"})).worker == "tcp://w:1"
    seen.clear()
    monkeypatch.setattr(working, "run_cell", lambda *_: seen[0])
    assert on_worker(json.dumps(task)) == Ended(1, "IndexError: list index out of range")


@pytest.mark.parametrize(
    ("variable", "threads"),
    [(None, 1), ("", 1), ("3", 3), ("2,1", 2), (" 4 , 2", 4), ("0", 1), ("many", 1)],
)
def test_threads_are_those_of_the_worker(monkeypatch, variable, threads):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if variable is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", variable)
    given = []
    monkeypatch.setattr(working, "run_cell", lambda *asked: given.append(asked[-1]) or Ended(0))
    worker = SimpleNamespace(name="w", log_event=lambda *_: None)
    monkeypatch.setattr(distributed, "get_worker", lambda: worker)
    task = {"name": "a", "arguments": [], "device": "cpu", "filling": "mine"}
    task |= {"marks": {"results": __file__}, "code": CODE}
    assert on_worker(json.dumps(task)) == Ended(0)
    assert given == [threads]
