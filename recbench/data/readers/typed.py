"""Columns of files that know types, made into what `read_delimited` gives of text."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from recbench.data.readers.delimited import TEXTS, WORDS, Kind, fits, unfit
from recbench.data.readers.raw import refuse
from recbench.data.readers.times import TIMES, time_kind
from recbench.errors import DataError

Place = Callable[[int], str]
_BIGGEST = 2**63


def typed(column: pa.ChunkedArray, name: str, kind: Kind, file: Path, place: Place) -> pa.Array:
    """
    Check and convert one column.

    Parameters
    ----------
    column
        [n], of any type.
    name, kind
        What it is called and what it should hold; see `read_delimited`.
    file, place
        For errors: where it stands, and what says where a row (from 0) is.

    Returns
    -------
    pyarrow.ChunkedArray
        Without nulls: dictionaries of text or integers for an id, numbers, text (a missing one is
        empty), or what `recbench.data.readers.times.seconds` takes.

    Raises
    ------
    DataError
        For a column of another type, or with the first row that is missing or does not fit.
    """
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    column = _of_usual_width(column)
    if _is_text(column.type):
        _refuse_undecodable(column, name, file, place)
    if kind == "text":
        column = pc.fill_null(_as(column, pa.string(), name, kind, file), "")
    else:
        missing = column.is_null().to_numpy()
        expected = "a time" if kind == "time" else WORDS[kind]
        nothing = np.full(len(missing), "nothing", dtype=object)
        refuse(missing, file, place, f"{expected} as {name}", nothing)
    if kind == "number":
        return _as(column, pa.float64(), name, kind, file)
    if kind == "time":
        return _times(column, name, file, place)
    if kind == "id" and not pa.types.is_integer(column.type):
        column = _as(column, pa.string(), name, kind, file).dictionary_encode()
    if kind in TEXTS and not pa.types.is_integer(column.type):
        _refuse_unfit(column, name, kind, file, place)
    return column


def _as(
    column: pa.ChunkedArray, wanted: pa.DataType, name: str, kind: str, file: Path
) -> pa.ChunkedArray:
    """Convert between kinds of text, or between kinds of numbers; integers are text as well."""
    texts, integers = _is_text(column.type), pa.types.is_integer(column.type)
    numbers = integers or pa.types.is_floating(column.type) or pa.types.is_decimal(column.type)
    fitting = (texts or integers) if wanted == pa.string() else numbers
    if not fitting and not pa.types.is_null(column.type):
        raise DataError(f"{file}: expected {WORDS[kind]} as {name}, found {column.type}")
    return column.cast(wanted)


def _of_usual_width(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Make integers of decimals without a fraction, and doubles of halves, which hold few times."""
    if pa.types.is_decimal(column.type) and column.type.scale == 0:
        with suppress(pa.ArrowInvalid):  # beyond 64 bits
            return column.cast(pa.int64())
    return column.cast(pa.float64()) if pa.types.is_float16(column.type) else column


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _refuse_undecodable(column: pa.ChunkedArray, name: str, file: Path, place: Place) -> None:
    """Refuse bytes that are no UTF-8: Parquet calls them text, and nobody looked at them."""
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        values = np.array(column.cast(pa.large_binary()).to_pylist(), dtype=object)
        broken = np.array([value is not None and not _is_utf8(value) for value in values])
        refuse(broken, file, place, f"utf8 text as {name}", values)
        raise


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _times(column: pa.ChunkedArray, name: str, file: Path, place: Place) -> pa.ChunkedArray:
    kind = column.type
    if _is_text(kind):
        return _times_of_text(column, name, file, place)
    known = (pa.types.is_integer, pa.types.is_floating, pa.types.is_timestamp, pa.types.is_date)
    if not any(check(kind) for check in known):
        raise DataError(f"{file}: expected a time as {name}, found {kind}")
    if pa.types.is_uint64(kind):
        values: NDArray[np.uint64] = column.to_numpy()
        refuse(values >= _BIGGEST, file, place, f"a time below {_BIGGEST:,}", values)
    return column


def _times_of_text(column: pa.ChunkedArray, name: str, file: Path, place: Place) -> pa.ChunkedArray:
    """Read times as the first one is written; after an integer there may be numbers as well."""
    written = time_kind(column[0].as_py())
    trimmed = pc.utf8_trim(column, " \t")
    for kind in (written, "number") if written == "integer" else (written,):
        with suppress(pa.ArrowInvalid):
            return trimmed.cast(TIMES[kind])
    found = ((row, value) for row, value in enumerate(column.to_pylist()) if not fits(value, kind))
    row, value = next(found)
    raise DataError(f"{file}, {place(row)}: expected {WORDS[kind]} as {name}, found {value!r}")


def _refuse_unfit(column: pa.ChunkedArray, name: str, kind: str, file: Path, place: Place) -> None:
    distinct = column.unique()
    distinct = distinct.dictionary if pa.types.is_dictionary(column.type) else distinct
    if pc.any(unfit(distinct, kind)).as_py():
        texts = column.cast(pa.string())
        shown = np.array([repr(each) for each in texts.to_pylist()], dtype=object)
        refuse(unfit(texts, kind).to_numpy(), file, place, f"{WORDS[kind]} as {name}", shown)
