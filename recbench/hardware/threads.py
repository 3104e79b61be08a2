"""
In how many threads a numerical operation computes on the CPU.

A sum of several threads is rounded otherwise than that of one, in the last bits, so their number is
part of what a training is: it never depends on what else the machine is doing, a record tells it,
and a training goes on with as many as it was begun with. Beside other work they wait without
turning (`recbench.hardware`), so that a thread without a core holds up nobody.
"""

import json
import math
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from recbench.atomic_write import atomic_file
from recbench.sealed import sealed, unsealed

VARIABLE = "OMP_NUM_THREADS"

FILE = "threads"

CONTROL_GROUP = Path("/sys/fs/cgroup")


def own_cores() -> int:
    """Return how many cores this process may use: those it is bound to, of its group's quota."""
    bound = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return min(bound, quota() or bound)


def asked_threads() -> int | None:
    """Return how many OMP_NUM_THREADS asks for, at the outermost level (``2,1``); None if none."""
    outermost = os.environ.get(VARIABLE, "").partition(",")[0].strip()
    return max(1, int(outermost)) if outermost.isdecimal() else None


def quota(group: Path = CONTROL_GROUP) -> int | None:
    """
    Read how much time on cores the control group of a container may use.

    Returns
    -------
    int or None
        Whole cores, at least 1; None where there is no limit, or none that can be read.
    """
    try:
        if (unified := group / "cpu.max").is_file():
            allowed, period = unified.read_text(encoding="ascii").split()
        else:
            files = [group / "cpu" / f"cpu.cfs_{name}_us" for name in ("quota", "period")]
            allowed, period = (file.read_text(encoding="ascii") for file in files)
        return max(1, math.ceil(int(allowed) / int(period))) if int(allowed) > 0 else None
    except (OSError, ValueError, ZeroDivisionError):  # "max" is no limit
        return None


@contextmanager
def as_begun(folder: Path, report: Callable[[str], None], writes: bool = True) -> Iterator[None]:
    """
    Compute in as many threads as what is in a folder was begun with, inside the block.

    What has not loaded torch does not compute in it, and nothing is done.

    Parameters
    ----------
    folder
        Of checkpoints; made when needed.
    report
        Told where their number is another one than would be taken now.
    writes
        Whether this process notes their number: of several that work together one does.
    """
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    now, variable = int(torch.get_num_threads()), os.environ.get(VARIABLE)
    begun = _read(folder / FILE, report)
    if begun is None and writes:
        with atomic_file(folder / FILE) as partial:
            partial.write_text(json.dumps(sealed({"threads": now})), encoding="ascii")
    if begun not in (None, now):
        report(
            f"going on in {_threads(begun)} as it was begun, not in {now}: the last bits of sums "
            "depend on it; --fresh begins anew"
        )
    count = begun or now
    torch.set_num_threads(count)
    os.environ[VARIABLE] = str(count)  # of processes that are started
    try:
        yield
    finally:
        torch.set_num_threads(now)
        os.environ.pop(VARIABLE)
        if variable is not None:
            os.environ[VARIABLE] = variable


def _read(file: Path, report: Callable[[str], None]) -> int | None:
    if not file.is_file():
        return None
    try:
        return max(1, int(unsealed(json.loads(file.read_bytes()))["threads"]))
    except (OSError, ValueError, LookupError, TypeError):
        report(f"{file} was changed after it was written: threads are taken as for a new run")
        return None


def _threads(count: int) -> str:
    return "1 thread" if count == 1 else f"{count} threads"
