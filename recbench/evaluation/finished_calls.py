"""The calls that a model has answered, kept, so that an evaluation goes on where it stopped."""

import json
import time
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from recbench.atomic_write import atomic_file

SECONDS = 30.0
"""Least time between two files, but of texts alone: those may have been paid for."""

LONG = 2.0
"""Seconds of a call from which on each is kept: nobody waits for the end of such a one."""


class FinishedCalls:
    """
    What has been answered so far, row by row; a context that keeps it however the block ends.

    Parameters
    ----------
    folder
        Where it is kept, a file every `SECONDS` at most, of calls that are `LONG` or give texts
        alone a file a call; what is
        there already is read, and a file that is damaged is left out and removed. None keeps
        nothing. It belongs to one question of one trained model.
    rows
        How many there are.
    **columns
        Arrays [rows, ...] to be filled; none for a model that only writes.

    Attributes
    ----------
    texts
        [rows], what was written; empty where nothing was.
    done
        bool [rows].
    """

    def __init__(self, folder: Path | None, rows: int, **columns: NDArray[Any]) -> None:
        self.columns, self.texts = columns, [""] * rows
        self.done = np.zeros(rows, dtype=bool)
        self._folder, self._waiting = folder, list[NDArray[np.int64]]()
        self._written = self._added = time.monotonic()
        self._files = 0
        for file in sorted(folder.glob("*.npz")) if folder is not None else ():
            self._files = int(file.stem)
            self._read(file)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._write()

    def add(
        self,
        rows: NDArray[np.int64],
        columns: dict[str, NDArray[Any]],
        texts: Sequence[str] | None = None,
    ) -> None:
        """Fill in rows (int64 [n]) that were answered; `texts` are one a row, if any."""
        self._put(rows, columns, texts)
        self._waiting.append(rows)
        now = time.monotonic()
        is_long, self._added = now - self._added >= LONG, now
        if not self.columns or is_long or now - self._written >= SECONDS:
            self._write()

    def _put(
        self,
        rows: NDArray[np.int64],
        columns: dict[str, NDArray[Any]],
        texts: Sequence[str] | None,
    ) -> None:
        for name, values in columns.items():
            self.columns[name][rows] = values
        for row, text in zip(rows, texts, strict=True) if texts is not None else ():
            self.texts[row] = text
        self.done[rows] = True

    def _write(self) -> None:
        """Keep what was added since the last file."""
        if self._folder is None or not self._waiting:
            return
        rows = np.concatenate(self._waiting)
        texts = json.dumps([self.texts[row] for row in rows]).encode()
        held: dict[str, Any] = {name: column[rows] for name, column in self.columns.items()}
        self._files += 1
        file = self._folder / f"{self._files:06d}.npz"
        with atomic_file(file) as partial, partial.open("wb") as stream:
            np.savez(stream, **held, rows=rows, texts=np.frombuffer(texts, np.uint8))
        self._waiting, self._written = [], time.monotonic()

    def _read(self, file: Path) -> None:
        try:
            with file.open("rb") as stream, np.load(stream, allow_pickle=False) as kept:
                held = {name: kept[name] for name in self.columns}
                self._put(kept["rows"], held, json.loads(bytes(kept["texts"])))
        except (OSError, EOFError, LookupError, ValueError, zipfile.BadZipFile, zlib.error):
            file.unlink()
