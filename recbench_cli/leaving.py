"""
How a command leaves when it is told to: by Ctrl-C, by ``kill``, by a batch system.

SIGINT and SIGTERM are raised in the main thread, so that everything that is open closes in order:
what was answered is kept, what is half-written goes, processes of ours end. But Python hears of a
signal only between two steps of its own, and one step of a language model may last half a minute in
C. So a thread hears of it as well, at once, and ends the process if that has not left by itself in
`GRACE` seconds. Nothing is half-written then, since files are written aside and renamed; what is
lost is the step that was running. (C code that holds the interpreter's lock all the while stops
this thread, too; torch, NumPy and Arrow let go of it.) The thread also wakes the main one, which
sleeps on where it went to sleep just when it was told, or where another thread took the signal.
"""

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType

from recbench.leash import LEASH, on_a_leash
from recbench_cli.options import say

GRACE = 3.0
"""Seconds in which a process leaves by itself."""

WAKING = 0.1
"""Seconds between two knocks at a main thread that has not heard of a signal yet."""

SIGNALS = (signal.SIGINT, signal.SIGTERM)

SHOW_CURSOR = "\x1b[?25h"
"""A progress bar hides the cursor of a terminal, and could not bring it back."""


@dataclass
class Told:
    """
    Whether a process was told to leave.

    Attributes
    ----------
    signal
        The number of the first signal; None as long as there was none.
    """

    signal: int | None = None

    @property
    def code(self) -> int:
        """The exit code: 128 and the signal's number."""
        assert self.signal is not None  # nobody asks before
        return 128 + self.signal

    def hear(self, number: int, _: FrameType | None) -> None:
        """Leave at the first signal; more of them must not disturb what closes then."""
        if self.signal is None:
            self.signal = number
            raise KeyboardInterrupt


@contextmanager
def leaving_in_time(told: Told, last_words: str) -> Iterator[None]:
    """
    Leave within `GRACE` seconds when the process is told to, inside the block.

    The block must be in the main thread; in another one nothing is done. A signal that whoever
    started the process has it ignore stays ignored, as by ``nohup``. Once told, a process ends:
    then nothing is put back behind the block, and what else it is told is ignored, which would
    change its exit code.

    Parameters
    ----------
    told
        Where it is kept that it was told.
    last_words
        What is said on standard error by a process that has to be ended.

    Raises
    ------
    KeyboardInterrupt
        Where it is told: inside the block, or as that is entered or left.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard = [one for one in SIGNALS if signal.getsignal(one) is not signal.SIG_IGN]
    ear, mouth = socket.socketpair()
    mouth.setblocking(False)
    threading.Thread(target=_watch, args=(told, ear, heard, last_words), daemon=True).start()
    before = {one: signal.signal(one, told.hear) for one in heard}
    wakeup = signal.set_wakeup_fd(mouth.fileno(), warn_on_full_buffer=False)
    try:
        if end := os.environ.pop(LEASH, ""):
            on_a_leash(int(end), lambda: os.kill(os.getpid(), signal.SIGTERM))
        yield
    finally:
        if told.signal is None:
            signal.set_wakeup_fd(wakeup)
            for number, handler in before.items():
                signal.signal(number, handler)
            mouth.close()
        else:
            for number in heard:
                signal.signal(number, signal.SIG_IGN)


def _watch(told: Told, ear: socket.socket, heard: list[signal.Signals], last_words: str) -> None:
    """End the process some time after a signal, unless the other end of `ear` is closed before."""
    main = threading.main_thread().ident
    assert main is not None  # it has begun
    with ear:
        number = 0
        while number not in heard:  # whatever else Python handles is told here as well
            said = ear.recv(1)
            if not said:
                return
            number = said[0]
        end = time.monotonic() + GRACE
        while time.monotonic() < end:  # listening: Python would complain of the next signal
            time.sleep(WAKING)
            if told.signal is None:
                signal.pthread_kill(main, number)
    cursor = SHOW_CURSOR if os.isatty(2) else ""
    with suppress(OSError):  # whoever read it may have left by the same Ctrl-C, as tee does
        os.write(2, f"{cursor}{last_words}\n".encode(errors="replace"))
    os._exit(128 + number)


def say_last(words: str) -> None:
    """
    Say how a process ends that was told to leave.

    Whoever read it may have left by the same Ctrl-C (``2>&1 | tee log``). What is still unwritten
    then goes nowhere: Python would try again at its very end, fail, and change the exit code.
    """
    with suppress(OSError):
        say(words)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
