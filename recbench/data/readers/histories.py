"""Columns that hold several items a row: what a finished split has, and interactions have not."""

import re

import pyarrow.compute as pc

from recbench.data.readers.columns import USUAL, plain
from recbench.data.readers.raw import Ids
from recbench.data.readers.tabular import Tabular
from recbench.errors import DataError

_ITEM = "|".join(USUAL["item"])
_HISTORY = re.compile(
    rf"^hist|histor|hist$|^seq|seq$|sequence|(?:{_ITEM})(?:id)?s?list$"
    r"|(?:clicks|purchases|interactions|basket)$"
)
_ITEMS = re.compile(rf"(?:{_ITEM})(?:id)?s$")
_LIST = r"^\s*\[.*\]\s*$"  # as programs write one
_SEVERAL = rf"{_LIST}|\S[\s,;|]+\S"


def history_column(table: Tabular, item: str | None) -> str | None:
    """
    Find a column whose rows hold several items each.

    By the name alone the number of a step that is called ``seq`` would be one, by the values alone
    the genres of an item: both must fit.

    Parameters
    ----------
    table
        Of interactions.
    item
        What the user calls the column of items; None where nothing was named. It may be called
        ``items`` and hold one a row: ids may be any text, several words as well.

    Returns
    -------
    str or None
        The first such column; None where there is none.
    """
    for name in dict.fromkeys(table.names):
        called = plain(name)
        one = name == item or called in USUAL["item"]
        several = _HISTORY.search(called) or (_ITEMS.search(called) and name != item)
        if name in table.lists and (one or several):
            return name
        if several and _several(table, name):
            return name
    return None


def are_lists(ids: Ids) -> bool:
    """Tell whether every id is written as a list."""
    return all(isinstance(each, str) and re.match(_LIST, each) for each in ids.tolist())


def _several(table: Tabular, name: str) -> bool:
    """Whether some text of a column is written as several ids are."""
    try:
        values = table.read({name: "text"})[name]
    except DataError:  # it is no text; what else is wrong, whoever needs the column says
        return False
    texts = values.cast("string")
    return bool(pc.any(pc.match_substring_regex(texts, _SEVERAL)).as_py())
