"""
Steam as McAuley's group publishes it: ``steam_reviews.json.gz`` and ``steam_games.json.gz``.

One record a line (`recbench.data.readers.records`). Of a review are read ``username`` (as in
SASRec's preparation: the id of the account is in some reviews only), ``product_id`` and ``date``;
of a game ``id`` and ``title``, else ``app_name``.
"""

import re
from array import array
from datetime import date
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa

from recbench.data.readers.raw import Raw, ids_of
from recbench.data.readers.records import Coder, records, text_of
from recbench.errors import DataError

_DAY = 86_400  # seconds
_EPOCH = date(1970, 1, 1).toordinal()


def read(interactions: Path, items: Path) -> Raw:
    """
    Read the two files as a stream; memory grows with the users and games, not with the texts.

    Returns
    -------
    Raw
        A review is an interaction without a rating, at the first second (UTC) of its day. Reviews
        without user, game or date and games without id are left out; of games with one id the
        first counts; a reviewed game that is not listed has no title. `Raw.notes` counts them.

    Raises
    ------
    DataError
        For a file that is missing or has a broken line.
    """
    users, games, times = Coder(), Coder(), array("q")
    incomplete = 0
    for line, review in records(interactions, ("username", "product_id", "date")):
        user = text_of(review, "username", interactions, line)
        game = text_of(review, "product_id", interactions, line)
        day = text_of(review, "date", interactions, line)
        if not (user and game and day):
            incomplete += 1
            continue
        midnight = _midnight(day)
        if midnight is None:
            raise DataError(f"{interactions}, line {line}: expected a date, found {day!r}")
        users.add(user)
        games.add(game)
        times.append(midnight)
    if not times:
        raise DataError(f"{interactions}: expected reviews with user, game and date, found none")
    titles, odd = _titles(items)
    unlisted = [game for game in games.texts if game not in titles]
    titles.update(dict.fromkeys(unlisted, ""))
    odd = {
        "reviews without user, game or date, left out": incomplete,
        **odd,
        "reviewed games that are not listed, without a title": len(unlisted),
    }
    return Raw(
        users=users.column(),
        items=games.column(),
        ratings=None,
        times=np.frombuffer(times, dtype=np.int64).copy(),
        item_ids=ids_of(pa.array(list(titles), pa.string())),
        titles=list(titles.values()),
        notes=tuple(f"{count} {what}." for what, count in odd.items() if count),
    )


def _titles(items: Path) -> tuple[dict[str, str], dict[str, int]]:
    """Return each game's title, and how many lines were left out for which reason."""
    titles: dict[str, str] = {}
    nameless = repeated = 0
    for line, game in records(items, ("id", "title", "app_name")):
        key = text_of(game, "id", items, line)
        name = text_of(game, "title", items, line) or text_of(game, "app_name", items, line)
        nameless += not key
        repeated += key in titles
        if key and key not in titles:
            titles[key] = name
    return titles, {
        "listed games without an id, left out": nameless,
        "games that are listed again, the first kept": repeated,
    }


@lru_cache(maxsize=100_000)
def _midnight(day: str) -> int | None:
    """Return the first second of a day written as 2017-12-31, since 1970; None for no day."""
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", day):
        return None
    try:
        return (date.fromisoformat(day).toordinal() - _EPOCH) * _DAY
    except ValueError:
        return None
