"""An interrupt is heard between two steps of a training, where a checkpoint can be written."""

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self

SIGNALS = (signal.SIGINT, signal.SIGTERM)

Handler = Callable[[int, FrameType | None], Any]


class WholeSteps:
    """
    A context in which signals that Python handles wait until they are let through.

    In a thread, which Python tells of no signal, it does nothing.

    Attributes
    ----------
    told
        Number of the first signal that waits; None where none does.
    """

    def __init__(self) -> None:
        self.told: int | None = None
        self._usual: dict[int, Handler] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            found = {number: signal.getsignal(number) for number in SIGNALS}
            self._usual = {number: one for number, one in found.items() if callable(one)}
            for number in self._usual:
                signal.signal(number, self._wait)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._usual.items():
            signal.signal(number, handler)
        if error is None:
            self.let_through()

    def _wait(self, number: int, _: FrameType | None) -> None:
        self.told = self.told or number

    def let_through(self) -> None:
        """Let what waits be handled, which raises KeyboardInterrupt as a rule."""
        if self.told is not None:
            number, self.told = self.told, None
            self._usual[number](number, None)
