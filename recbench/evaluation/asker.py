"""Asking a model as many rows at once as its memory allows."""

import gc
from typing import Any

import numpy as np

from recbench.evaluation.asking import ROWS_AT_ONCE, ask
from recbench.out_of_memory import lacks_memory
from recbench.questions.queries import Queries
from recbench.recommender import Runtime, System


class Asker:
    """
    Puts queries to a model, half as many at once from where memory does not suffice.

    An answer depends on its row alone, so that nothing but rounding depends on this.

    Attributes
    ----------
    halved
        How often memory did not suffice.
    """

    def __init__(self, model: System, runtime: Runtime) -> None:
        self._model, self._runtime = model, runtime
        self._most, self.halved = ROWS_AT_ONCE, 0

    def ask(self, queries: Queries) -> tuple[Any, list[str] | None]:
        """Return what `recbench.evaluation.asking.ask` does; raises as it does."""
        if len(queries) <= self._most and (whole := self._if_it_fits(queries)) is not None:
            return whole
        start, parts = 0, list[tuple[Any, list[str] | None]]()
        while start < len(queries):
            rows = queries[start : start + self._most]
            if (answered := self._if_it_fits(rows)) is not None:
                parts.append(answered)
                start += len(rows)
        return _joined(parts)

    def _if_it_fits(self, queries: Queries) -> tuple[Any, list[str] | None] | None:
        """Return the answers, or None where memory runs out: fewer are then asked at once."""
        try:
            return ask(self._model, queries, self._runtime)
        except (MemoryError, RuntimeError) as error:
            if len(queries) == 1 or not lacks_memory(error):
                raise
        gc.collect()  # what the attempt held is held by its traceback until here
        self._most, self.halved = len(queries) // 2, self.halved + 1
        self._runtime.report(f"out of memory: asking {self._most} rows at once from here on")
        return None


def _joined(parts: list[tuple[Any, list[str] | None]]) -> tuple[Any, list[str] | None]:
    scores = [np.asarray(one) for one, _ in parts if one is not None]
    texts = [own for _, own in parts if own is not None]
    return (
        np.concatenate(scores) if scores else None,
        [text for own in texts for text in own] if texts else None,
    )
