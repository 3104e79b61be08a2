"""Typed columns of a delimited text file: fast when sound, exact about the line when not."""

import csv
import re
from codecs import BOM_UTF8
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from recbench.data.readers.files import arrow_stream, characters
from recbench.data.readers.times import TIMES, time_kind
from recbench.errors import DataError

Kind = Literal["integer", "number", "text", "id", "time"]
ARROW = {
    "integer": pa.int64(),
    "number": pa.float64(),
    "text": pa.string(),
    "id": pa.dictionary(pa.int32(), pa.string()),
    **TIMES,
}
WORDS = {
    "integer": "an integer",
    "number": "a number",
    "text": "text",
    "id": "an id",
    "date": "a date as 2024-01-31 or 2024-01-31T18:30:00",
    "date with zone": "a date as 2024-01-31T18:30:00Z",
}
TEXTS = ("id", "text")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_PLAIN_INTEGER = re.compile(r"[0-9]{1,18}", re.ASCII)
_BLOCK = 1 << 20


@dataclass(frozen=True)
class _Dialect:
    """How a file is written; see `read_delimited`."""

    delimiter: str
    encoding: str = "utf8"
    header_lines: int = 0
    quoting: bool = False


def read_delimited(
    file: Path,
    names: list[str],
    kinds: Mapping[str, Kind],
    *,
    delimiter: str,
    encoding: str = "utf8",
    header_lines: int = 0,
    quoting: bool = False,
) -> pa.Table:
    """
    Read some columns of a file.

    Parameters
    ----------
    file
        The file, gzipped or not; every line has ``len(names)`` fields.
    names
        All columns, in the file's order.
    kinds
        The columns wanted and what they hold: an ``"id"`` is any text but the empty one, which is
        how a table writes that it is missing; a ``"text"`` has no NUL; a ``"time"`` is a whole
        number, a number or a date, whichever the first line has
        (`recbench.data.readers.times.seconds` makes integers of it).
    delimiter, encoding, header_lines
        Of the file; header lines are skipped.
    quoting
        Whether a field may stand in double quotes, as in RFC 4180.

    Returns
    -------
    pyarrow.Table
        The wanted columns (int64, float64, string, dictionary of strings, or what a time is),
        without nulls, in file order.

    Raises
    ------
    DataError
        Naming the first broken line, if there is one; for an empty file; for a file that is not
        there.
    """
    quoting = quoting and _holds_quotes(file, header_lines)
    dialect = _Dialect(delimiter, encoding, header_lines, quoting)
    known = _with_kinds_of_times(file, names, kinds, dialect)
    if quoting:  # the fast reader lets a quote that is never closed swallow the rest
        _check(file, names, {}, dialect)
    try:
        table = _read(file, names, known, dialect)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        _check(file, names, known, dialect)
        raise DataError(f"{file}: {str(error).splitlines()[0]}") from None
    if not table.num_rows or any(_unfit(table[name], kind) for name, kind in known.items()):
        _check(file, names, known, dialect)
    return table


def header(file: Path, *, delimiter: str, quoting: bool = False) -> list[str]:
    """
    Return the fields of a file's first line, which is UTF-8.

    Raises
    ------
    DataError
        For a file that is missing, empty or not UTF-8.
    """
    for _, fields in _records(file, _Dialect(delimiter, quoting=quoting)):
        names = [_decoded(field, "utf8", file, 1) for field in fields]
        if any(_CONTROL.search(name) for name in names):
            raise DataError(f"{file}, line 1: expected the names of the columns, found {names!r}")
        return names
    raise DataError(f"{file}, line 1: expected a line with the names of the columns, found none")


def line_of(
    file: Path,
    row: int,
    *,
    delimiter: str,
    encoding: str = "utf8",
    header_lines: int = 0,
    quoting: bool = False,
) -> str:
    """Say where a row (from 0) of a file begins, as "line 2"."""
    rows = _records(file, _Dialect(delimiter, encoding, header_lines, quoting))
    return f"line {next(islice(rows, row, None))[0]}"


def _with_kinds_of_times(
    file: Path, names: list[str], kinds: Mapping[str, Kind], dialect: _Dialect
) -> dict[str, str]:
    """Return `kinds` with what the first line has in the place of each ``"time"``."""
    first = next(_records(file, dialect), (0, []))[1]
    known: dict[str, str] = dict(kinds)
    for name in [name for name, kind in kinds.items() if kind == "time"]:
        known[name] = time_kind("".join(first[names.index(name) :][:1]))
    return known


def _read(file: Path, names: list[str], kinds: Mapping[str, str], dialect: _Dialect) -> pa.Table:
    """Read the columns of `kinds` as Arrow does: fast, but without a word on which line is bad."""
    return pa.csv.read_csv(
        arrow_stream(file),
        read_options=pa.csv.ReadOptions(
            column_names=names, encoding=dialect.encoding, skip_rows=dialect.header_lines
        ),
        parse_options=pa.csv.ParseOptions(
            delimiter=dialect.delimiter,
            quote_char='"' if dialect.quoting else False,
            newlines_in_values=dialect.quoting,
            ignore_empty_lines=False,
        ),
        convert_options=pa.csv.ConvertOptions(
            column_types={name: ARROW[kind] for name, kind in kinds.items()},
            include_columns=list(kinds),
            null_values=[],
            strings_can_be_null=False,
        ),
    )


def _unfit(column: pa.ChunkedArray, kind: str) -> bool:
    """Whether a column that could be read has a value that may not stand in it."""
    if kind not in TEXTS:
        return False
    values = [chunk.dictionary for chunk in column.chunks] if kind == "id" else column.chunks
    return any(pc.any(unfit(each, kind)).as_py() for each in values)


def _check(file: Path, names: list[str], kinds: Mapping[str, str], dialect: _Dialect) -> None:
    """Raise DataError for the first line that does not fit, or if there are no lines."""
    number = 0
    fields = f"{len(names)} fields with {dialect.delimiter!r} between them"
    wanted = [(names.index(name), name, kind) for name, kind in kinds.items()]
    for number, values in _records(file, dialect):
        if len(values) != len(names):
            found = len(values) if any(values) else "an empty line"
            raise DataError(f"{file}, line {number}: expected {fields}, found {found}")
        for place, name, kind in wanted:
            value = _decoded(values[place], dialect.encoding, file, number)
            if not fits(value, kind):
                expected = WORDS[kind]
                raise DataError(
                    f"{file}, line {number}: expected {expected} as {name}, found {value!r}"
                )
    if not number:
        line = dialect.header_lines + 1
        raise DataError(f"{file}, line {line}: expected {fields}, found the end of the file")


def _records(file: Path, dialect: _Dialect) -> Iterator[tuple[int, list[str]]]:
    """
    Give the number and the fields of each line below the header.

    Each byte is a character (`_decoded` makes text).
    """
    skip, delimiter = dialect.header_lines, dialect.delimiter
    with characters(file) as stream:
        if dialect.encoding == "utf8" and stream.read(3) != BOM_UTF8.decode("latin-1"):
            stream.seek(0)  # the CSV reader passes over the mark as well
        lines = islice(stream, skip, None)
        if not dialect.quoting:
            for number, line in enumerate(lines, start=skip + 1):
                yield number, line.rstrip("\r\n").split(delimiter)
            return
        number = skip + 1
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        try:
            for fields in reader:
                yield number, fields or [""]
                number = skip + reader.line_num + 1
        except csv.Error as error:
            expected = "every quote to be closed or doubled"
            raise DataError(f"{file}, line {number}: expected {expected}: {error}") from None


def _holds_quotes(file: Path, header_lines: int) -> bool:
    """Whether a quotation mark occurs anywhere below the header."""
    with characters(file) as stream:
        for _ in range(header_lines):
            stream.readline()
        return any('"' in block for block in iter(partial(stream.read, _BLOCK), ""))


def _decoded(field: str, encoding: str, file: Path, line: int) -> str:
    try:
        return field.encode("latin-1").decode(encoding)
    except UnicodeDecodeError:
        raise DataError(f"{file}, line {line}: expected {encoding} text") from None


def unfit(texts: pa.Array | pa.ChunkedArray, kind: str) -> pa.Array | pa.ChunkedArray:
    """Return bool [texts]: which may not stand for an id or a text; see `fits`."""
    return pc.equal(texts, "") if kind == "id" else pc.match_substring(texts, "\0")


def fits(value: str, kind: str) -> bool:
    """Whether a text may stand for a kind of value, as the CSV reader has it."""
    if kind in TEXTS:
        return value != "" if kind == "id" else "\0" not in value
    if kind in ("integer", "number") and _PLAIN_INTEGER.fullmatch(value):
        return True  # most values, a hundred times faster
    try:
        pa.scalar(value.strip(" \t")).cast(ARROW[kind])  # as the CSV reader trims numbers
    except pa.ArrowInvalid:
        return False
    return True
