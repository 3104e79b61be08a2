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

from recbench.data.readers.delimited import Dialect, header, read_delimited
from recbench.data.readers.files import encoding_of
from recbench.data.readers.tabular import Tabular, read_files
from recbench.data.written import TO_BE_FOUND, Written
from recbench.errors import UserError


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
    dialect = Dialect(separator, encoding)
    fields = header(file, dialect)
    # One that has several types in it holds another separator, which its error is to show.
    names = [field if field.count(":") > 1 else field.split(":")[0] for field in fields]
    lists = frozenset(field.split(":")[0] for field in fields if field.endswith("_seq"))
    return Tabular(
        file,
        names,
        partial(read_delimited, file, names, dialect=dialect.below_header),
        lambda row: f"line {row + 2}",
        written=Written(separator, encoding),
        lists=lists,
    )


read = partial(read_files, opened)
