"""
MovieLens-20M (and 25M, 32M, latest) as GroupLens publishes it: ``ratings.csv`` and ``movies.csv``.

UTF-8 with a header line; a field with a comma in it stands in double quotes. Columns ``userId``,
``movieId``, ``rating`` and ``timestamp``; ``movieId``, ``title`` and ``genres``.
"""

from pathlib import Path

import pyarrow as pa

from recbench.data.readers.delimited import Dialect, Kind, header, read_delimited
from recbench.data.readers.raw import Raw, as_ratings, checked, coded
from recbench.errors import DataError


def read(interactions: Path, items: Path) -> Raw:
    """
    Read the two files.

    Raises
    ------
    DataError
        For a file that is missing, has other columns or a broken line.
    """
    rated = _read(
        interactions,
        {"userId": "integer", "movieId": "integer", "rating": "number", "timestamp": "integer"},
    )
    listed = _read(items, {"movieId": "integer", "title": "text"})
    raw = Raw(
        users=coded(rated["userId"]),
        items=coded(rated["movieId"]),
        ratings=as_ratings(rated["rating"]),
        times=rated["timestamp"].to_numpy(),
        item_ids=listed["movieId"].to_numpy(),
        titles=listed["title"].to_pylist(),
    )
    return checked(raw, interactions, items, header_lines=1)


def _read(file: Path, kinds: dict[str, Kind]) -> pa.Table:
    dialect = Dialect(",", quoting=True)
    names = header(file, dialect)
    for name in kinds:
        if names.count(name) != 1:
            raise DataError(f"{file}, line 1: expected one column '{name}', found {names}")
    return read_delimited(file, names, kinds, dialect.below_header)
