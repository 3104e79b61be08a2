"""The calls that a model has answered, kept, so that an evaluation goes on where it stopped."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recbench.atomic_write import atomic_file

SECONDS = 30.0
"""Least time between two files."""


class FinishedCalls:
    """
    What has been answered so far, row by row.

    Parameters
    ----------
    folder
        Where it is kept, a file every `SECONDS` at most; what is there already is read. None keeps
        nothing. It belongs to one question of one trained model.
    **columns
        Arrays [rows, ...] to be filled.

    Attributes
    ----------
    texts
        [rows], what was written; empty where nothing was.
    done
        bool [rows].
    """

    def __init__(self, folder: Path | None, **columns: NDArray[Any]) -> None:
        rows = len(next(iter(columns.values())))
        self.columns, self.texts = columns, [""] * rows
        self.done = np.zeros(rows, dtype=bool)
        self._folder, self._waiting = folder, list[NDArray[np.int64]]()
        self._written = time.monotonic()
        for file in sorted(folder.glob("*.npz")) if folder is not None else ():
            with np.load(file, allow_pickle=False) as kept:
                held = {name: kept[name] for name in columns}
                self._put(kept["rows"], held, json.loads(bytes(kept["texts"])))

    def add(
        self,
        rows: NDArray[np.int64],
        columns: dict[str, NDArray[Any]],
        texts: Sequence[str] = (),
    ) -> None:
        """Fill in rows (int64 [n]) that were answered; `texts` are empty or one a row."""
        self._put(rows, columns, texts)
        self._waiting.append(rows)
        if time.monotonic() - self._written >= SECONDS:
            self.write()

    def write(self) -> None:
        """Keep what was added since the last file."""
        if self._folder is None or not self._waiting:
            return
        rows = np.concatenate(self._waiting)
        texts = json.dumps([self.texts[row] for row in rows]).encode()
        held: dict[str, Any] = {name: column[rows] for name, column in self.columns.items()}
        file = self._folder / f"{int(self.done.sum()):09d}.npz"
        with atomic_file(file) as partial, partial.open("wb") as stream:
            np.savez(stream, **held, rows=rows, texts=np.frombuffer(texts, np.uint8))
        self._waiting, self._written = [], time.monotonic()

    def _put(
        self,
        rows: NDArray[np.int64],
        columns: dict[str, NDArray[Any]],
        texts: Sequence[str],
    ) -> None:
        for name, values in columns.items():
            self.columns[name][rows] = values
        for row, text in zip(rows, texts, strict=bool(len(texts))):
            self.texts[row] = text
        self.done[rows] = True
