"""
RecBole's atomic files: ``<name>.inter`` and ``<name>.item``.

UTF-8, tab separated, with one header line of ``column:type``. Read are the columns of user and item
(``user_id`` and ``item_id``, or what a session is called), and, where there are such, ``rating``,
``timestamp`` and the title (``movie_title``, ``title``, ``name`` and the like). A dataset may come
without an item file, and interactions may name items that it does not list: their ids are their
titles.
"""

from functools import partial
from pathlib import Path

from recbench.data.readers.columns import Columns
from recbench.data.readers.delimited import header, read_delimited
from recbench.data.readers.raw import Raw
from recbench.data.readers.tabular import Tabular, read_tables


def read(interactions: Path, items: Path | None, **columns: str) -> Raw:
    """
    Read the two files.

    Parameters
    ----------
    interactions, items
        The files; `items` may be None.
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
    return read_tables(opened(interactions), opened(items) if items else None, Columns(**columns))


def opened(file: Path) -> Tabular:
    """Read the header of one atomic file."""
    fields = header(file, delimiter="\t")
    names = [field.split(":")[0] for field in fields]
    lists = frozenset(field.split(":")[0] for field in fields if field.endswith("_seq"))
    read = partial(read_delimited, file, names, delimiter="\t", header_lines=1)
    return Tabular(file, names, read, lambda row: f"line {row + 2}", lists=lists)
