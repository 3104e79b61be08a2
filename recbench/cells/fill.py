"""Run all cells, whatever becomes of one of them."""

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from types import TracebackType
from typing import Protocol, Self

from recbench.cells.board import Board
from recbench.cells.cell import Cell
from recbench.cells.process import Ended

AGAIN = 3
"""How often a cell is gone on with that something has ended from outside."""

PARTING = 2.0
"""Seconds in which cells that are told to leave may say how they ended."""


class Places(Protocol):
    """Where cells run, so many at a time; at the end of the context none is running."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    def submit(self, cell: Cell) -> Future[Ended | None]:
        """Run a cell as soon as there is room; None where it is put off behind the others."""
        ...

    def stop(self) -> None:
        """Begin no other cell, and have those that run leave folders that can be gone on with."""
        ...


def fill(cells: Sequence[Cell], places: Places, board: Board) -> dict[Cell, Ended]:
    """
    Run every cell; one whose record stands already is found finished by ``recbench run`` itself.

    One whose process is ended from outside (killed, or for want of memory) is gone on with from its
    checkpoint, by whoever is free.

    Parameters
    ----------
    cells
        In the order in which they are started.
    places
        Where they run; entered here.
    board
        Told of every cell that ends; `places` tell it of those that begin.

    Returns
    -------
    dict of Cell to Ended
        Those that failed, and how; the others were run nevertheless.
    """
    failed: dict[Cell, Ended] = {}
    tried = Counter[Cell]()
    with places, board:
        running = {places.submit(cell): cell for cell in cells}
        try:
            while running:
                done = wait(running, return_when=FIRST_COMPLETED).done
                for future in [one for one in running if one in done]:  # a set has no order
                    cell = running.pop(future)
                    if (ended := _end(future)) is None:
                        running[places.submit(cell)] = cell
                        continue
                    tried[cell] += 1
                    again = ended.from_outside and tried[cell] <= AGAIN
                    board.ended(cell.name, ended, again)
                    if again:
                        running[places.submit(cell)] = cell
                    elif ended.code:
                        failed[cell] = ended
        except KeyboardInterrupt:
            places.stop()
            wait(running, PARTING)
            raise
    return failed


def _end(future: Future[Ended | None]) -> Ended | None:
    """Return how a cell ended; what has come between it and us is a failure of it."""
    try:
        return future.result()
    except Exception as error:
        return Ended.by(error)
