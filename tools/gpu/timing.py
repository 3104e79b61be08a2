"""Measuring: interleaved pairs and their medians, memory, and what a device can do at most."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median

import torch
from torch import Tensor

Work = Callable[[], object]


def seconds(work: Work, device: torch.device) -> float:
    """Return how long it takes, until the device is done."""
    _wait(device)
    start = time.perf_counter()
    work()
    _wait(device)
    return time.perf_counter() - start


def interleaved(works: dict[str, Work], device: torch.device, rounds: int) -> dict[str, float]:
    """
    Return the median seconds of each work.

    They take turns, each first in every second round, so that a machine that slows down slows down
    all of them. Each is done twice before anything is measured.
    """
    measured: dict[str, list[float]] = {name: [] for name in works}
    for work in works.values():
        work()
        work()
    for number in range(rounds):
        for name in list(works)[:: 1 if number % 2 else -1]:
            measured[name].append(seconds(works[name], device))
    return {name: median(values) for name, values in measured.items()}


def matrix_peak(device: torch.device, dtype: torch.dtype, size: int) -> float:
    """Return the operations a second of a product of two square matrices, in the median of ten."""
    left, right = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    taken = interleaved({"product": lambda: left @ right}, device, rounds=10)
    return 2 * size**3 / taken["product"]


def peak_memory(work: Work, device: torch.device) -> int | None:
    """Return the most bytes that are allocated on a GPU meanwhile; None on a CPU."""
    if device.type != "cuda":
        work()
        return None
    torch.cuda.reset_peak_memory_stats(device)
    work()
    return int(torch.cuda.max_memory_allocated(device))


@contextmanager
def kept_for_backward(own: set[int]) -> Iterator[dict[int, int]]:
    """
    Note what a forward pass inside the block keeps for the backward one: bytes by address.

    Parameters
    ----------
    own
        Addresses that do not count: of weights and inputs.
    """
    kept: dict[int, int] = {}
    alive: list[Tensor] = []  # else an address could be used twice

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
            alive.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        yield kept


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
