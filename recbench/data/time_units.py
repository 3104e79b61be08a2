"""What the integers of a column of times count, and which of them do not fit the rest."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

TimeUnit = Literal["s", "ms", "us", "ns", "date"]

UNITS: dict[TimeUnit, str] = {
    "s": "seconds",
    "ms": "milliseconds",
    "us": "microseconds",
    "ns": "nanoseconds",
    "date": "dates written in digits",
}
"""In words. A ``"date"`` is 20240131, which may go on with hours, minutes and seconds."""

_LOOKED_AT = 100_000  # times that say which one is typical
_COUNTERS = 10**7  # below, integers may count anything
_DATE_DIGITS = (8, 10, 12, 14)


def unit_of(times: NDArray[np.int64]) -> TimeUnit:
    """
    Guess the one unit of all times by the typical one.

    Parameters
    ----------
    times
        int64 [n], n > 0, since 1970 in an unknown unit.

    Returns
    -------
    TimeUnit
        ``"date"`` where every time that is not `astray` reads as a date in digits; else the
        largest unit in which the typical time lies before the year 5138.
    """
    if all(_are_dates(part[~astray(part)]) for part in (_spread(times), times)):
        return "date"
    size = abs(_typical(times))
    return "s" if size < 1e11 else "ms" if size < 1e14 else "us" if size < 1e17 else "ns"


def in_seconds(times: NDArray[np.int64]) -> NDArray[np.int64]:
    """
    Return times as whole seconds since 1970, int64 [n].

    Parameters
    ----------
    times
        int64 [n], n > 0, in the one unit that `unit_of` reads them in. In dates the 31st of a month
        of 30 days is the first of the next; what is `astray` among them becomes some other time.
    """
    unit = unit_of(times)
    if unit != "date":
        return times // {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    years, months, dates, hours, minutes, seconds = _fields(times, _digits(times[~astray(times)]))
    first = ((years - 1970) * 12 + months - 1).astype("datetime64[M]").astype("datetime64[D]")
    days = first.astype(np.int64) + dates - 1
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def shown(time: int, unit: TimeUnit) -> str:
    """Write a time of that unit in UTC, ISO 8601 to the second; a date no finer than it is."""
    digits = str(time)
    if unit != "date" or len(digits) not in _DATE_DIGITS:
        counted = "s" if unit == "date" else unit
        return str(np.datetime64(time, counted).astype("datetime64[s]"))
    date = f"{digits[:4]}-{digits[4:6]}-{digits[6:8]}"
    clock = ":".join(digits[i : i + 2] for i in range(8, len(digits), 2))
    return f"{date}T{clock}" if clock else date


def numbers_rows(times: NDArray[np.int64]) -> bool:
    """Tell whether times are 0, 1, 2, ...: they are then no times, but an order."""
    return np.array_equal(times, np.arange(len(times)))


def astray(times: NDArray[np.int64]) -> NDArray[np.bool_]:
    """
    Tell which times are of another magnitude than the rest.

    Seconds among milliseconds, for one, or a 0 where the time was not known. Such times are more
    than a hundred times as large or as small as the typical one, and nothing lies between: of a
    clock that starts at 0 no time is astray.

    Parameters
    ----------
    times
        int64 [n].

    Returns
    -------
    ndarray
        bool [n]. Of times that may be a mere count, small and many, none.
    """
    strays = np.zeros(len(times), dtype=bool)
    if not len(times) or (typical := _typical(times)) < _COUNTERS:
        return strays
    if times.min() < typical // 100:
        below = times < typical // 100
        strays |= below & (below.sum() == (times < typical // 10).sum())
    if times.max() // 100 > typical:
        above = times // 100 > typical
        strays |= above & (above.sum() == (times // 10 > typical).sum())
    return strays


def _typical(times: NDArray[np.int64]) -> int:
    """Return the (upper) median of times spread evenly over all, small ones left out if it can."""
    some = _spread(times)
    large = some[some >= _COUNTERS]
    some = large if len(large) else some
    return int(np.partition(some, len(some) // 2)[len(some) // 2])


def _spread(times: NDArray[np.int64]) -> NDArray[np.int64]:
    return times[:: 1 + len(times) // _LOOKED_AT]


def _are_dates(times: NDArray[np.int64]) -> bool:
    """Whether all are dates in digits, of one length, of the years 1900 to 2099."""
    digits = _digits(times)
    if digits not in _DATE_DIGITS:  # milliseconds have thirteen
        return False
    years, months, dates, hours, minutes, seconds = _fields(times, digits)
    fitting = (
        ((years >= 1900) & (years < 2100))
        & ((months >= 1) & (months <= 12) & (dates >= 1) & (dates <= 31))
        & ((hours < 24) & (minutes < 60) & (seconds < 60))
    )
    return bool(fitting.all())


def _digits(times: NDArray[np.int64]) -> int:
    return len(str(int(times[0])))


def _fields(times: NDArray[np.int64], digits: int) -> tuple[NDArray[np.int64], ...]:
    """Return year, month, day, hour, minute and second of dates of so many digits."""
    ones = 10 ** (digits - 8)
    days, clock = times // ones, (times % ones) * 10 ** (14 - digits)
    date = days // 10_000, days // 100 % 100, days % 100
    return *date, clock // 10_000, clock // 100 % 100, clock % 100
