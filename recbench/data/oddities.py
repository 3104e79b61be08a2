"""What is odd about data that could be read: each a sentence for whoever added them."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from recbench.data.missing import missing_among, reads_as_missing
from recbench.data.readers.raw import Coded, Raw
from recbench.data.time_units import astray, numbers_rows

_FEW = 10  # interactions that say nothing about how often something comes
_ONCE = 0.9  # of the users or items, where a column seems to number the rows
_SHOWN = 3


def oddities(raw: Raw, columns: Mapping[str, str], place: Callable[[int], str]) -> tuple[str, ...]:
    """
    Find what was read as it stands and yet may be meant otherwise.

    Parameters
    ----------
    raw
        What was read.
    columns
        Role to what its column is called.
    place
        Says where an interaction (from 0) stands.

    Returns
    -------
    tuple of str
        Ids and titles that programs write for missing ones; a column of ids that seems to number
        the rows; interactions that stand there twice; times of another magnitude than the rest, or
        that number the rows. Empty for most data.
    """
    ids = {"user": raw.users, "item": raw.items}
    said = [_missing_ids(role, column, place) for role, column in ids.items()]
    said += [_once(role, columns[role], column) for role, column in ids.items()]
    said += [_missing_listed(raw), _missing_titles(raw.titles), _repeated(raw, place)]
    said += [_astray(raw.times, place), _order_alone(raw.times, columns)]
    return tuple(sentence for sentence in said if sentence)


def _missing_ids(role: str, column: Coded, place: Callable[[int], str]) -> str:
    codes = missing_among(column.ids)
    rows = np.flatnonzero(np.isin(column.codes, codes)) if codes else np.array([], np.int64)
    if not len(rows):
        return ""
    names = ", ".join(repr(column.ids[code]) for code in codes[:_SHOWN])
    return (
        f"{len(rows)} interactions have {names} as {role}, the first in {place(int(rows[0]))}: so "
        f"programs write a missing id; if it is one, leave these rows out, or all count as one "
        f"{role}."
    )


def _missing_listed(raw: Raw) -> str:
    met = set(raw.items.ids.tolist())
    listed = [raw.item_ids[code] for code in missing_among(raw.item_ids)]
    unmet = [repr(text) for text in listed if text not in met]
    if not unmet:
        return ""
    return (
        f"The table of items lists {', '.join(unmet[:_SHOWN])}: so programs write a missing id; if "
        "it is one, leave this row out, or it is a candidate."
    )


def _once(role: str, name: str, column: Coded) -> str:
    once = int((np.bincount(column.codes) == 1).sum())
    if len(column) < _FEW or once <= _ONCE * len(column.ids):
        return ""
    return (
        f"{once} of the {len(column.ids)} {role}s occur once: {name!r} may number the rows; if it "
        f"does, name the column of {role}s with --{role}-column."
    )


def _missing_titles(titles: list[str]) -> str:
    found = [title for title in titles if title.strip() and reads_as_missing(title)]
    if len(found) < 2:
        return ""
    return (
        f"{len(found)} items have the title {found[0]!r} or the like: so programs write a missing "
        'one; leave it empty, and it reads "unknown".'
    )


def _repeated(raw: Raw, place: Callable[[int], str]) -> str:
    if raw.times is None:
        return ""
    pairs = raw.users.codes.astype(np.int64) << 32 | raw.items.codes
    order = np.lexsort((raw.times, pairs))  # what is alike stays in the order of the file
    pairs, times = pairs[order], raw.times[order]
    rows = order[1:][(pairs[1:] == pairs[:-1]) & (times[1:] == times[:-1])]
    if not len(rows):
        return ""
    return (
        f"{len(rows)} of the {len(raw.users)} interactions have the user, item and time of an "
        f"earlier one, the first in {place(int(rows.min()))}: if they were written twice, leave "
        "them out; --pairs first keeps one interaction of each user and item."
    )


def _order_alone(times: NDArray[np.int64] | None, columns: Mapping[str, str]) -> str:
    if times is None or not numbers_rows(times):
        return ""
    return (
        f"{columns['time']!r} numbers the rows, 0, 1, 2, ...: it is taken for their order alone, "
        "and the data for data without times."
    )


def _astray(times: NDArray[np.int64] | None, place: Callable[[int], str]) -> str:
    if times is None or not len(strays := np.flatnonzero(astray(times))):
        return ""
    first = int(strays[0])
    return (
        f"{len(strays)} of the {len(times)} times are of another magnitude than the rest, the "
        f"first in {place(first)} ({times[first]}): they stand in the wrong order; write all in "
        "one unit, and leave out those that are not known."
    )
