"""Why the ids of two tables do not meet."""

import unicodedata
from collections.abc import Callable, Mapping
from functools import partial

from recbench.data.readers.raw import Ids

_ALIKE: Mapping[str, Callable[[str], str]] = {
    "spaces around them": str.strip,
    "leading zeros": lambda text: text.lstrip("0") or "0",
    "a decimal point": lambda text: text.removesuffix(".0"),
    "upper and lower case": str.casefold,
    "quotes around them": lambda text: text.strip("'\""),
    "how Unicode writes the same characters": partial(unicodedata.normalize, "NFKC"),
}
"""What two ids may differ in, and what takes it away."""


def difference(unlisted: Ids, listed: Ids) -> str:
    """
    Show an id of each side, and say in what they differ where that can be said.

    Parameters
    ----------
    unlisted
        [n], n > 0, ids of interactions that the table of items does not list.
    listed
        [m], m > 0, ids of that table.

    Returns
    -------
    str
        For example ``'0042' there, 42 here: they differ in leading zeros``. Integers stand without
        quotes; of several reasons the one that brings most ids together is given.

    Examples
    --------
    >>> import numpy as np
    >>> difference(np.array(["x", "0042"], dtype=object), np.array([7, 42]))
    "'0042' there, 42 here: they differ in leading zeros"
    """
    ways = {**_ALIKE, "more than one of " + ", ".join(_ALIKE): _with_all}
    there, at_hand = unlisted.tolist(), listed.tolist()
    best, said = 0, _pair(there[0], at_hand[0])
    for words, alike in ways.items():
        here = {alike(str(each)): each for each in at_hand}
        met = [each for each in there if alike(str(each)) in here]
        if len(met) > best:
            best = len(met)
            said = f"{_pair(met[0], here[alike(str(met[0]))])}: they differ in {words}"
    return said


def _pair(there: int | str, here: int | str) -> str:
    return f"{there!r:.60} there, {here!r:.60} here"


def _with_all(text: str) -> str:
    for alike in _ALIKE.values():
        text = alike(text)
    return text
