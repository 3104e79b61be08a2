"""The calls that a model has answered, kept, so that an evaluation goes on where it stopped."""

import struct
import time
import zipfile
import zlib
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from recbench.atomic_write import atomic_file
from recbench.evaluation.divided import Answers
from recbench.processes import ALONE, Processes

SECONDS = 30.0
"""Least time between two files, but of texts alone: those may have been paid for."""

LONG = 2.0
"""Seconds of a call from which on each is kept: nobody waits for the end of such a one."""


_DAMAGED = (
    *(OSError, EOFError, LookupError, ValueError, TypeError, MemoryError, struct.error),
    *(zipfile.BadZipFile, zlib.error, RuntimeError),  # RuntimeError: it says that it is encrypted
)
"""What reading an archive raises of which a byte has changed; its members have checksums."""


class FinishedCalls:
    """
    What has been answered so far, row by row; a context that keeps it however the block ends.

    Parameters
    ----------
    folder
        Where it is kept: a file every `SECONDS`, and at once after a call that took `LONG` or more,
        or one that gave texts alone. What is there already is read; a file that is damaged is
        removed. None keeps nothing. It belongs to one question of one trained model.
    rows
        How many there are.
    processes
        Those that share the calls (`recbench.evaluation.divided`): all read, the main one writes.
    **columns
        Arrays [rows, ...] to be filled; none for a model that only writes.

    Attributes
    ----------
    texts
        [rows], what was written; empty where nothing was.
    done
        bool [rows].
    """

    def __init__(
        self,
        folder: Path | None,
        rows: int,
        processes: Processes = ALONE,
        **columns: NDArray[Any],
    ) -> None:
        self.columns, self.texts = columns, [""] * rows
        self.done = np.zeros(rows, dtype=bool)
        self._folder, self._waiting = folder, list[NDArray[np.int64]]()
        self._written = self._added = time.monotonic()
        self._files = 0
        with processes.main_first():  # which removes what is damaged
            for file in sorted(folder.glob("*.npz")) if folder is not None else ():
                self._files = int(file.stem)
                self._read(file)
        if not processes.is_main:
            self._folder = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._write()

    def add(self, answers: Answers) -> None:
        """Fill in rows that were answered."""
        self._put(answers)
        self._waiting.append(answers.rows)
        now = time.monotonic()
        is_long, self._added = now - self._added >= LONG, now
        if not self.columns or is_long or now - self._written >= SECONDS:
            self._write()

    def _put(self, answers: Answers) -> None:
        rows, texts = answers.rows, answers.texts
        for name, column in self.columns.items():
            column[rows] = answers.columns[name]
        for row, text in zip(rows, texts, strict=True) if texts is not None else ():
            self.texts[row] = text
        self.done[rows] = True

    def _write(self) -> None:
        """Keep what was added since the last file."""
        if self._folder is None or not self._waiting:
            return
        rows = np.concatenate(self._waiting)
        held = {name: column[rows] for name, column in self.columns.items()}
        waiting = Answers(rows, held, [self.texts[row] for row in rows])
        self._files += 1
        file = self._folder / f"{self._files:06d}.npz"
        with atomic_file(file) as partial, partial.open("wb") as stream:
            waiting.write(stream)
        self._waiting, self._written = [], time.monotonic()

    def _read(self, file: Path) -> None:
        try:
            with file.open("rb") as stream:
                self._put(Answers.read(stream))
        except _DAMAGED:
            file.unlink()
