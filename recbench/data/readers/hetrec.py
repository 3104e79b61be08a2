"""
Last.fm of HetRec 2011: ``user_taggedartists.dat`` and ``artists.dat``.

UTF-8, tab separated, one header line. ``user_taggedartists.dat``: user, artist and tag, with
the day, month and year on which the one gave it to the other. ``artists.dat``: artist id, name, two
addresses; a name that begins with a quotation mark is quoted in the usual way of CSV, as the
published build read it.
"""

import csv
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from recbench.data.readers.delimited import Dialect, read_delimited
from recbench.data.readers.raw import Raw, checked, coded
from recbench.errors import DataError

_DAY = 86_400  # seconds
_DIALECT = Dialect("\t", header_lines=1)


def read(interactions: Path, items: Path) -> Raw:
    """
    Read the two files.

    Returns
    -------
    Raw
        Every tag that names a listed artist is an interaction without a rating, at the first
        second (UTC) of its day. A user who gave an artist several tags has several of them. Tags
        of artists that `items` does not list are left out.

    Raises
    ------
    DataError
        For a file that is missing or has a broken line; for a date that is none.
    """
    columns = ("user", "artist", "tag", "day", "month", "year")
    tagged = read_delimited(
        interactions,
        list(columns),
        dict.fromkeys(columns, "integer"),
        _DIALECT,
    )
    listed = read_delimited(
        items,
        ["artist", "name", "url", "picture"],
        {"artist": "integer", "name": "text"},
        _DIALECT,
    )
    artists = listed["artist"].to_numpy()
    times = _midnights(tagged, interactions)
    known = np.isin(tagged["artist"].to_numpy(), artists)
    raw = Raw(
        users=coded(tagged["user"].to_numpy()[known]),
        items=coded(tagged["artist"].to_numpy()[known]),
        ratings=None,
        times=times[known],
        item_ids=artists,
        titles=[_unquoted(name) for name in listed["name"].to_pylist()],
    )
    return checked(raw, interactions, items, header_lines=1)


def _midnights(tagged: pa.Table, file: Path) -> NDArray[np.int64]:
    """Return the first second of each day, since 1970; negative before."""
    day, month, year = (tagged[name].to_numpy() for name in ("day", "month", "year"))
    plausible = (year >= 1) & (year <= 9999) & (month >= 1) & (month <= 12)
    months = ((year - 1970) * 12 + month - 1).astype("datetime64[M]")
    first = months.astype("datetime64[D]")
    lengths = ((months + 1).astype("datetime64[D]") - first).astype(np.int64)
    broken = ~(plausible & (day >= 1) & (day <= lengths))
    if broken.any():
        row = int(broken.argmax())
        raise DataError(
            f"{file}, line {row + 2}: expected a date, "
            f"found day {day[row]}, month {month[row]}, year {year[row]}"
        )
    return (first.astype(np.int64) + day - 1) * _DAY


def _unquoted(name: str) -> str:
    return next(csv.reader([name], delimiter="\t"))[0] if name.startswith('"') else name
