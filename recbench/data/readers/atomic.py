"""
RecBole's atomic files: ``<name>.inter`` and ``<name>.item``.

One header line of ``column:type``; tab separated and UTF-8, unless RecBole's settings
``field_separator`` and ``encoding`` said otherwise (`recbench.data.written`). Read are the columns
of user and item (``user_id`` and ``item_id``, or what a session is called), and, where there are
such, ``rating``, ``timestamp`` and the title (``movie_title``, ``title``, ``name`` and the like). A
dataset may come without an item file, and interactions may name items that it does not list: their
ids are their titles.
"""

from functools import partial
from pathlib import Path

from recbench.data.readers.columns import Columns
from recbench.data.readers.delimited import header, read_delimited
from recbench.data.readers.files import encoding_of
from recbench.data.readers.finding import naming_remedies
from recbench.data.readers.raw import Raw
from recbench.data.readers.tabular import Tabular, read_tables
from recbench.data.written import TO_BE_FOUND, Written
from recbench.errors import UserError


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
        The files; `items` may be None.
    written, items_written
        How they are written, as far as that was named.
    **columns
        What columns are called, without their types (`Columns`); those not named go by their
        usual names.

    Raises
    ------
    DataError
        For a file that is missing or has a broken line.
    UserError
        For a column that is needed and not there.
    """
    rated = opened(interactions, written)
    listed = opened(items, items_written) if items else None
    return read_tables(rated, listed, Columns(**columns))


def opened(file: Path, written: Written = TO_BE_FOUND) -> Tabular:
    """Read the header of one atomic file."""
    if written.quotes == "double":
        raise UserError(f"{file}: quotes of an atomic file are characters; leave out --quotes")
    if written.columns:
        raise UserError(
            f"{file}: line 1 of an atomic file names its columns; leave out the list of names that "
            "was given for this file"
        )
    separator, encoding = written.separator or "\t", encoding_of(file, written.encoding)
    with naming_remedies():
        fields = header(file, delimiter=separator, encoding=encoding)
    names = [field.split(":")[0] for field in fields]
    lists = frozenset(field.split(":")[0] for field in fields if field.endswith("_seq"))
    read = partial(
        read_delimited, file, names, delimiter=separator, encoding=encoding, header_lines=1
    )
    return Tabular(
        file,
        names,
        naming_remedies()(read),
        lambda row: f"line {row + 2}",
        written=Written(separator, encoding),
        lists=lists,
    )
