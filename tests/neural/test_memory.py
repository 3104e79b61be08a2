"""Memory that does not suffice; on a real GPU where there is one."""

import gc
import platform
import weakref
from pathlib import Path

import pytest
import torch

from recbench.neural.memory import free_memory, give_back, if_it_fits


def test_nothing_of_a_failed_attempt_is_held() -> None:
    held: list[weakref.ref[torch.Tensor]] = []

    def too_much() -> torch.Tensor:
        tensor = torch.zeros(8)
        held.append(weakref.ref(tensor))
        raise torch.OutOfMemoryError("CUDA out of memory")

    gc.disable()  # not by the collector's leave
    try:
        assert if_it_fits(too_much) is None
        assert held[0]() is None
    finally:
        gc.enable()
    assert if_it_fits(lambda: 5) == 5


def test_another_failure_is_not_taken_for_it() -> None:
    def broken() -> None:
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        if_it_fits(broken)


@pytest.mark.gpu
def test_a_gpu_that_was_full_is_free_again() -> None:
    gpu = torch.device("cuda")
    before = free_memory(gpu)

    def too_much() -> torch.Tensor:
        part = torch.zeros(before // 2, dtype=torch.uint8, device=gpu)
        return torch.cat([part, part, part])

    assert if_it_fits(too_much) is None
    assert free_memory(gpu) >= 0.95 * before
    kept = torch.zeros(1 << 28, dtype=torch.uint8, device=gpu)
    del kept  # torch keeps its block, and it is free all the same
    assert free_memory(gpu) >= 0.95 * before


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="this C library keeps nothing")
def test_what_tensors_leave_behind_goes_back_to_the_system() -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1])

    tensors = [torch.ones(10_000) for _ in range(5_000)]  # 200 MB, in pieces that the library keeps
    full = resident()
    del tensors[:-1]  # one is left at the end
    give_back()
    assert full - resident() > 0.8 * 200e6 / 4096


def test_other_systems_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    monkeypatch.setattr("ctypes.CDLL", None)
    give_back()
