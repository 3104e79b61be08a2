"""Interactions and items from two tables with named columns, whatever the kind of file."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from recbench.data.readers.columns import Columns, column
from recbench.data.readers.delimited import Kind
from recbench.data.readers.raw import (
    Raw,
    among,
    as_ratings,
    coded,
    refuse,
    refuse_repeated,
    together,
)
from recbench.data.readers.times import seconds
from recbench.errors import DataError, UserError


@dataclass(frozen=True)
class Tabular:
    """
    A file with named columns.

    Attributes
    ----------
    file
        Where it is.
    names
        Its columns.
    read
        Given column names and what they hold, returns these columns, without nulls; raises
        DataError for a broken line.
    place
        Says where a row (from 0) stands in the file, for example "line 2".
    typed
        Whether the file tells text from numbers, so that the text "7" is not the number 7.
    """

    file: Path
    names: list[str]
    read: Callable[[Mapping[str, Kind]], pa.Table]
    place: Callable[[int], str]
    typed: bool = False


def columns_of(interactions: Tabular, items: Tabular | None, wanted: Columns) -> Columns:
    """
    Find the columns of all roles.

    Parameters
    ----------
    interactions, items
        The tables.
    wanted
        What the user calls them; None to go by their usual names.

    Raises
    ------
    UserError
        For a column that is not there, a user or item column that nobody recognises, one column
        that would be both, or a column of titles where there is no table of items.
    DataError
        For two columns of one name.
    """
    names, file = interactions.names, interactions.file
    if items is None and wanted.title is not None:
        raise UserError(f"--title-column {wanted.title} is of a table of items, and there is none")
    found = Columns(
        user=column("user", names, file, wanted.user, needed=True),
        item=column("item", names, file, wanted.item, needed=True),
        time=column("time", names, file, wanted.time),
        rating=column("rating", names, file, wanted.rating),
        title=column("title", items.names, items.file, wanted.title) if items else None,
    )
    if found.user == found.item:
        raise UserError(
            f"{file}: column '{found.user}' cannot be both user and item; "
            "name the right ones with --user-column and --item-column"
        )
    return found


def read_tables(interactions: Tabular, items: Tabular | None, wanted: Columns) -> Raw:
    """
    Read both tables.

    Parameters
    ----------
    interactions
        One row an interaction; without a column of times their order is their age.
    items
        One row an item; None where there is no such file. Items that it does not list, and all
        where it has no titles, have their id as title.
    wanted
        What the columns are called; None to go by their usual names.

    Raises
    ------
    DataError
        For a broken line; an item that is listed twice; a rating or time that is not finite; an
        item table that lists none of the items interacted with.
    UserError
        As `columns_of`.
    """
    found = columns_of(interactions, items, wanted)
    assert found.user is not None
    assert found.item is not None
    kinds: dict[str, Kind] = {found.user: "id", found.item: "id"}
    if found.time is not None:
        kinds[found.time] = "time"
    if found.rating is not None:
        kinds[found.rating] = "number"
    rated = interactions.read(kinds)
    times = ratings = None
    if found.time is not None:
        _refuse_infinite(rated[found.time], interactions, "time")
        times = seconds(rated[found.time])
    if found.rating is not None:
        ratings = as_ratings(rated[found.rating])
        infinite, place = ~np.isfinite(ratings), interactions.place
        refuse(infinite, interactions.file, place, "a finite rating", ratings)
    users, used = (coded(rated[each], interactions.typed) for each in (found.user, found.item))
    raw = Raw(users, used, ratings, times, used.ids, [str(each) for each in used.ids.tolist()])
    return with_titles(raw, items, found)


def with_titles(raw: Raw, items: Tabular | None, found: Columns) -> Raw:
    """
    Take ids and titles from the item table; what it does not list keeps its id as title.

    Parameters
    ----------
    raw
        With the ids of its items as titles.
    items
        The table; None where there is none.
    found
        What the interactions call an item, and the table its titles.

    Raises
    ------
    DataError
        As `read_tables`, for what is wrong with the item table.
    """
    if items is None:
        return replace(raw, notes=("No titles: the ids of the items stand for them.",))
    return _listed(raw, items, found)


def _listed(raw: Raw, items: Tabular, found: Columns) -> Raw:
    """Take ids and titles from the item table, and from `raw` the items that it does not list."""
    key = column("item", items.names, items.file, found.item if found.item in items.names else None)
    if key is None:
        raise DataError(f"{items.file}: expected a column '{found.item}' with the ids of the items")
    kinds: dict[str, Kind] = {key: "id"}
    if found.title is not None and found.title != key:
        kinds[found.title] = "text"
    table = items.read(kinds)
    ids = coded(table[key], items.typed)[:]
    refuse_repeated(ids, items.file, items.place)
    unlisted = ~among(raw.item_ids, ids)
    if unlisted.all():
        raise DataError(f"{items.file}: expected items of the interactions, found none in '{key}'")
    titles = table[found.title or key].cast(pa.string()).to_pylist()
    notes = [] if found.title else ["No titles: the ids of the items stand for them."]
    if unlisted.any():
        notes.append(
            f"{unlisted.sum()} of the {len(unlisted)} items interacted with are not in "
            f"{items.file.name}: their ids are their titles."
        )
    extra = [title for title, new in zip(raw.titles, unlisted.tolist(), strict=True) if new]
    return replace(
        raw,
        item_ids=together(ids, raw.item_ids[unlisted]),
        titles=titles + extra,
        notes=tuple(notes),
    )


def _refuse_infinite(values: pa.ChunkedArray, table: Tabular, what: str) -> None:
    if pa.types.is_floating(values.type):
        numbers: NDArray[Any] = values.to_numpy()
        refuse(~np.isfinite(numbers), table.file, table.place, f"a finite {what}", numbers)
