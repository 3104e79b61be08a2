"""Which column of a file holds what, by its usual names."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from recbench.errors import DataError, UserError, unknown

Role = Literal["user", "item", "time", "rating", "title"]


@dataclass(frozen=True)
class Columns:
    """
    What the columns of two tables are called; None for what is not known or not there.

    Attributes
    ----------
    user, item, time, rating
        Of the interactions; the item table calls its ids the same or by a usual name. A rating
        that is "" is not read, whatever the columns are called.
    title
        Of the item table.
    """

    user: str | None = None
    item: str | None = None
    time: str | None = None
    rating: str | None = None
    title: str | None = None


USUAL: Mapping[Role, tuple[str, ...]] = {
    "user": (
        *("userid", "user", "uid", "sessionid", "session", "customerid", "customer"),
        *("visitorid", "visitor", "reviewerid", "reviewer", "memberid", "member"),
    ),
    "item": (
        *("itemid", "item", "iid", "movieid", "movie", "productid", "product", "parentasin"),
        *("asin", "bookid", "book", "isbn", "gameid", "game", "appid", "artistid", "artist"),
        *(
            "trackid",
            "track",
            "songid",
            "song",
            "articleid",
            "article",
            "newsid",
            "businessid",
            "sku",
        ),
    ),
    "time": (
        *("timestamp", "time", "ts", "datetime", "date", "eventtime", "unixreviewtime"),
        *("reviewtime", "createdat", "created", "unixtime"),
    ),
    "rating": ("rating", "ratings", "score", "stars", "overall"),
    "title": ("title", "movietitle", "itemtitle", "name", "itemname"),
}
"""For each role the names that are recognised, likeliest first, without case, spaces, _ and -."""

KEY = ("id",)
"""What else the table of items may call its ids; that of interactions numbers its rows so."""


def column(
    role: Role,
    names: Sequence[str],
    file: Path,
    wanted: str | None,
    needed: bool = False,
    also: Sequence[str] = (),
    taken: Collection[str | None] = (),
) -> str | None:
    """
    Find the column of a role.

    Parameters
    ----------
    role
        What it holds.
    names
        All columns of the file.
    file
        Named in errors.
    wanted
        What the user calls it; None to go by `USUAL` (a title also by a name's end).
    needed
        Whether there must be one.
    also
        Further names that are recognised, least likely.
    taken
        Columns that are not recognised: they hold something else.

    Returns
    -------
    str or None
        None if no name is recognised and none is needed.

    Raises
    ------
    UserError
        If there is no column `wanted`; if one is needed and none is recognised.
    DataError
        If two columns have that name.
    """
    if wanted is not None and wanted not in names:
        raise unknown(f"column of {file}", wanted, names)
    found = wanted
    if wanted is None:
        free = [name for name in names if name not in taken]
        found = _recognised(role, (*USUAL[role], *also), free)
        if found is None and needed:
            raise _missing(role, free, file)
    if found is not None and names.count(found) > 1:
        raise DataError(f"{file}, line 1: expected one column '{found}', found {list(names)!r}")
    return found


def _missing(role: Role, free: Sequence[str], file: Path) -> UserError:
    if not free:
        return UserError(
            f"{file}: no column is recognised as the {role}, and none is left; a table of "
            "interactions has one of users and one of items"
        )
    return UserError(
        f"{file}: no column is recognised as the {role} ({', '.join(map(repr, free))}); "
        f"name it with --{role}-column"
    )


def plain(name: str) -> str:
    """Return a name as `USUAL` writes it."""
    return "".join(c for c in name.lower() if c not in " _-")


def _recognised(role: Role, usual_names: Sequence[str], names: Sequence[str]) -> str | None:
    called = {plain(name): name for name in reversed(names)}
    for usual in usual_names:
        if usual in called:
            return called[usual]
    if role == "title":
        for end in ("title", "name"):
            for name, whole in reversed(called.items()):
                if name.endswith(end):
                    return whole
    return None
