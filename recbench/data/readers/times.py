"""When something happened: whole numbers, numbers with a fraction or ISO 8601 dates -> integers."""

import re

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

TIMES = {
    "integer": pa.int64(),
    "number": pa.float64(),
    "date": pa.timestamp("us"),
    "date with zone": pa.timestamp("us", "UTC"),
    "time": pa.int64(),
}
"""What a column of times may hold; a ``"time"`` is what nobody can read, and is refused."""

MISSING = -(2**63)
"""What pandas makes of a missing time where its times are cast to integers."""

EXACT = 2**53
"""Below it a float tells whole numbers apart."""

_MICROSECONDS = 1_000_000
_NUMBER = re.compile(r"\s*-?\d*(\.\d*([eE][+-]?\d+)?|[eE][+-]?\d+)\s*")  # no integer, that is
_INTEGER = re.compile(r"\s*[-+]?(\d+|0[xX][\da-fA-F]+)\s*", re.ASCII)
_FARTHEST = 2**63 // _MICROSECONDS - 1  # seconds that microseconds in an int64 can still say


def time_kind(sample: str) -> str:
    """Return the key of `TIMES` that a column with this text in it seems to be."""
    if re.match(r"\s*-?\d{4}-", sample):
        return "date with zone" if re.search(r"(Z|[+-]\d\d(:?\d\d)?)\s*$", sample[11:]) else "date"
    if _NUMBER.fullmatch(sample):
        return "number"
    return "integer" if _INTEGER.fullmatch(sample) else "time"


def seconds(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """
    Make integers of times.

    Parameters
    ----------
    column
        [n], integers, numbers (below 2**53, or with fractions 292,000 years), dates or timestamps,
        without nulls; what has no zone is taken as UTC, parts of a microsecond are cut off.

    Returns
    -------
    ndarray
        int64 [n]. Integers as they are: seconds by custom, but any count that grows will do. Of
        numbers and dates, seconds since 1970; microseconds if one of them has a fraction of a
        second, so that no order is lost.

    Raises
    ------
    pyarrow.ArrowInvalid
        For a number that is not finite or too far away.
    """
    if pa.types.is_integer(column.type):
        return column.cast(pa.int64()).to_numpy()
    if pa.types.is_floating(column.type):
        numbers = column.to_numpy()
        if not (np.abs(numbers) < farthest(numbers)).all():
            raise pa.ArrowInvalid("a time is not finite or too far from 1970")
        whole = _are_whole(numbers)
        return numbers.astype(np.int64) if whole else np.round(numbers * _MICROSECONDS).astype("i8")
    zone = getattr(column.type, "tz", None)  # a date has none
    micros = column.cast(pa.timestamp("us", zone), safe=False).cast(pa.int64()).to_numpy()
    return micros if (micros % _MICROSECONDS).any() else micros // _MICROSECONDS


def farthest(numbers: NDArray[np.float64]) -> int:
    """Return below what size the times of a column must be for `seconds` to keep their order."""
    return EXACT if _are_whole(numbers) else _FARTHEST


def _are_whole(numbers: NDArray[np.float64]) -> bool:
    return bool((np.floor(numbers) == numbers).all())
