"""From the name of a device to one that is there, and whether it gives the same bits twice."""

import os
import re
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
    Choose and check a device; a GPU is then the current one of this process.

    Parameters
    ----------
    name
        ``"auto"`` (the first GPU, if torch can compute on it, else the CPU), ``"cpu"``, ``"cuda"``
        or ``"cuda:N"``.
    processes
        Those that share the work: of several, each has the GPU of its number on its host.

    Returns
    -------
    str
        ``"cpu"`` or ``"cuda:N"``.

    Raises
    ------
    UserError
        For another name, where there is no GPU, or no GPU of that number, or one for which torch
        was not built; for a number where there are several processes.
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
    if not _has_kernels(index):
        if name == "auto":  # torch has warned of it
            return "cpu"
        raise UserError(
            f"the installed torch cannot compute on 'cuda:{index}', whose kind it was not built "
            "for; install another build of it, or use --device cpu"
        )
    torch.cuda.set_device(index)  # kernels that are not torch's own go by it
    return f"cuda:{index}"


def _has_kernels(index: int) -> bool:
    """Whether torch was built for a GPU: for its generation, or in a form that is compiled anew."""
    import torch

    own = torch.cuda.get_device_capability(index)
    built = [
        re.fullmatch(r"(sm|compute)_(\d+)(\d)[af]?", one) for one in torch.cuda.get_arch_list()
    ]
    if not built or not all(built):  # nothing is said, or it is of another maker
        return True
    versions = [(found[1], (int(found[2]), int(found[3]))) for found in built if found]
    return any(
        version <= own and (kind == "compute" or version[0] == own[0]) for kind, version in versions
    )


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


def lacks_deterministic_form(error: BaseException) -> bool:
    """Tell whether torch refused an operation since it gives no same bits every time."""
    return isinstance(error, RuntimeError) and "deterministic" in str(error)


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
        if not lacks_deterministic_form(error):
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
