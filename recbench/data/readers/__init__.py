"""
Raw files -> interactions and items. One raw format a file.

To add a format:

1. write ``recbench/data/readers/<format>.py`` with a function
   ``read(interactions: Path, items: Path) -> Raw``; broken lines raise `DataError` with file and
   line;
2. name the function in `READERS`;
3. name the format in a dataset card, with the names of its two files.
"""

from collections.abc import Callable
from pathlib import Path

from recbench.data.readers import (
    amazon,
    atomic,
    grouplens,
    hetrec,
    llara,
    movielens_csv,
    movielens_dat,
    plain_split,
    presplit,
    steam,
    table,
)
from recbench.data.readers.raw import Raw
from recbench.data.readers.released import RawSplit
from recbench.data.readers.tabular import Tabular
from recbench.data.written import Written

READERS: dict[str, Callable[..., Raw]] = {
    "grouplens": grouplens.read,
    "atomic": atomic.read,
    "table": table.read,
    "hetrec": hetrec.read,
    "movielens-dat": movielens_dat.read,
    "movielens-csv": movielens_csv.read,
    "steam": steam.read,
    "amazon": amazon.read,
}

OPENED: dict[str, Callable[[Path, Written], Tabular]] = {
    "atomic": atomic.opened,
    "table": table.opened,
}
"""Formats in which a user's own data may come: what opens one file and names its columns."""

SPLITS: dict[str, Callable[[Path], RawSplit]] = {
    "rows": plain_split.read,
    "recbole": presplit.read,
    "llara": llara.read,
}
"""Formats in which a finished split may come: what reads its folder."""
