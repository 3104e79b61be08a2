"""Cells on this machine: who has which device, and how many threads."""

import pytest

from recbench.cells import local
from recbench.cells.local import shared_out, threads_each
from recbench.errors import UserError
from recbench.hardware.threads import VARIABLE


def test_devices_go_round():
    assert shared_out(["cpu"], None) == ["cpu"]
    assert shared_out(["auto"], 3) == ["auto"] * 3
    assert shared_out(["cuda:0", "cuda:1"], 3) == ["cuda:0", "cuda:1", "cuda:0"]
    with pytest.raises(UserError, match="--workers 1 leaves some of 2 devices idle; name fewer"):
        shared_out(["cuda:0", "cuda:1"], 1)


@pytest.mark.parametrize(("workers", "threads"), [(1, None), (2, 4), (3, 2), (8, 1), (20, 1)])
def test_workers_divide_the_cores(monkeypatch, workers, threads):
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(local, "own_cores", lambda: 8)
    assert threads_each(workers) == threads


def test_what_the_user_says_of_threads_stands(monkeypatch):
    monkeypatch.setenv(VARIABLE, "3")
    assert threads_each(4) is None
