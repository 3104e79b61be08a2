"""What becomes of cells, told as it happens: one live table on a terminal, else a line an event."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from recbench.cells.process import ERROR, Ended
from recbench.plain_text import printable
from recbench.secret import without_secrets

BAR = re.compile(r"\d%\|")
"""In each state of a library's progress bar."""


@dataclass
class _Running:
    where: str
    said: str = ""
    since: float = field(default_factory=time.monotonic)


class Board:
    """
    What is known of all cells, as a context.

    Parameters
    ----------
    cells
        How many there are.
    report
        Told of every cell that begins, ends or fails, and what it says, as one that runs alone
        shows it itself.
    live
        Whether to draw a table of those that run, on standard error where that is a terminal.
    """

    def __init__(self, cells: int, report: Callable[[str], None], live: bool = False) -> None:
        self._cells, self._report = cells, report
        self._running: dict[str, _Running] = {}
        self._done = self._failed = 0
        console = Console(stderr=True)
        self._live: Live | None = None
        if live and console.is_terminal:
            self._live = Live(
                console=console, transient=True, refresh_per_second=2, get_renderable=self.table
            )

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def begun(self, name: str, where: str) -> None:
        """Note that a cell runs, for the first time or again."""
        self._running[name] = _Running(where)
        self._report(f"{name} on {where}: begun")

    def said(self, name: str, line: str) -> None:
        """Note the latest line of a cell; pass on what is neither a bar nor how it ends."""
        if (running := self._running.get(name)) is not None:
            running.said = line
        if not BAR.search(line) and not line.startswith(ERROR):
            self._report(f"{name}: {line}")

    def ended(self, name: str, how: Ended, again: bool) -> None:
        """Note how a cell ended, and whether it will be gone on with."""
        running = self._running.pop(name, None)
        self._done += how.code == 0
        self._failed += how.code != 0 and not again
        where = f" on {running.where}" if running is not None else ""
        self._report(f"{name}{where}: {how.words}{'; it goes on where it stopped' * again}")

    def table(self) -> Group:
        """Draw the cells that run now."""
        running = dict(self._running)
        waiting = self._cells - self._done - self._failed - len(running)
        counts = {"done": self._done, "failed": self._failed, "waiting": waiting}
        told = ", ".join(f"{number} {state}" for state, number in counts.items() if number)
        drawn = Table(box=None)
        for header in ("cell", "on", "time", "says"):
            drawn.add_column(header, no_wrap=True, overflow="ellipsis")
        for name, one in running.items():
            passed = timedelta(seconds=int(time.monotonic() - one.since))
            said = printable(without_secrets(one.said))
            drawn.add_row(*map(Text, (name, printable(one.where), str(passed), said)))
        return Group(drawn, Text(f"{self._cells} cells: {told or 'all running'}"))
