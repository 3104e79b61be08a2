"""
What a cell has reached, kept by the scheduler: for workers that share no folder.

A worker sends the files of its cell now and then and at its end. So another one goes on from the
last checkpoint that was sent when this one dies, and whoever fills cells takes a finished run.
"""

import hashlib
import json
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

from recbench.atomic_write import atomic_folder
from recbench.sent_files import Files, State, read_changed, write_files

EVERY = 60.0
"""Seconds between two looks whether a cell has written anything."""


class Scheduler(Protocol):
    """What a client of Dask offers of its scheduler: values by a path of names."""

    def get_metadata(self, keys: list[str], default: Any) -> Any:
        """Return a value."""
        ...

    def set_metadata(self, key: list[str], value: Any) -> None:
        """Replace a value."""
        ...


class Reached:
    """
    The files of one cell at the scheduler.

    Parameters
    ----------
    scheduler
        Keeps them.
    arguments
        Of the cell, which are its name.
    """

    def __init__(self, scheduler: Scheduler, arguments: Sequence[str]) -> None:
        self.name = hashlib.sha256(json.dumps(arguments).encode()).hexdigest()[:12]
        self._scheduler, self._key = scheduler, ["recbench-cells", self.name]
        self._sent: State = {}

    @property
    def files(self) -> Files:
        """What was sent last; nothing where nothing was, or it is forgotten."""
        return self._kept()[1]

    def forget(self) -> None:
        """Have the scheduler keep it no more."""
        self._scheduler.set_metadata(self._key, None)

    def bring(self, folder: Path) -> None:
        """Have a folder go on where the cell is, which may have gone on elsewhere since."""
        sender, files = self._kept()
        if files and sender != _name(folder):
            with atomic_folder(folder) as partial:
                write_files(files, partial)

    def send(self, folder: Path) -> None:
        """Send the files of a folder, if they have changed and nothing is changing them."""
        if changed := read_changed(folder, self._sent):
            state, files = changed
            self._scheduler.set_metadata(self._key, [_name(folder), files])
            self._sent = state

    @contextmanager
    def kept_up(self, folder: Path) -> Iterator[None]:
        """Send the files of a folder now and then while the block runs, and at its end."""
        over = threading.Event()

        def look() -> None:
            while not over.wait(EVERY):
                with suppress(OSError, RuntimeError):  # a scheduler that cannot be reached for now
                    self.send(folder)

        looking = threading.Thread(target=look, daemon=True)
        looking.start()
        try:
            yield
        finally:
            over.set()
            looking.join()
            self.send(folder)

    def _kept(self) -> tuple[str, Files]:
        sender, files = self._scheduler.get_metadata(self._key, None) or ("", {})
        return sender, files


def _name(folder: Path) -> str:
    return f"{socket.gethostname()}:{folder}"
