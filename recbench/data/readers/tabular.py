"""Interactions and items from two tables with named columns, whatever the kind of file."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from recbench.data.readers.columns import KEY, Columns, Role, column
from recbench.data.readers.delimited import Kind
from recbench.data.readers.id_differences import difference
from recbench.data.readers.raw import (
    Raw,
    among,
    as_ratings,
    coded,
    refuse,
    refuse_repeated,
    together,
)
from recbench.data.readers.times import MISSING, farthest, seconds
from recbench.data.written import TO_BE_FOUND, Written
from recbench.errors import DataError, UserError

_MANY = 0.5  # of the items that are not listed: then their ids may be written in another way
_BETWEEN = re.compile(r"[^\w.-]")  # what may separate fields: no word and no number has it


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
    written
        How a text file is written, found or named.
    unnamed
        Whether nobody said that line 1 holds the names: it may be the first row.
    lists
        The columns of which the file says, or its first rows show, that they hold lists.
    """

    file: Path
    names: list[str]
    read: Callable[[Mapping[str, Kind]], pa.Table]
    place: Callable[[int], str]
    typed: bool = False
    written: Written = TO_BE_FOUND
    unnamed: bool = False
    lists: frozenset[str] = frozenset()


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
    _refuse_unnamed(interactions, wanted)
    if items is None and wanted.title is not None:
        raise UserError(
            f"--title-column {wanted.title} is of a table of items, and there is none: add one, or "
            "leave the option out"
        )
    named = (wanted.user, wanted.item, wanted.time, wanted.rating)
    user = column("user", names, file, wanted.user, needed=True, taken=named)
    item = column("item", names, file, wanted.item, needed=True, taken=(*named, user))
    rated = wanted.rating != ""
    found = Columns(
        user=user,
        item=item,
        time=column("time", names, file, wanted.time, taken=named),
        rating=column("rating", names, file, wanted.rating, taken=named) if rated else None,
        title=column("title", items.names, items.file, wanted.title) if items else None,
    )
    for role, other in (("user", "item"), *product(("user", "item"), ("time", "rating"))):
        name = getattr(found, role)
        if name == getattr(found, other):
            raise UserError(
                f"{file}: column '{name}' cannot be both {role} and {other}; "
                f"name the right ones with --{role}-column and --{other}-column"
            )
    return found


def _refuse_unnamed(table: Tabular, wanted: Columns) -> None:
    """Say what helps where text seems to have another separator, or no line of names."""
    if table.typed:
        return
    names, file = table.names, table.file
    if _unparted(table):
        raise _one_field(table, "columns of users and items")
    roles: tuple[Role, ...] = ("user", "item")
    recognised = [getattr(wanted, role) or column(role, names, file, None) for role in roles]
    if table.unnamed and not any(recognised):
        raise UserError(
            f"{file}: no column is recognised as the user or the item "
            f"({', '.join(map(repr, names))}); name both with --user-column and --item-column or, "
            "if line 1 holds no names, all columns with --columns user,item,..."
        )


def _unparted(table: Tabular) -> bool:
    """Whether line 1 is one field in which something may stand between several."""
    return not table.typed and len(table.names) == 1 and bool(_BETWEEN.search(table.names[0]))


def _one_field(table: Tabular, expected: str) -> DataError:
    return DataError(
        f"{table.file}, line 1: expected {expected}, found one field, {table.names[0]!r}; "
        "name what stands between fields, as --separator ';'"
    )


def read_files(
    opened: Callable[[Path, Written], Tabular],
    interactions: Path,
    items: Path | None,
    written: Written = TO_BE_FOUND,
    items_written: Written = TO_BE_FOUND,
    **columns: str,
) -> Raw:
    """
    Read two files of one format.

    Parameters
    ----------
    opened
        Opens a file of that format.
    interactions, items
        The files; `items` may be None.
    written, items_written
        How they are written, as far as that is known and they are text.
    **columns
        What columns are called (`Columns`); those not named go by their usual names.

    Raises
    ------
    DataError
        For a file that is missing or has a broken line.
    UserError
        For a column that is needed and not there, or a kind of file that is not known.
    """
    rated = opened(interactions, written)
    listed = opened(items, items_written) if items else None
    return read_tables(rated, listed, Columns(**columns))


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
        missing, place = times == MISSING, interactions.place
        refuse(
            missing, interactions.file, place, f"a time (not pandas' NaT) as {found.time}", times
        )
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
    called = found.item if found.item in items.names else None
    key = column("item", items.names, items.file, called, also=KEY)
    if key is None:
        if _unparted(items):
            raise _one_field(items, f"a column '{found.item}' with the ids of the items")
        line_1 = "; if line 1 holds no names, give them with --item-columns item,title,..."
        raise DataError(
            f"{items.file}: expected a column '{found.item}' with the ids of the items, found "
            f"{', '.join(map(repr, items.names))}; call the one that holds them '{found.item}'"
            f"{line_1 if items.unnamed else ''}"
        )
    kinds: dict[str, Kind] = {key: "id"}
    if found.title is not None and found.title != key:
        kinds[found.title] = "text"
    table = items.read(kinds)
    ids = coded(table[key], items.typed)[:]
    refuse_repeated(ids, items.file, items.place)
    unlisted = ~among(raw.item_ids, ids)
    differ = difference(raw.item_ids[unlisted], ids) if unlisted.mean() > _MANY else ""
    if unlisted.all():
        other = f", or call the column that holds them '{found.item}'" if key != found.item else ""
        raise DataError(
            f"{items.file}: expected items of the interactions, found none in '{key}': {differ}; "
            f"write the ids alike in both tables{other}"
        )
    titles = table[found.title or key].cast(pa.string()).to_pylist()
    notes = [] if found.title else ["No titles: the ids of the items stand for them."]
    if unlisted.any():
        notes.append(
            f"{unlisted.sum()} of the {len(unlisted)} items interacted with are not in "
            f"{items.file.name}: their ids are their titles{differ and f' ({differ})'}."
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
        limit = farthest(numbers)
        far, expected = np.abs(numbers) >= limit, f"a {what} below {limit:,}"
        refuse(far, table.file, table.place, expected, numbers)
