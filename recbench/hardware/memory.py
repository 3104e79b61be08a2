"""Memory: what a GPU has left, what is done where any does not suffice, what a CPU gives back."""

import ctypes
import gc
import sys
from collections.abc import Callable
from typing import TypeVar

import torch

from recbench.out_of_memory import lacks_memory

Result = TypeVar("Result")


def free_memory(device: torch.device) -> int:
    """
    Return the bytes that can still be allocated on a GPU.

    Those that the driver has left, and those that torch keeps of tensors that are gone.
    """
    left, _ = torch.cuda.mem_get_info(device)
    return left + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)


def if_it_fits(compute: Callable[[], Result]) -> Result | None:
    """Return what is computed, or None where memory runs out; all of the attempt is then freed."""
    try:
        return compute()
    except (MemoryError, RuntimeError) as error:
        if not lacks_memory(error):
            raise
    gc.collect()  # what is freed here and below is held by the traceback until here
    torch.cuda.empty_cache()
    give_back()
    return None


def give_back() -> None:
    """
    Give the memory that is free inside this process back to the system, where that can be asked.

    The GNU C library keeps what tensors of ever other shapes leave behind, in pieces: tuning a
    language model on rows of many lengths, a process grew by gigabytes within some hundred steps.
    """
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # other C libraries have none
        if trim is not None:
            trim(0)
