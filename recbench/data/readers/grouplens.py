"""
MovieLens-100K as GroupLens publishes it: ``u.data`` and ``u.item``.

``u.data``: user, item, rating, time, tab separated, no header. ``u.item``: ISO-8859-1, 24 fields
with ``|`` between them, the first two being item id and title.
"""

from pathlib import Path

from recbench.data.readers.delimited import Dialect, read_delimited
from recbench.data.readers.raw import Raw, as_ratings, checked, coded

_ITEM_FIELDS = 24


def read(interactions: Path, items: Path) -> Raw:
    """
    Read the two files.

    Raises
    ------
    DataError
        For a file that is missing or has a broken line.
    """
    rated = read_delimited(
        interactions,
        ["user", "item", "rating", "time"],
        {"user": "integer", "item": "integer", "rating": "number", "time": "integer"},
        Dialect("\t"),
    )
    listed = read_delimited(
        items,
        ["item", "title", *(f"field {i}" for i in range(3, _ITEM_FIELDS + 1))],
        {"item": "integer", "title": "text"},
        Dialect("|", encoding="iso-8859-1"),
    )
    raw = Raw(
        users=coded(rated["user"]),
        items=coded(rated["item"]),
        ratings=as_ratings(rated["rating"]),
        times=rated["time"].to_numpy(),
        item_ids=listed["item"].to_numpy(),
        titles=listed["title"].to_pylist(),
    )
    return checked(raw, interactions, items, header_lines=0)
