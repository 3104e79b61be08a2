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

from recbench.data.readers import jsonlines, parquet
from recbench.data.readers.columns import USUAL, column
from recbench.data.readers.delimited import (
    Dialect,
    first_line,
    header,
    line_of,
    read_delimited,
)
from recbench.data.readers.files import encoding_of, wide
from recbench.data.readers.finding import separator_of, separator_said
from recbench.data.readers.tabular import Tabular, read_files
from recbench.data.written import TO_BE_FOUND, Written
from recbench.errors import DataError, UserError


def opened(file: Path, written: Written = TO_BE_FOUND) -> Tabular:
    """Read what columns a file has; see `read_files` for what is raised."""
    end = Path(file.name.lower().removesuffix(".gz")).suffix
    if end not in _KINDS:
        ends = ", ".join(_KINDS)
        raise UserError(f"{file}: the end of its name says nothing; it should be one of {ends}")
    return _KINDS[end](file, written)


read = partial(read_files, opened)


def _delimited(file: Path, written: Written, usual: str) -> Tabular:
    """Open a text file; `usual` is the separator that the end of its name promises."""
    encoding = encoding_of(file, written.encoding)
    names = list(written.columns)
    quoting = written.quotes != "none"
    said = separator_said(file, encoding)
    separator = said or separator_of(file, written.separator, usual, encoding, len(names), quoting)
    one_line = separator == "\t" and not written.quotes
    dialect = Dialect(separator, encoding, 1 if said else 0, quoting, one_line)
    if names:
        _refuse_no_values(first_line(file, dialect), file)
    else:
        names = header(file, dialect)
        dialect = dialect.below_header
    return Tabular(
        file,
        names,
        partial(read_delimited, file, names, dialect=dialect),
        partial(line_of, file, dialect),
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
