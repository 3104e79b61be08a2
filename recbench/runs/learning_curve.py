"""The learning curve of a training, as its record has it."""

import sys
from collections.abc import Iterator
from typing import Any

from recbench.runs.record import RunRecord

ROWS = "rows"
"""Of a point in a record: how many rows had been learnt from; all else are figures."""


def points_of(record: RunRecord) -> Iterator[tuple[int, dict[str, float]]]:
    """
    Return how many rows each point of a run's learning curve comes after, and its figures by name.

    What a training reports is any JSON, whoever wrote the model: what is no point is passed over.
    """
    said = None if record.trained is None else record.trained.fit.get("curve")
    for point in said if isinstance(said, list) else ():
        if isinstance(point, dict) and all(map(_is_number, point.values())):
            rows = int(point.get(ROWS, 0))
            figures = {name: value for name, value in point.items() if name != ROWS}
            if rows > 0 and figures:
                yield rows, figures


def _is_number(value: Any) -> bool:
    """Whether it can be drawn: finite, and no whole number beyond what a float holds."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and bool(abs(value) <= sys.float_info.max)
