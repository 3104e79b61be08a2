"""
What a worker of a Dask cluster does: it runs a cell, and says how that ended.

The cell is ``recbench run`` in a process of its own, as on the machine that asks, and ends with the
worker.
"""

import json
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from recbench.cells.process import Ended, own_code, run_cell
from recbench.cells.reached import Reached
from recbench.hardware.threads import asked_threads
from recbench.leash import Leash

OWN = "recbench-cells"
"""Folder of a worker that shares none, below the one in which it was started; of cells by name."""

OTHERWISE = {
    "results": "have finished runs sent here by --fetch",
    "cache": "leave it out: each machine then has a cache of its own",
}
"""What can be done where no disk is shared, by the option that names a folder on one."""

_LEASHES: dict[str, list[Leash]] = {}
"""Of the cells that run on this worker, by the name of whoever fills them."""


@dataclass(frozen=True)
class Refused:
    """
    What becomes of a cell on a worker that could not do right: it is not begun, and others may.

    Attributes
    ----------
    worker
        Its address.
    why
        In a line.
    """

    worker: str
    why: str


def on_worker(task: str) -> Ended | Refused:
    """
    Run a cell on this worker; nothing is raised, so that what is comes from no recbench like this.

    Parameters
    ----------
    task
        JSON object: name and arguments of the cell, device, the name of whoever fills cells, the
        files that mark the folders which it shares, by the options that name these, and by what
        code it would run a cell itself (`recbench.cells.process.own_code`).
    """
    from distributed import get_worker

    asked, worker = json.loads(task), get_worker()
    if why := fault(asked["filling"], asked["marks"], asked["code"]):
        return Refused(worker.address, why)
    try:
        return _run(asked, worker)
    except Exception as error:
        return Ended.by(error)


def _run(asked: Mapping[str, Any], worker: Any) -> Ended:
    topic, name = asked["filling"], asked["name"]
    worker.log_event(topic, {"name": name, "where": f"{socket.gethostname()} {worker.name}"})

    def tell(line: str) -> None:
        worker.log_event(topic, {"name": name, "line": line})

    with Leash() as leash:
        leashes = _LEASHES.setdefault(topic, [])
        leashes.append(leash)
        try:
            with _writing(asked["arguments"], asked["marks"]) as where:
                given = [*asked["arguments"], *where]
                threads = asked_threads() or 1  # as many as Dask gives a worker
                return run_cell(given, asked["device"], leash, tell, threads)
        finally:
            leashes.remove(leash)


@contextmanager
def _writing(arguments: Sequence[str], marks: Mapping[str, str]) -> Iterator[list[str]]:
    """Give the option that says where a cell writes, if need be; keep what it reaches there."""
    from distributed import get_client

    if marks:
        yield []
        return
    reached = Reached(get_client(), arguments)
    own = Path(OWN).resolve() / reached.name
    reached.bring(own)
    with reached.kept_up(own):
        yield ["--results", str(own)]


def fault(filling: str, marks: Mapping[str, str], code: str) -> str:
    """
    Say in a line why this worker could not do right; empty where it can.

    Parameters
    ----------
    filling
        Name of whoever fills cells.
    marks, code
        As for `on_worker`.
    """
    host = socket.gethostname()
    if other := _other_code(filling, code):
        return f"the workers on {host} have {other}; install the same everywhere"
    for name, mark in marks.items():
        if not Path(mark).is_file():
            return (
                f"the workers on {host} do not see {Path(mark).parent}: give --{name} a folder on "
                f"a disk that all machines share, or {OTHERWISE[name]}"
            )
    return ""


@cache
def _other_code(filling: str, code: str) -> str:  # noqa: ARG001 (it is asked anew by each)
    """Say what differs between the code here and there; a commit counts where both have one."""
    both = zip(own_code().split(", "), code.split(", "), strict=False)
    return " and ".join(f"{own} where this has {asked}" for own, asked in both if own != asked)


def let_go(filling: str) -> None:
    """Have the cells leave that run on this worker for one who fills them."""
    for leash in _LEASHES.get(filling, ()):
        leash.let_go()
