"""
Tables with named columns: delimited text, Parquet, JSON Lines and JSON.

The kind of file is told by the end of its name, a further ``.gz`` aside. Delimited text has one
header line, unless its columns are named; a field may stand in double quotes, a quote inside it
doubled, and then hold delimiters and line breaks. See `recbench.data.written` for
separators and encodings.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypedDict

from recbench.data.readers import jsonlines, parquet
from recbench.data.readers.columns import USUAL, Columns, column
from recbench.data.readers.delimited import first_line, header, line_of, read_delimited
from recbench.data.readers.files import encoding_of, wide
from recbench.data.readers.finding import naming_remedies, separator_of, separator_said
from recbench.data.readers.raw import Raw
from recbench.data.readers.tabular import Tabular, read_tables
from recbench.data.written import TO_BE_FOUND, Written
from recbench.errors import DataError, UserError


class _Dialect(TypedDict):
    """What the functions of `recbench.data.readers.delimited` take."""

    delimiter: str
    encoding: str
    quoting: bool


def read(
    interactions: Path,
    items: Path | None,
    written: Written = TO_BE_FOUND,
    items_written: Written = TO_BE_FOUND,
    **columns: str,
) -> Raw:
    """
    Read the two files.

    Parameters
    ----------
    interactions, items
        The files, of one kind or two; `items` may be None.
    written, items_written
        How they are written, as far as that is known and they are text.
    **columns
        What columns are called (`Columns`); those not named go by their usual names.

    Raises
    ------
    DataError
        For a file that is missing or has a broken line.
    UserError
        For a column that is needed and not there, or a kind of file that is not known.
    """
    rated = opened(interactions, written)
    listed = opened(items, items_written) if items else None
    return read_tables(rated, listed, Columns(**columns))


def opened(file: Path, written: Written = TO_BE_FOUND) -> Tabular:
    """Read what columns a file has; see `read` for what is raised."""
    end = Path(file.name.lower().removesuffix(".gz")).suffix
    if end not in _KINDS:
        ends = ", ".join(_KINDS)
        raise UserError(f"{file}: the end of its name says nothing; it should be one of {ends}")
    with naming_remedies():
        table = _KINDS[end](file, written)
    return replace(table, read=naming_remedies()(table.read))


def _delimited(file: Path, written: Written, usual: str) -> Tabular:
    """Open a text file; `usual` is the separator that the end of its name promises."""
    encoding = encoding_of(file, written.encoding)
    names = list(written.columns)
    quoting = written.quotes != "none"
    said = separator_said(file, encoding)
    above = 1 if said else 0
    separator = said or separator_of(file, written.separator, usual, encoding, len(names), quoting)
    dialect = _Dialect(delimiter=separator, encoding=encoding, quoting=quoting)
    if names:
        _refuse_no_values(first_line(file, above=above, **dialect), file)
    else:
        names = header(file, above=above, **dialect)
    one_line = separator == "\t" and not written.quotes
    below = above + (0 if written.columns else 1)
    return Tabular(
        file,
        names,
        partial(read_delimited, file, names, header_lines=below, one_line=one_line, **dialect),
        partial(line_of, file, header_lines=below, **dialect),
        written=Written(separator, encoding, written.columns, written.quotes),
        unnamed=not written.columns,
    )


def _json(file: Path, written: Written, read: Callable[[Path, str], Tabular]) -> Tabular:
    encoding = encoding_of(file, written.encoding)
    return replace(read(file, encoding), written=Written(encoding=encoding))


def _refuse_no_values(fields: list[str], file: Path) -> None:
    """Refuse a first line that names two columns, where it should hold their values; and NULs."""
    if any("\0" in field for field in fields):
        raise wide(f"{file}, line 1: expected text, found NULs: {fields!r}", fields[0])
    if len({column(role, fields, file, None) for role in USUAL} - {None}) > 1:
        raise DataError(
            f"{file}, line 1: expected values, found the names of columns {fields!r}; "
            "leave out the list of names that was given for this file"
        )


_KINDS: dict[str, Callable[[Path, Written], Tabular]] = {
    ".csv": partial(_delimited, usual=","),
    ".tsv": partial(_delimited, usual="\t"),
    ".txt": partial(_delimited, usual=""),
    ".dat": partial(_delimited, usual=""),
    ".data": partial(_delimited, usual=""),
    ".parquet": lambda file, _: parquet.opened(file),
    ".json": partial(_json, read=jsonlines.opened_json),
    ".jsonl": partial(_json, read=jsonlines.opened),
    ".ndjson": partial(_json, read=jsonlines.opened),
}
