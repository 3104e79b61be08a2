"""
Tables with named columns: CSV, TSV, Parquet and JSON Lines.

The kind of file is told by the end of its name, a further ``.gz`` aside. CSV and TSV are UTF-8 with
one header line; a field may stand in double quotes, a quote inside it doubled, and then hold
delimiters and line breaks.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from recbench.data.readers import jsonlines, parquet
from recbench.data.readers.columns import Columns
from recbench.data.readers.delimited import header, line_of, read_delimited
from recbench.data.readers.raw import Raw
from recbench.data.readers.tabular import Tabular, read_tables
from recbench.errors import UserError


def read(interactions: Path, items: Path | None, **columns: str) -> Raw:
    """
    Read the two files.

    Parameters
    ----------
    interactions, items
        The files, of one kind or two; `items` may be None.
    **columns
        What columns are called (`Columns`); those not named go by their usual names.

    Raises
    ------
    DataError
        For a file that is missing or has a broken line.
    UserError
        For a column that is needed and not there, or a kind of file that is not known.
    """
    return read_tables(opened(interactions), opened(items) if items else None, Columns(**columns))


def opened(file: Path) -> Tabular:
    """Read what columns a file has; see `read` for what is raised."""
    end = Path(file.name.removesuffix(".gz")).suffix.lower()
    if end not in _KINDS:
        ends = ", ".join(_KINDS)
        raise UserError(f"{file}: the end of its name says nothing; it should be one of {ends}")
    return _KINDS[end](file)


def _delimited(file: Path, delimiter: str) -> Tabular:
    names = header(file, delimiter=delimiter, quoting=True)
    return Tabular(
        file,
        names,
        partial(read_delimited, file, names, delimiter=delimiter, header_lines=1, quoting=True),
        partial(line_of, file, delimiter=delimiter, header_lines=1, quoting=True),
    )


_KINDS: dict[str, Callable[[Path], Tabular]] = {
    ".csv": partial(_delimited, delimiter=","),
    ".tsv": partial(_delimited, delimiter="\t"),
    ".parquet": parquet.opened,
    ".jsonl": jsonlines.opened,
    ".ndjson": jsonlines.opened,
}
