"""
JSON Lines as a table with named columns: one object a line, UTF-8.

Read with Python's own parser, an object at a time: Arrow's, several times faster, does not survive
every file (a line that is only ``null``, for one).
"""

import json
import math
import re
from codecs import BOM_UTF8
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from recbench.data.readers.delimited import ARROW, TEXTS, WORDS, Kind, fits
from recbench.data.readers.files import lines
from recbench.data.readers.tabular import Tabular
from recbench.data.readers.times import TIMES, time_kind
from recbench.errors import DataError

_LOOKED_AT = 100  # objects whose keys are the columns: the first may lack some
_ROWS_AT_ONCE = 100_000
_HALF = re.compile("[\ud800-\udfff]")  # of a character: JSON can write it, no other file can


def opened(file: Path) -> Tabular:
    """
    Read what columns a file has: the keys of its first hundred objects.

    Raises
    ------
    DataError
        For a file that is missing, or a broken line among the first.
    """
    found = list(islice(_objects(file), _LOOKED_AT))
    if not found:
        raise DataError(f"{file}, line 1: expected an object, found the end of the file")
    names = list(dict.fromkeys(name for _, fields in found for name in fields))
    lists = frozenset(
        name for _, fields in found for name, value in fields.items() if isinstance(value, list)
    )
    return Tabular(
        file, names, partial(_read, file), partial(_place, file), typed=True, lists=lists
    )


def _place(file: Path, row: int) -> str:
    return f"line {next(islice(_objects(file), row, None))[0]}"


def _read(file: Path, kinds: Mapping[str, Kind]) -> pa.Table:
    first = next((fields for _, fields in _objects(file)), {})
    known: dict[str, str] = dict(kinds)
    for name in [name for name, kind in kinds.items() if kind == "time"]:
        known[name] = time_kind(str(first.get(name)))
    rows = (
        (
            number,
            *(
                _value(fields.get(name), name, kind, file, number, first.get(name))
                for name, kind in known.items()
            ),
        )
        for number, fields in _objects(file)
    )
    chunks = []
    while batch := list(islice(rows, _ROWS_AT_ONCE)):
        numbers, *columns = zip(*batch, strict=True)
        arrays = {
            name: _array(values, name, known[name], file, numbers)
            for name, values in zip(known, columns, strict=True)
        }
        chunks.append(pa.table(arrays))
    if not chunks:
        raise DataError(f"{file}, line 1: expected an object, found the end of the file")
    table = pa.concat_tables(chunks)
    integers = [name for name, kind in kinds.items() if kind == "id" and _whole(first[name])]
    for name in integers:
        place = table.column_names.index(name)
        table = table.set_column(place, name, _integers(table[name]))
    return table


def _objects(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Give each line's number and object; empty lines are passed over."""
    for number, line in lines(file):
        text = line.removeprefix(BOM_UTF8) if number == 1 else line
        if not text.strip():
            continue
        try:
            found = json.loads(text.decode("utf-8"), parse_constant=_refused)
        except (ValueError, RecursionError) as error:
            reason = str(error).splitlines()[0]
            raise DataError(f"{file}, line {number}: expected a JSON object: {reason}") from None
        if not isinstance(found, dict):
            raise DataError(f"{file}, line {number}: expected a JSON object, found {found!r:.40}")
        yield number, found


def _refused(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")


def _value(value: Any, name: str, kind: str, file: Path, line: int, first: Any) -> Any:
    """Return a value fit for an Arrow array, or raise DataError; `first` is that of its column."""
    if value is None and kind == "text":
        return ""
    if not _fits(value, kind):
        found = "nothing" if value is None else f"{value!r:.40}"
        raise DataError(f"{file}, line {line}: expected {WORDS[kind]} as {name}, found {found}")
    if kind == "id" and type(value) is not type(first):
        expected = f"ids that are all integers or all texts as {name}"
        raise DataError(f"{file}, line {line}: expected {expected}, found {value!r:.40}")
    if kind in TEXTS:
        return str(value)
    return float(value) if kind == "number" else value


def _fits(value: Any, kind: str) -> bool:
    whole = _whole(value)
    if kind in TEXTS:
        return whole or (isinstance(value, str) and fits(value, kind) and not _HALF.search(value))
    if kind == "number":
        return (whole or isinstance(value, float)) and math.isfinite(value)
    if kind == "integer":
        return whole and -(2**63) <= value < 2**63
    return isinstance(value, str)  # a date, which `_array` looks into


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _integers(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Make integers of the ids that were; text of those beyond 64 bits."""
    try:
        return column.cast(pa.string()).cast(pa.int64())
    except pa.ArrowInvalid:
        return column


def _array(
    values: tuple[Any, ...], name: str, kind: str, file: Path, numbers: tuple[int, ...]
) -> pa.Array:
    if kind == "id":
        return pa.array(values, pa.string()).dictionary_encode()
    if kind not in TIMES or kind in ("integer", "number"):
        return pa.array(values, ARROW[kind])
    texts = pa.array([value.strip() for value in values], pa.string())
    try:
        return texts.cast(TIMES[kind])
    except pa.ArrowInvalid:
        for number, value in zip(numbers, values, strict=True):
            if not fits(value, kind):
                raise DataError(
                    f"{file}, line {number}: expected {WORDS[kind]} as {name}, found {value!r}"
                ) from None
        raise
