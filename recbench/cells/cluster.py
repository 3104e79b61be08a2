"""
Cells on the workers of a Dask cluster.

A worker is handed plain text, and runs the cell as this machine would: ``recbench run`` in a
process of its own, which ends with the worker. The scheduler hands the cell of a worker that has
died to another one, which goes on from the checkpoint: all workers write into one results folder.
Workers that share none write each into a folder of its own, and send what their cells have reached.
"""

import fcntl
import json
import logging
import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError, Future
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from recbench import __version__
from recbench.atomic_write import PARTIAL
from recbench.cells.board import Board
from recbench.cells.cell import Cell
from recbench.cells.process import Ended, own_code
from recbench.cells.reached import Reached
from recbench.cells.worker import Refused, fault, let_go, on_worker
from recbench.errors import NotInstalledError, RecbenchError, UserError
from recbench.sent_files import Files

if TYPE_CHECKING:
    from distributed import Client
    from distributed import Future as Handed

GPU = "GPU"
"""The resource of a worker that has one: ``dask worker ADDRESS --resources "GPU=1"``."""

PATIENCE = 30.0
"""Seconds in which a scheduler must answer."""

GLANCE = 1.0
"""Seconds between two looks whether a worker has come."""

NAP = 10.0
"""Seconds for which a refused worker is kept busy, so that the scheduler chooses another."""


def check_installed() -> None:
    """Raise NotInstalledError where Dask is missing, before anything is run."""
    try:
        import distributed  # noqa: F401
    except ImportError:
        raise NotInstalledError("a cluster takes Dask: pip install 'recbench[dask]'") from None


class Cluster:
    """
    Places on the workers of a cluster, as a context.

    Parameters
    ----------
    address
        Of the scheduler.
    shared
        Folders that all workers must see, by the name of their option; none where they share no
        folder.
    device
        ``"auto"``: a cell that uses a GPU goes to a worker that has one, if any has when the first
        have come. ``"cpu"``: none does. ``"cuda"``: all do that use one, when there is such a
        worker.
    board
        Told of every cell that begins, and what it says.
    report
        Told what the user must know of the workers.
    take
        Takes what a finished cell has left, where workers share no folder; it raises RecbenchError
        for what is not to be trusted.
    """

    def __init__(
        self,
        address: str,
        shared: Mapping[str, Path],
        device: str,
        board: Board,
        report: Callable[[str], None],
        take: Callable[[Files], None] | None = None,
    ) -> None:
        check_installed()
        self._address, self._device, self._board, self._report = address, device, board, report
        self._shared, self._take = shared, take
        self._name = f"recbench-{uuid.uuid4().hex[:12]}"
        self._handed: set[Handed] = set()
        self._naps: dict[str, set[Handed]] = {}

    def __enter__(self) -> Self:
        with ExitStack() as held:
            self._client = held.enter_context(closing(_connected(self._address)))
            self._marks = {
                name: str(held.enter_context(_marked(folder, f"{self._name}-{name}")))
                for name, folder in self._shared.items()
            }
            self._code = own_code()
            self._check()
            self._on_gpus = self._chosen()
            self._client.subscribe_topic(self._name, self._hear)
            self._held = held.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._held:
            if error is not None:
                self.stop()

    def submit(self, cell: Cell) -> Future[Ended | None]:
        """Hand a cell over; it begins as soon as a worker is free that has what it needs."""
        found = Future[Ended | None]()
        self._hand_over(cell, found)
        return found

    def _hand_over(self, cell: Cell, found: Future[Ended | None]) -> None:
        on_gpu = cell.uses_gpu and self._on_gpus
        task = {
            "name": cell.name,
            "arguments": cell.arguments,
            "device": "cuda" if on_gpu else "cpu",
            "filling": self._name,
            "marks": self._marks,
            "code": self._code,
        }
        needs = {GPU: 1} if on_gpu else None
        handed = self._client.submit(on_worker, json.dumps(task), pure=False, resources=needs)
        self._handed.add(handed)
        handed.add_done_callback(partial(self._take_back, cell, found))

    def _take_back(self, cell: Cell, found: Future[Ended | None], handed: "Handed") -> None:
        """Pass on how a cell ended; let go of it, lest Dask runs it again if its worker dies."""
        from distributed import KilledWorker

        goes_on = "the same command goes on"
        try:
            ended = handed.result()
            if isinstance(ended, Refused):
                self._refuse(ended.worker, ended.why)
                self._hand_over(cell, found)
            else:
                found.set_result(self._taken(cell, ended))
        except CancelledError:
            gone = f"the scheduler at {self._address} is gone; start one, and {goes_on}"
            found.set_result(Ended(1, gone))
        except KilledWorker:
            lost = "each worker that had it died, as one without recbench does; see its log"
            found.set_result(Ended(1, f"{lost}, and {goes_on}"))
        except Exception as error:  # of a worker that cannot begin a cell: `on_worker` raises none
            self._blame(error, cell, found)
        self._handed.discard(handed)
        handed.release()

    def _blame(self, error: Exception, cell: Cell, found: Future[Ended | None]) -> None:
        """Refuse the workers that cannot even be asked, and hand their cell to others."""
        try:
            wrong = {one: why for one, why in self._faults().items() if why}
        except Exception:  # whatever Dask makes of a scheduler that has gone meanwhile
            wrong = {}
        for worker, why in wrong.items():
            self._refuse(worker, why)
        if wrong:
            self._hand_over(cell, found)
        else:
            found.set_exception(error)

    def _refuse(self, worker: str, why: str) -> None:
        """Say once what a worker lacks that has come later, and keep it busy for a while."""
        self._code = own_code()  # of a checkout that all share and somebody has changed meanwhile
        if worker not in self._naps:
            self._naps[worker] = set()
            self._report(f"{why} (cells wait for other workers)")
        # Others of its scheduler may have use for it, so it is not sent away; but whoever is free
        # is handed the next cell, and it would be free at once, time and again.
        naps, found = self._naps[worker], self._workers().get(worker)
        if found is not None and len(naps) < found["nthreads"]:
            nap = self._client.submit(time.sleep, NAP, pure=False, workers=[worker])
            naps.add(nap)
            nap.add_done_callback(naps.discard)

    def _taken(self, cell: Cell, ended: Ended) -> Ended:
        """Take what a finished cell has sent; one of which that is refused has failed."""
        if self._take is not None and ended.code == 0:
            reached = Reached(self._client, cell.arguments)
            try:
                self._take(reached.files)
            except RecbenchError as error:
                return Ended(error.exit_code, str(error))
            reached.forget()
        return ended

    def stop(self) -> None:
        """Begin no other cell, and have those that run leave."""
        with suppress(OSError, RuntimeError, TimeoutError):
            self._client.cancel(list(self._handed))
            self._client.run(let_go, self._name)

    def _check(self) -> None:
        """Refuse workers that could not do right; whether a GPU is to be had is known by one."""
        if self._device == "auto":
            self._wait_for_one()
        if wrong := [why for why in self._faults().values() if why]:
            raise UserError(wrong[0])

    def _faults(self) -> dict[str, str]:
        """Return why each worker that is there could not do right, by its address; empty if not."""
        asked = self._client.run(fault, self._name, self._marks, self._code, on_error="return")
        return {
            worker: _unasked(worker, why) if isinstance(why, BaseException) else why
            for worker, why in asked.items()
        }

    def _wait_for_one(self) -> None:
        """Wait for the first worker: of jobs that are not running yet none has said what it has."""
        if not self._workers():
            self._report(
                f"no worker at {self._address} yet; the first tells whether cells have a GPU "
                "(--device cuda or cpu waits for none)"
            )
            while not self._workers():
                time.sleep(GLANCE)

    def _chosen(self) -> bool:
        """Choose whether cells that use a GPU are to have one, and say so."""
        there = self._workers()
        has_gpus = any(one["resources"].get(GPU, 0) for one in there.values())
        if self._device == "cuda" and not has_gpus:
            self._report(f'no worker has the resource "{GPU}=1" yet; cells wait for one')
        elif not there:
            self._report(f"no worker at {self._address} yet; cells begin when one comes")
        if self._device == "auto":
            said = "some worker has" if has_gpus else "no worker has"
            kind = "cuda" if has_gpus else "cpu"
            self._report(
                f'{said} the resource "{GPU}=1": cells that use a GPU run with --device {kind}'
            )
        return self._device == "cuda" or (has_gpus and self._device == "auto")

    def _workers(self) -> Mapping[str, Any]:
        """Return what the scheduler knows of each worker, by its address."""
        found: Mapping[str, Any] = self._client.scheduler_info(n_workers=-1)["workers"]
        return found

    def _hear(self, event: tuple[float, dict[str, str]]) -> None:
        said = event[1]
        if "where" in said:
            self._board.begun(said["name"], said["where"])
        else:
            self._board.said(said["name"], said["line"])


@contextmanager
def _marked(folder: Path, name: str) -> Iterator[Path]:
    """
    Leave a file in a folder, by which a worker knows it.

    It is named as half-written files are, and held: `recbench runs clean` takes it, on whatever
    host, once this process has ended, and not before.
    """
    mark = folder.absolute() / f".{name}.{os.getpid()}{PARTIAL}"
    mark.parent.mkdir(parents=True, exist_ok=True)
    with mark.open("w") as file:
        try:
            with suppress(OSError):  # a file system without locks, on which every run is refused
                fcntl.flock(file, fcntl.LOCK_EX)
            yield mark
        finally:
            mark.unlink(missing_ok=True)


def _unasked(worker: str, error: BaseException) -> str:
    """Say that a worker has no recbench, or another one that cannot be asked for it."""
    said = " ".join(str(error).split())
    return (
        f"the worker at {worker} cannot be asked for its recbench ({said}); "
        f"install 'recbench[dask]' {__version__} where it runs, and start it again"
    )


def _connected(address: str) -> "Client":
    from distributed import Client
    from distributed.comm.addressing import parse_address, parse_host_port
    from distributed.comm.registry import get_backend

    try:  # of what is none, a client would leave a thread that complains behind
        scheme, place = parse_address(address)
        get_backend(scheme)
        parse_host_port(place)
    except ValueError as error:
        raise UserError(
            f"{address!r} is no address of a scheduler ({error}); give the one that dask scheduler "
            "prints when it starts, such as tcp://HOST:8786"
        ) from None
    for name in ("distributed", "distributed.client"):  # their tracebacks; we say it in a line
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        return Client(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, TimeoutError) as error:
        said = " ".join(str(error).split())
        raise RecbenchError(
            f"no Dask scheduler answers at {address}: {said}; start one with: dask scheduler"
        ) from None
