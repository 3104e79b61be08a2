"""Memory that does not suffice; on a real GPU where there is one."""

import gc
import os
import platform
import subprocess
import sys
import weakref
from pathlib import Path

import pytest
import torch

from recbench.hardware.memory import free_memory, give_back, if_it_fits
from recbench.neural.precision import computes_bfloat16


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


@pytest.mark.parametrize(
    "said",
    [
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasGemmEx(...)`",
        "CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
        "cusolver error: CUSOLVER_STATUS_ALLOC_FAILED, when calling `cusolverDnCreate(handle)`",
        "Unable to find a valid cuDNN algorithm to run convolution",
        "FIND was unable to find an engine to execute this computation",
        "NCCL error\nLast error:\nFailed to CUDA calloc 10485760 bytes",
    ],
)
def test_the_libraries_of_a_gpu_have_words_of_their_own(said: str) -> None:
    def too_much() -> None:
        raise RuntimeError(said)

    assert if_it_fits(too_much) is None


def test_another_failure_is_not_taken_for_it() -> None:
    def broken() -> None:
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        if_it_fits(broken)


GROWS = """
import torch, resource
import recbench.neural
from torch.nn.functional import linear
weight = torch.randn(512, 512, dtype=torch.bfloat16)
def used(lengths):
    for length in lengths:
        linear(torch.randn(length, 512, dtype=torch.bfloat16), weight)
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() >> 20
before = used(range(100, 200))
print(used(range(200, 900)) - before)
"""
"""Prints by how many MB a process grows while it multiplies matrices of ever other shapes."""


def test_a_process_does_not_keep_a_kernel_for_every_shape() -> None:
    if sys.platform != "linux":
        pytest.skip("the memory of a process is read from /proc")
    if not computes_bfloat16(torch.device("cpu")):
        pytest.skip("this processor keeps no kernels of bfloat16")

    def grown(**kept: str) -> int:
        asked = [sys.executable, "-c", GROWS]
        own = {
            k: v
            for k, v in os.environ.items()
            if k not in ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY")
        }
        said = subprocess.run(asked, capture_output=True, check=True, text=True, env=own | kept)
        return int(said.stdout)

    # about 15 MB and 400, or 100 and 480: what else a process takes depends on the machine
    assert 2 * grown() < grown(ONEDNN_PRIMITIVE_CACHE_CAPACITY="1024", LRU_CACHE_CAPACITY="1024")


def test_how_many_kernels_are_kept_is_left_to_the_user() -> None:
    code = "import recbench.neural, os; print(os.environ['LRU_CACHE_CAPACITY'])"
    for own, kept in (({}, "64"), ({"LRU_CACHE_CAPACITY": "3"}, "3")):
        usual = {k: v for k, v in os.environ.items() if k != "LRU_CACHE_CAPACITY"}
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env=usual | own,
        )
        assert done.stdout.strip() == kept


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
