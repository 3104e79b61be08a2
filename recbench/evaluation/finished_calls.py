"""The calls that a model has answered, kept, so that an evaluation goes on where it stopped."""

import io
import lzma
import os
import struct
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from recbench.atomic_write import atomic_file
from recbench.errors import RecbenchError
from recbench.evaluation.divided import Answers
from recbench.processes import ALONE, Processes

SECONDS = 30.0
"""Least time between two files, but of texts alone: those may have been paid for."""

LONG = 2.0
"""Seconds of a call from which on each is kept: nobody waits for the end of such a one."""


_DAMAGED = (
    *(OSError, EOFError, LookupError, ValueError, TypeError, struct.error, zipfile.BadZipFile),
    *(zlib.error, lzma.LZMAError, RuntimeError),  # RuntimeError: it says that it is encrypted
)
"""
What an archive raises of which a byte has changed, read from memory: its OSError is bz2's, no disk
has a part in it.
"""


class FinishedCalls:
    """
    What has been answered so far, row by row; a context that keeps it however the block ends.

    Parameters
    ----------
    folder
        Where it is kept: a file every `SECONDS`, and at once after a call that took `LONG` or more,
        or one that gave texts alone. What is there already is read; a file that is damaged is
        removed, and one that the disk does not let be read stays and is an OSError: its answers may
        have been paid for. None keeps nothing. It belongs to one question of one trained model.
    rows
        How many there are.
    processes
        Those that share the calls (`recbench.evaluation.divided`): the main one reads, tells the
        others what it has read, and writes.
    report
        Told of every file that is removed.
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
        report: Callable[[str], None] = lambda _: None,
        **columns: NDArray[Any],
    ) -> None:
        self.columns, self.texts = columns, [""] * rows
        self.done = np.zeros(rows, dtype=bool)
        self._folder = folder if processes.is_main else None
        self._waiting = list[NDArray[np.int64]]()
        self._written = self._added = time.monotonic()
        files = _files(self._folder)
        self._files = int(files[-1].stem) if files else 0
        # Were each to look for itself, one could find less than another, which takes it for done.
        for number in range(processes.of_main(len(files))):
            own = self._read(files[number], report) if processes.is_main else b""
            told = processes.of_all(own)[0]
            if told and not processes.is_main:
                self._put(Answers.read(io.BytesIO(told)))

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

    def check_whole(self) -> None:
        """Refuse to have anything judged where a row has no answer: what stands there is none."""
        if missing := int((~self.done).sum()):
            raise RecbenchError(
                f"{missing:,} of {len(self.done):,} questions were not answered; the same command "
                "goes on with them"
            )

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

    def _read(self, file: Path, report: Callable[[str], None]) -> bytes:
        """Fill in what a file holds, and return it; nothing of one that is damaged."""
        content = file.read_bytes()
        try:
            self._put(Answers.read(io.BytesIO(content)))
        except _DAMAGED:
            file.unlink()
            report(f"{file} is damaged and was removed: its questions are asked again")
            return b""
        return content


def _files(folder: Path | None) -> list[Path]:
    """List what was kept; an OSError where that cannot be told, for new files would replace it."""
    try:
        names = os.listdir(folder) if folder is not None else []
    except FileNotFoundError:
        names = []
    return [Path(folder or "", name) for name in sorted(names) if name.endswith(".npz")]
