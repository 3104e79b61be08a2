"""Cells on this machine, a thread here for each that runs at a time."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from types import TracebackType
from typing import Self

from recbench.cells.board import Board
from recbench.cells.cell import Cell
from recbench.cells.process import Ended, run_cell
from recbench.errors import UserError
from recbench.hardware.threads import VARIABLE, own_cores
from recbench.leash import Leash


class Local:
    """
    Places on this machine.

    Parameters
    ----------
    devices
        One a place, as for ``recbench run``; a place works on one cell at a time.
    board
        Told of every cell that begins, and what it says.
    held
        Tells whether another process works on a cell by now: it is put off once, since it may be
        finished when its turn comes again, and so two who fill one table share its cells.
    """

    def __init__(
        self, devices: Sequence[str], board: Board, held: Callable[[Cell], bool] = lambda _: False
    ) -> None:
        self._board, self._leash = board, Leash()
        self._held, self._put_off = held, set[Cell]()
        self._alone = len(devices) == 1
        self._threads = threads_each(len(devices))
        self._free: SimpleQueue[str] = SimpleQueue()
        for device in devices:
            self._free.put(device)
        self._pool = ThreadPoolExecutor(len(devices))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._leash:
            if error is not None:
                self.stop()
            self._pool.shutdown()

    def submit(self, cell: Cell) -> Future[Ended | None]:
        """Run a cell as soon as a place is free, or put it off."""
        return self._pool.submit(self._run, cell)

    def stop(self) -> None:
        """Begin no other cell, and have those that run leave."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._leash.let_go()

    def _run(self, cell: Cell) -> Ended | None:
        if cell not in self._put_off and self._held(cell):
            self._put_off.add(cell)
            self._board.said(cell.name, "another process works on it; it is put off")
            return None
        device = self._free.get()
        self._board.begun(cell.name, device)
        try:
            # The progress bars of several at once would overwrite each other.
            tell = None if self._alone else lambda line: self._board.said(cell.name, line)
            return run_cell(cell.arguments, device, self._leash, tell, self._threads)
        finally:
            self._free.put(device)


def shared_out(devices: Sequence[str], workers: int | None) -> list[str]:
    """
    Give each of so many workers a device, in turn; without a number each device has one.

    Raises
    ------
    UserError
        If a device would have none.
    """
    count = len(devices) if workers is None else workers
    if count < len(devices):
        raise UserError(f"--workers {count} leaves some of {len(devices)} devices idle; name fewer")
    return [devices[worker % len(devices)] for worker in range(count)]


def threads_each(workers: int) -> int | None:
    """
    Divide the cores of this process among workers.

    Returns
    -------
    int or None
        At least 1; None where there is nothing to divide, or OMP_NUM_THREADS says how many.
    """
    if workers == 1 or os.environ.get(VARIABLE):
        return None
    return max(1, own_cores() // workers)
