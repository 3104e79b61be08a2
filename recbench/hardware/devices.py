"""From the name of a device to one that is there, and whether it gives the same bits twice."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from recbench.errors import RecbenchError, UserError, unknown
from recbench.processes import ALONE, Processes

_WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"

WAYS: tuple[tuple[str, ...], ...] = ((), ("cuda",), ("cuda", "deterministic"))
"""All that `way_of` may return."""


def resolve(name: str, processes: Processes = ALONE) -> str:
    """
    Choose and check a device.

    Parameters
    ----------
    name
        ``"auto"`` (the first GPU, else the CPU), ``"cpu"``, ``"cuda"`` or ``"cuda:N"``.
    processes
        Those that share the work: of several, each has the GPU of its number on its host.

    Returns
    -------
    str
        ``"cpu"`` or ``"cuda:N"``.

    Raises
    ------
    UserError
        For another name, where there is no GPU, or no GPU of that number; for a number where there
        are several processes.
    """
    if name == "cpu":
        return name
    kind, colon, number = name.partition(":")
    if name != "auto" and (kind != "cuda" or (colon and not number.isdecimal())):
        raise unknown("device", name, ("auto", "cpu", "cuda", "cuda:0"))
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto" and not count:
        return "cpu"
    if not count:
        raise UserError(f"no GPU is there for device '{name}'; use --device cpu or --device auto")
    if number and processes.count > 1:
        raise UserError(
            f"{processes.count} processes cannot share '{name}'; give --device cuda, and each has "
            "a GPU of its own"
        )
    own = int(os.environ.get("LOCAL_RANK", 0)) if processes.count > 1 else 0
    index = int(number or own)
    if index >= count:
        whose = f" for each of {processes.count} processes" if processes.count > 1 else ""
        raise UserError(
            f"there is no device 'cuda:{index}'{whose}; the last GPU is cuda:{count - 1}"
        )
    return f"cuda:{index}"


def way_of(device: str) -> tuple[str, ...]:
    """
    Return what rounds otherwise than a CPU does: nothing of a CPU, else one of `WAYS`.

    For the keys of what is computed there: a CPU's stand without it.
    """
    kind = device.partition(":")[0]
    if kind == "cpu":
        return ()
    return (kind, "deterministic") if is_deterministic() else (kind,)


def is_deterministic() -> bool:
    """Return whether this process keeps to such operations now; imports nothing."""
    torch = sys.modules.get("torch")
    return torch is not None and bool(torch.are_deterministic_algorithms_enabled())


@contextmanager
def deterministic(asked: bool) -> Iterator[None]:
    """
    Use only operations that give the same bits every time inside the block, where that is asked.

    On a GPU sums are else added up in any order. Torch and the environment are left as they were.
    cuBLAS looks at its environment when a process first uses it: begin in a new process.

    Raises
    ------
    RecbenchError
        If something in the block needs an operation that has no such form.
    """
    if not asked:
        yield
        return
    import torch

    before = torch.get_deterministic_debug_mode(), os.environ.get(_WORKSPACE)
    os.environ[_WORKSPACE] = ":16:8"  # the one value that cuBLAS and cuDNN's recurrent nets share
    torch.use_deterministic_algorithms(True)
    try:
        yield
    except RuntimeError as error:
        if "deterministic" not in str(error):
            raise
        said = str(error).partition(", but ")[0].splitlines()[0]
        raise RecbenchError(
            f"leave out --deterministic, which cannot be had here: {said}"
        ) from error
    finally:
        torch.set_deterministic_debug_mode(before[0])
        os.environ.pop(_WORKSPACE)
        if before[1] is not None:
            os.environ[_WORKSPACE] = before[1]
