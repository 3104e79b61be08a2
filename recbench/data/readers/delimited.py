"""Typed columns of a delimited text file: fast when sound, exact about the line when not."""

from codecs import BOM_UTF8
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.csv

from recbench.data.readers.files import arrow_stream, lines
from recbench.errors import DataError

Kind = Literal["integer", "number", "text"]
_ARROW = {"integer": pa.int64(), "number": pa.float64(), "text": pa.string()}
_WORDS = {"integer": "an integer", "number": "a number", "text": "text"}


def read_delimited(
    file: Path,
    names: list[str],
    kinds: Mapping[str, Kind],
    *,
    delimiter: str,
    encoding: str = "utf8",
    header_lines: int = 0,
) -> pa.Table:
    """
    Read some columns of a file without quoting or escapes.

    Parameters
    ----------
    file
        The file, gzipped or not; every line has ``len(names)`` fields.
    names
        All columns, in the file's order.
    kinds
        The columns wanted and what they hold.
    delimiter, encoding, header_lines
        Of the file; header lines are skipped.

    Returns
    -------
    pyarrow.Table
        The wanted columns (int64, float64 or string), without nulls, in file order.

    Raises
    ------
    DataError
        Naming the first broken line, if there is one; for an empty file; for a file that is not
        there.
    """
    try:
        table = pa.csv.read_csv(
            arrow_stream(file),
            read_options=pa.csv.ReadOptions(
                column_names=names, encoding=encoding, skip_rows=header_lines
            ),
            parse_options=pa.csv.ParseOptions(
                delimiter=delimiter, quote_char=False, ignore_empty_lines=False
            ),
            convert_options=pa.csv.ConvertOptions(
                column_types={name: _ARROW[kind] for name, kind in kinds.items()},
                include_columns=list(kinds),
                null_values=[],
                strings_can_be_null=False,
            ),
        )
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        _name_broken_line(file, names, kinds, delimiter, encoding, header_lines)
        raise DataError(f"{file}: {str(error).splitlines()[0]}") from None
    if not table.num_rows:
        _name_broken_line(file, names, kinds, delimiter, encoding, header_lines)
    return table


def _name_broken_line(
    file: Path,
    names: list[str],
    kinds: Mapping[str, Kind],
    delimiter: str,
    encoding: str,
    header_lines: int,
) -> None:
    """Raise DataError for the first line that does not fit, or if there are no lines."""
    number = 0
    fields = f"{len(names)} fields with {delimiter!r} between them"
    for number, line in _lines(file, encoding):
        if number <= header_lines:
            continue
        values = line.split(delimiter)
        if len(values) != len(names):
            found = len(values) if line else "an empty line"
            raise DataError(f"{file}, line {number}: expected {fields}, found {found}")
        for name, value in zip(names, values, strict=True):
            if not _fits(value, kinds.get(name, "text")):
                expected = _WORDS[kinds[name]]
                raise DataError(
                    f"{file}, line {number}: expected {expected} as {name}, found {value!r}"
                )
    if number <= header_lines:
        raise DataError(f"{file}, line {number + 1}: expected {fields}, found the end of the file")


def _lines(file: Path, encoding: str) -> Iterator[tuple[int, str]]:
    for number, line in lines(file):
        if number == 1 and encoding == "utf8":
            line = line.removeprefix(BOM_UTF8)  # as the CSV reader does
        try:
            yield number, line.rstrip(b"\r\n").decode(encoding)
        except UnicodeDecodeError:
            raise DataError(f"{file}, line {number}: expected {encoding} text") from None


def _fits(value: str, kind: Kind) -> bool:
    if kind == "text":
        return True
    try:
        pa.scalar(value.strip(" \t")).cast(_ARROW[kind])  # as the CSV reader trims numbers
    except pa.ArrowInvalid:
        return False
    return True
