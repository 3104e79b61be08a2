"""
A process that must not outlive the one that started it, however that ends.

The one holds an end of a pipe, in which nothing is ever written, and the other waits at the other
end: the operating system closes it with the process that held it, killed or not.
"""

import os
import signal
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

LEASH = "RECBENCH_LEASH"
"""Environment variable by which a `recbench` that another one has started is told of its end."""


class Leash:
    """
    What the first process holds, as a context: at its end the others are let know.

    Attributes
    ----------
    end
        Number of the pipe's other end, to be passed on (`subprocess.run`'s ``pass_fds``).
    """

    def __init__(self) -> None:
        self.end, self._ours = os.pipe()
        self._held, self._lock = True, threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.let_go()
        os.close(self.end)

    def let_go(self) -> None:
        """Let the others know now; a cluster may ask for it just as the context ends."""
        with self._lock:
            if self._held:
                self._held = False
                os.close(self._ours)


def on_a_leash(end: int, leave: Callable[[], None]) -> None:
    """Call `leave` in a thread as soon as the process that holds the leash has let go or ended."""

    def wait() -> None:
        os.read(end, 1)
        leave()

    threading.Thread(target=wait, daemon=True).start()


def signal_name(number: int) -> str:
    """Name the signal that has ended a process; those of real time have numbers alone."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
