"""Calls divided among the processes of a run: each is answered once, and all hear of it."""

import io
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import IO, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from recbench.processes import Processes

Call = TypeVar("Call")


@dataclass(frozen=True)
class Answers:
    """
    What was answered to some rows.

    Attributes
    ----------
    rows
        int64 [n], which.
    columns
        Name to array [n, ...].
    texts
        [n], as written; None of a model that only scores.
    """

    rows: NDArray[np.int64]
    columns: dict[str, NDArray[Any]]
    texts: list[str] | None = None

    def write(self, stream: IO[bytes]) -> None:
        """Write it as plain arrays, texts as JSON."""
        texts = np.frombuffer(json.dumps(self.texts).encode(), np.uint8)
        arrays: dict[str, Any] = {**self.columns, "rows": self.rows, "texts": texts}
        np.savez(stream, **arrays)

    @classmethod
    def read(cls, stream: IO[bytes]) -> "Answers":
        """Read back what `write` wrote; an error of NumPy or of JSON where it is damaged."""
        with np.load(stream, allow_pickle=False) as kept:
            if (damaged := kept.zip.testzip()) is not None:  # else a shape could be any number
                raise ValueError(f"{damaged} was changed after it was written")
            held = {name: kept[name] for name in kept.files}
        rows, texts = held.pop("rows"), json.loads(bytes(held.pop("texts")))
        return cls(rows, held, texts)


def divided(
    calls: Iterable[Call], answer: Callable[[Call], Answers], processes: Processes
) -> Iterator[Answers]:
    """
    Answer every call in one of the processes.

    They go forward side by side, a call each at a time, so that what is answered can be kept.

    Parameters
    ----------
    calls
        The same in all processes.
    answer
        Answers one.
    processes
        Among which the calls are divided.

    Yields
    ------
    Answers
        In every process those of all calls, in their order.
    """
    if processes.count == 1:
        yield from map(answer, calls)
        return
    left = iter(calls)
    while together := list(islice(left, processes.count)):
        given = io.BytesIO()
        for call in together[processes.rank : processes.rank + 1]:
            answer(call).write(given)
        for one in processes.of_all(given.getvalue())[: len(together)]:
            yield Answers.read(io.BytesIO(one))
