"""
RecBole's atomic files: ``<name>.inter`` and ``<name>.item``.

UTF-8, tab separated, with one header line of ``column:type``. Read are ``user_id``, ``item_id``,
``rating`` and ``timestamp`` of the one, ``item_id`` and ``movie_title`` of the other; other
columns are left alone.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa

from recbench.data.readers.delimited import Kind, read_delimited
from recbench.data.readers.raw import Raw, checked
from recbench.errors import DataError


def read(interactions: Path, items: Path) -> Raw:
    """
    Read the two files.

    Raises
    ------
    DataError
        For a file that is missing, lacks a column or has a broken line.
    """
    rated = _read(
        interactions,
        {"user_id": "integer", "item_id": "integer", "rating": "number", "timestamp": "integer"},
    )
    listed = _read(items, {"item_id": "integer", "movie_title": "text"})
    raw = Raw(
        users=rated["user_id"].to_numpy(),
        items=rated["item_id"].to_numpy(),
        ratings=rated["rating"].to_numpy().astype(np.float32),
        times=rated["timestamp"].to_numpy(),
        item_ids=listed["item_id"].to_numpy(),
        titles=listed["movie_title"].to_pylist(),
    )
    return checked(raw, interactions, items, header_lines=1)


def _read(file: Path, kinds: dict[str, Kind]) -> pa.Table:
    try:
        with file.open("rb") as stream:
            header = stream.readline().decode().rstrip("\r\n")
    except FileNotFoundError:
        raise DataError(f"{file}: expected a file, found none") from None
    except UnicodeDecodeError:
        raise DataError(f"{file}, line 1: expected utf8 text") from None
    names = [column.split(":")[0] for column in header.split("\t")]
    for name in kinds:
        if names.count(name) != 1:
            raise DataError(f"{file}, line 1: expected one column '{name}', found {header!r}")
    return read_delimited(file, names, kinds, delimiter="\t", header_lines=1)
