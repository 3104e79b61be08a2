"""Typed columns of a delimited text file: fast when sound, exact about the line when not."""

import csv
import re
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, islice, zip_longest
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from recbench.data.readers.files import (
    DAMAGED,
    STAND_IN,
    arrow_stream,
    characters,
    undecodable,
    wide,
)
from recbench.data.readers.times import EXACT, TIMES, time_kind
from recbench.data.written import SPACES, UTF8
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
    "time": "times that are all numbers or all dates (2024-01-31 or 2024-01-31T18:30:00)",
}
TEXTS = ("id", "text")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_RUN = re.compile(" +")
_PLAIN_INTEGER = re.compile(r"[0-9]{1,18}", re.ASCII)
_BLOCK = 1 << 20
_UNSOUND = (pa.ArrowException, OSError, UnicodeDecodeError, *DAMAGED)
"""What Arrow raises for a file that `_check` then looks into."""


class _QuoteError(DataError):
    """A double quote that is neither closed nor doubled."""


class DoubtfulQuotesError(DataError):
    """Each line is whole if a double quote is a character like any other."""

    only_then = True


@dataclass(frozen=True)
class Dialect:
    """
    How the lines of a file are written.

    Attributes
    ----------
    delimiter
        What stands between fields.
    encoding
        Of the whole file.
    header_lines
        Lines above the first that is read.
    quoting
        Whether a field may stand in double quotes, as in RFC 4180; not with a delimiter longer than
        a byte.
    one_line
        Whether quotes that hold a line break are refused where each line is whole without them.
    """

    delimiter: str
    encoding: str = UTF8
    header_lines: int = 0
    quoting: bool = False
    one_line: bool = False

    @property
    def below_header(self) -> "Dialect":
        """The same, of what stands below one line more."""
        return replace(self, header_lines=self.header_lines + 1)

    @property
    def longer(self) -> str:
        """The delimiter if it is longer than the one byte that Arrow and `csv` know, else ""."""
        return self.delimiter if len(self.delimiter.encode()) > 1 else ""

    @property
    def quoted(self) -> bool:
        """Whether a field may stand in quotes."""
        return self.quoting and not self.longer


def read_delimited(
    file: Path, names: list[str], kinds: Mapping[str, Kind], dialect: Dialect
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
        how a table writes that it is missing; a ``"text"`` has no NUL; a ``"time"`` is a number or
        a date, whichever the first line has; of numbers all are integers, or all below 2**53
        (`recbench.data.readers.times.seconds` makes integers of it).
    dialect
        Of the file; header lines are skipped, and so are blank last lines.

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
    if dialect.quoted and not _holds_quotes(file, dialect):
        dialect = replace(dialect, quoting=False)
    if dialect.quoted:  # the fast reader lets a quote that is never closed swallow the rest
        _check_quotes(file, names, dialect)
    known = _with_kinds_of_times(file, names, kinds, dialect)
    try:
        return _sound(file, names, known, dialect)
    except _UNSOUND as error:
        reason = str(error).splitlines()[0]
    # Where the first time is an integer, a later one may still be 1.2839e9.
    whole = [name for name, kind in kinds.items() if kind == "time" and known[name] == "integer"]
    mixed = {**known, **dict.fromkeys(whole, "number")}
    if whole:
        with suppress(*_UNSOUND):
            return _exact(_sound(file, names, mixed, dialect), whole)
    _check(file, names, mixed, dialect)
    _check(file, names, known, dialect)  # numbers that would have to be integers: see `_exact`
    raise DataError(f"{file}: {reason}")


def header(file: Path, dialect: Dialect) -> list[str]:
    """
    Return the names of a file's columns, which the first line has.

    Raises
    ------
    DataError
        For a file that is missing, empty or not in that encoding.
    """
    names, line = first_line(file, dialect), f"line {dialect.header_lines + 1}"
    if any(_CONTROL.search(name) for name in names):
        message = f"{file}, {line}: expected the names of the columns, found {names!r}"
        raise wide(message, names[0]) if "\0" in "".join(names) else DataError(message)
    if not any(names):
        expected = "a line with the names of the columns"
        raise DataError(f"{file}, {line}: expected {expected}, found none")
    return names


def first_line(file: Path, dialect: Dialect) -> list[str]:
    """Return the fields of the first line, none of an empty file; raises as `header`."""
    first = islice(_records(file, dialect), 1)
    return [_decoded(field, file, number) for number, fields in first for field in fields]


def field_counts(file: Path, lines: int, dialect: Dialect) -> list[int]:
    """
    Count the fields of the next lines; blank ones, and what follows a broken quote, do not count.

    Raises
    ------
    DataError
        For a file that is missing or not in that encoding.
    """
    counts = []
    with suppress(_QuoteError):
        for _, fields in islice(_records(file, dialect), lines):
            if any(field.strip() for field in fields):
                counts.append(len(fields))
    return counts


def line_of(file: Path, dialect: Dialect, row: int) -> str:
    """Say where a row (from 0) of a file begins, as "line 2"."""
    return f"line {next(islice(_records(file, dialect), row, None))[0]}"


def _with_kinds_of_times(
    file: Path, names: list[str], kinds: Mapping[str, Kind], dialect: Dialect
) -> dict[str, str]:
    """Return `kinds` with what the first line has in the place of each ``"time"``."""
    first = next(_records(file, dialect), (0, []))[1]
    known: dict[str, str] = dict(kinds)
    for name in [name for name, kind in kinds.items() if kind == "time"]:
        known[name] = time_kind("".join(first[names.index(name) :][:1]))
    return known


def _sound(file: Path, names: list[str], kinds: Mapping[str, str], dialect: Dialect) -> pa.Table:
    """Read columns; raises one of `_UNSOUND` where a line is broken or there is none."""
    table = _read(file, names, kinds, dialect)
    if not table.num_rows or any(_unfit(table[name], kind) for name, kind in kinds.items()):
        raise pa.ArrowInvalid("expected lines without empty ids")
    return table


def _exact(table: pa.Table, times: list[str]) -> pa.Table:
    """Return the table if its numbers are small enough to be told apart."""
    for name in times:
        if pc.any(pc.greater_equal(pc.abs(table[name]), EXACT)).as_py():
            raise pa.ArrowInvalid("expected integers, or numbers below 2**53")
    return table


def _read(file: Path, names: list[str], kinds: Mapping[str, str], dialect: Dialect) -> pa.Table:
    """Read the columns of `kinds` as Arrow does: fast, but without a word on which line is bad."""
    return pa.csv.read_csv(
        arrow_stream(file, dialect.encoding, dialect.longer),
        read_options=pa.csv.ReadOptions(column_names=names, skip_rows=dialect.header_lines),
        parse_options=pa.csv.ParseOptions(
            delimiter=STAND_IN if dialect.longer else dialect.delimiter,
            quote_char='"' if dialect.quoted else False,
            newlines_in_values=dialect.quoted,
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


def _check_quotes(file: Path, names: list[str], dialect: Dialect) -> None:
    """Raise DataError for the first line that does not fit, or whose quotes may be no marks."""
    plain = replace(dialect, quoting=False)
    try:
        _check(file, names, {}, dialect)
    except DataError as error:
        if _is_whole(file, names, plain):
            raise DoubtfulQuotesError(str(error)) from None
        raise
    if not dialect.one_line:
        return
    joined = _joined_line(_records(file, dialect), _records(file, plain))
    if joined and _is_whole(file, names, plain):
        doubtful = DoubtfulQuotesError(
            f"{file}, line {joined}: expected a line for each row, found quotes that go on in the "
            "next line, though each has all its fields"
        )
        doubtful.only_then = False
        raise doubtful


def _joined_line(
    rows: Iterator[tuple[int, list[str]]], lines: Iterator[tuple[int, list[str]]]
) -> int:
    """Return the number of the first line that a row has together with the next one, else 0."""
    numbers = zip_longest((row for row, _ in rows), (line for line, _ in lines), fillvalue=0)
    return next((line - 1 for row, line in numbers if row != line), 0)


def _is_whole(file: Path, names: list[str], dialect: Dialect) -> bool:
    """Whether each line has all its fields."""
    try:
        _check(file, names, {}, dialect)
    except DataError:
        return False
    return True


def _check(file: Path, names: list[str], kinds: Mapping[str, str], dialect: Dialect) -> None:
    """Raise DataError for the first line that does not fit, or if there are no lines."""
    number = 0
    fields = f"{len(names)} fields with {dialect.delimiter!r} between them"
    wanted = [(names.index(name), name, kind) for name, kind in kinds.items()]
    for number, values in _records(file, dialect):
        if len(values) != len(names):
            found = len(values) if any(values) else "an empty line"
            raise DataError(f"{file}, line {number}: expected {fields}, found {found}")
        for place, name, kind in wanted:
            value = _decoded(values[place], file, number)
            if not fits(value, kind):
                expected = WORDS[kind]
                raise DataError(
                    f"{file}, line {number}: expected {expected} as {name}, found {value!r}"
                )
    if not number:
        line = dialect.header_lines + 1
        raise DataError(f"{file}, line {line}: expected {fields}, found the end of the file")


def _records(file: Path, dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    """
    Give the number and the fields of each line below the header.

    Each byte is a character (`_decoded` makes text).
    """
    skip, delimiter = dialect.header_lines, dialect.delimiter.encode().decode("latin-1")
    with characters(file, dialect.encoding) as stream:
        lines = islice(_unmarked(stream), skip, None)
        if not dialect.quoted:
            spaced = dialect.delimiter == SPACES
            for number, line in enumerate(lines, start=skip + 1):
                whole = line.rstrip("\r\n")
                yield number, _RUN.split(whole.strip(" ")) if spaced else whole.split(delimiter)
            return
        number = skip + 1
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        try:
            for fields in reader:
                yield number, fields or [""]
                number = skip + reader.line_num + 1
        except csv.Error as error:
            expected = "every quote to be closed or doubled"
            raise _QuoteError(f"{file}, line {number}: expected {expected}: {error}") from None


def _unmarked(lines: Iterable[str]) -> Iterator[str]:
    """Pass over a byte order mark, as the CSV reader does."""
    mark, rest = BOM_UTF8.decode("latin-1"), iter(lines)
    first = [line.removeprefix(mark) for line in islice(rest, 1)]
    return chain(filter(None, first), rest)


def _holds_quotes(file: Path, dialect: Dialect) -> bool:
    """Whether a quotation mark occurs anywhere below the header."""
    with characters(file, dialect.encoding) as stream:
        for _ in range(dialect.header_lines):
            stream.readline()
        return any('"' in block for block in iter(partial(stream.read, _BLOCK), ""))


def _decoded(field: str, file: Path, line: int) -> str:
    try:
        return field.encode("latin-1").decode()
    except UnicodeDecodeError:
        raise undecodable(file, line, UTF8) from None


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
