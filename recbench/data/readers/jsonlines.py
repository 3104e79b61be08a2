"""
JSON as a table with named columns: one object a line (JSON Lines), or one array of objects.

Read with Python's own parser, an object at a time: Arrow's, several times faster, does not survive
every file (a line that is only ``null``, for one).
"""

import json
import math
import re
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from recbench.data.readers.delimited import ARROW, TEXTS, WORDS, Kind, fits
from recbench.data.readers.files import (
    UndecodableError,
    characters,
    content,
    lines,
    undecodable,
    wide,
)
from recbench.data.readers.tabular import Tabular
from recbench.data.readers.times import TIMES, time_kind
from recbench.data.written import UTF8
from recbench.errors import DataError

Objects = Callable[[], Iterator[tuple[str, dict[str, Any]]]]
"""Gives each object of a file, and where it stands there: "line 2"."""

_LOOKED_AT = 100  # objects whose keys are the columns: the first may lack some
_ROWS_AT_ONCE = 100_000
_HALF = re.compile("[\ud800-\udfff]")  # of a character: JSON can write it, no other file can
_START = 4096  # characters that tell an array from lines
_SHAPES = (
    "a .json file holds one array of objects, or one object a line (of pandas: "
    "to_json(orient='records'))"
)
_SPACE = re.compile(r"[ \t\n\r]*")


def opened(file: Path, encoding: str = UTF8) -> Tabular:
    """
    Read what columns a file of JSON Lines has: the keys of its first hundred objects.

    Raises
    ------
    DataError
        For a file that is missing, or a broken line among the first.
    """
    return _opened(file, partial(_objects_of_lines, file, encoding))


def opened_json(file: Path, encoding: str = UTF8) -> Tabular:
    """
    Read what columns a file has that holds an array of objects, or is one of JSON Lines after all.

    Raises
    ------
    DataError
        For a file that is missing, or a broken object among the first.
    """
    if _holds_array(file, encoding):
        return _opened(file, partial(_objects_of_array, file, encoding))
    objects = partial(_objects_of_lines, file, encoding)
    try:
        first = [fields for _, fields in islice(objects(), 2)]
    except UndecodableError:
        raise
    except DataError as error:
        raise DataError(f"{error}; {_SHAPES}") from None
    if len(first) == 1 and _wraps(first[0]):
        raise DataError(f"{file}, line 1: found one object of lists or objects; {_SHAPES}")
    return _opened(file, objects)


def _wraps(only: Mapping[str, Any]) -> bool:
    """Whether the only object of a file holds rows: as columns, or in a list of objects."""
    nested = [value for value in only.values() if isinstance(value, dict | list)]
    rows = any(isinstance(value, list) and value and isinstance(value[0], dict) for value in nested)
    return rows or 0 < len(nested) == len(only)


def _opened(file: Path, objects: Objects) -> Tabular:
    found = list(islice(objects(), _LOOKED_AT))
    if not found:
        raise _empty(file)
    names = list(dict.fromkeys(name for _, fields in found for name in fields))
    lists = frozenset(
        name for _, fields in found for name, value in fields.items() if isinstance(value, list)
    )
    return Tabular(
        file,
        names,
        partial(_read, file, objects),
        partial(_place, objects),
        typed=True,
        lists=lists,
    )


def _place(objects: Objects, row: int) -> str:
    return next(islice(objects(), row, None))[0]


def _empty(file: Path) -> DataError:
    return DataError(f"{file}, line 1: expected an object, found the end of the file")


def _read(file: Path, objects: Objects, kinds: Mapping[str, Kind]) -> pa.Table:
    first = next((fields for _, fields in objects()), {})
    known: dict[str, str] = dict(kinds)
    for name in [name for name, kind in kinds.items() if kind == "time"]:
        if (found := time_kind(str(first.get(name)))) not in ("integer", "number"):
            known[name] = found
    rows = (
        (
            where,
            *(
                _value(fields.get(name), name, kind, f"{file}, {where}", first.get(name))
                for name, kind in known.items()
            ),
        )
        for where, fields in objects()
    )
    chunks = []
    while batch := list(islice(rows, _ROWS_AT_ONCE)):
        places, *columns = zip(*batch, strict=True)
        arrays = {
            name: _array(values, name, known[name], file, places)
            for name, values in zip(known, columns, strict=True)
        }
        chunks.append(pa.table(arrays))
    if not chunks:
        raise _empty(file)
    table = pa.concat_tables(_of_one_type(chunks))
    integers = [name for name, kind in kinds.items() if kind == "id" and _whole(first[name])]
    for name in integers:
        place = table.column_names.index(name)
        table = table.set_column(place, name, _integers(table[name]))
    return table


def _of_one_type(chunks: list[pa.Table]) -> list[pa.Table]:
    """Make floats of the integers in columns that hold both; see `seconds` on their size."""
    mixed = next((each.schema for each in chunks if each.schema != chunks[0].schema), None)
    if mixed is None:
        return chunks
    wanted = [
        later if pa.types.is_floating(later.type) else first
        for first, later in zip(chunks[0].schema, mixed, strict=True)
    ]
    return [each.cast(pa.schema(wanted), safe=False) for each in chunks]


def _objects_of_lines(file: Path, encoding: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give the object of each line; empty lines are passed over."""
    for number, line in lines(file, encoding):
        text = line.removeprefix(BOM_UTF8) if number == 1 else line
        if not text.strip():
            continue
        where = f"line {number}"
        try:
            found = json.loads(text.decode())
        except UnicodeDecodeError:
            raise undecodable(file, number, UTF8) from None
        except (ValueError, RecursionError) as error:
            raise _no_object(file, where, error, text.decode()) from None
        yield where, _object(found, file, where)


def _holds_array(file: Path, encoding: str) -> bool:
    with characters(file, encoding) as stream:
        start = stream.read(_START).removeprefix(BOM_UTF8.decode("latin-1"))
    return start.startswith("[", _after_space(start, 0))


def _objects_of_array(file: Path, encoding: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give each object of the array that is all of a file, which must fit into memory as text."""
    text = content(file, encoding)
    decoder = json.JSONDecoder()
    number, line, counted = 0, 1, 0
    at = _after_space(text, _after_space(text, 0) + 1)
    going_on = not text.startswith("]", at)
    while going_on:
        at = _after_space(text, at)
        number, line, counted = number + 1, line + text.count("\n", counted, at), at
        where = f"line {line}, object {number}"
        try:
            found, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            raise _no_object(file, where, error, text[:_START]) from None
        yield where, _object(found, file, where)
        at = _after_space(text, at)
        going_on = text.startswith(",", at)
        at += going_on
    rest = text[at : at + 40]
    if rest[:1] != "]" or (rest := text[_after_space(text, at + 1) :][:40]):
        expected = "a comma, or the ] that ends the array and the file"
        found = repr(rest) if rest else "the end of the file"
        raise DataError(f"{file}, line {line}: expected {expected}, found {found}")


def _after_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    assert found is not None  # it matches nothing as well
    return found.end()


def _no_object(file: Path, where: str, error: Exception, text: str) -> DataError:
    message = f"{file}, {where}: expected a JSON object: {str(error).splitlines()[0]}"
    return wide(message, text) if "\0" in text else DataError(message)


def _object(found: Any, file: Path, where: str) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise DataError(f"{file}, {where}: expected a JSON object, found {found!r:.40}")
    return found


def _value(value: Any, name: str, kind: str, where: str, first: Any) -> Any:
    """Return a value fit for an Arrow array, or raise DataError; `first` is that of its column."""
    if value != value:  # NaN, as Python's own writer has it for what is missing
        value = None
    if kind == "time" and isinstance(value, str) and fits(value, "number"):
        value = int(value) if fits(value, "integer") else float(value)
    if value is None and kind == "text":
        return ""
    if not _fits(value, kind):
        found = "nothing" if value is None else f"{value!r:.40}"
        number = kind == "time" and isinstance(value, int | float)
        expected = "a number of 64 bits" if number else WORDS[kind]
        raise DataError(f"{where}: expected {expected} as {name}, found {found}")
    if kind == "id" and type(value) is not type(first):
        expected = f"ids that are all integers or all texts as {name}"
        raise DataError(f"{where}: expected {expected}, found {value!r:.40}")
    if kind in TEXTS:
        return str(value)
    return float(value) if kind == "number" else value


def _fits(value: Any, kind: str) -> bool:
    whole = _whole(value)
    if kind in TEXTS:
        return whole or (isinstance(value, str) and fits(value, kind) and not _HALF.search(value))
    if kind == "time" and whole:
        return -(2**63) <= value < 2**63
    if kind in ("number", "time"):
        return (whole or isinstance(value, float)) and math.isfinite(value)
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
    values: tuple[Any, ...], name: str, kind: str, file: Path, places: tuple[str, ...]
) -> pa.Array:
    if kind == "id":
        return pa.array(values, pa.string()).dictionary_encode()
    if kind == "time" and all(map(_whole, values)):
        return pa.array(values, pa.int64())
    if kind == "time":
        return pa.array(list(map(float, values)), pa.float64())
    if kind not in TIMES or kind == "number":
        return pa.array(values, ARROW[kind])
    texts = pa.array([value.strip() for value in values], pa.string())
    try:
        return texts.cast(TIMES[kind])
    except pa.ArrowInvalid:
        for where, value in zip(places, values, strict=True):
            if not fits(value, kind):
                raise DataError(
                    f"{file}, {where}: expected {WORDS[kind]} as {name}, found {value!r}"
                ) from None
        raise
