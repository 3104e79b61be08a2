"""
MovieLens-1M (and 10M) as GroupLens publishes it: ``ratings.dat`` and ``movies.dat``.

Fields with ``::`` between them, no header: user, item, rating and time; item, title (ISO-8859-1)
and genres.
"""

import re
from array import array
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from recbench.data.readers.files import lines
from recbench.data.readers.raw import Raw, checked, coded
from recbench.errors import DataError

_RATING = re.compile(rb"([0-9]{1,18})::([0-9]{1,18})::([0-9]{1,9}(?:\.[0-9]+)?)::(-?[0-9]{1,18})")
_MOVIE = re.compile(rb"([0-9]{1,18})::(.*)::(.*)")


def read(interactions: Path, items: Path) -> Raw:
    """
    Read the two files.

    Raises
    ------
    DataError
        For a file that is missing, empty or has a broken line.
    """
    users, movies, ratings, times = array("q"), array("q"), array("f"), array("q")
    for user, movie, rating, time in _rows(interactions, _RATING, "user::item::rating::time"):
        users.append(int(user))
        movies.append(int(movie))
        ratings.append(float(rating))
        times.append(int(time))
    listed = [
        (int(movie), title.decode("iso-8859-1"))
        for movie, title, _ in _rows(items, _MOVIE, "item::title::genres")
    ]
    raw = Raw(
        users=coded(np.array(users)),
        items=coded(np.array(movies)),
        ratings=np.array(ratings),
        times=np.array(times),
        item_ids=np.array([movie for movie, _ in listed]),
        titles=[title for _, title in listed],
    )
    return checked(raw, interactions, items, header_lines=0)


def _rows(file: Path, shape: re.Pattern[bytes], expected: str) -> Iterator[tuple[bytes, ...]]:
    number = 0
    for number, line in lines(file):
        found = shape.fullmatch(line.rstrip(b"\r\n"))
        if found is None or b"\x00" in line:
            shown = line.rstrip(b"\r\n").decode("iso-8859-1")[:60]
            raise DataError(f"{file}, line {number}: expected {expected}, found {shown!r}")
        yield found.groups()
    if not number:
        raise DataError(f"{file}, line 1: expected {expected}, found the end of the file")
