"""What makes a raw title readable, and when two titles are the same."""

import html
import re
import unicodedata
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recbench.data.catalogue import Catalogue
from recbench.data.ragged import Ragged, ragged

UNKNOWN = "unknown"
"""Stands where an item has no title."""

_YEAR = re.compile(r"\s*\((?:18|19|20)\d\d\)\s*(?:\(V\))?\s*$")
_ARTICLES = "The|An?|Les?|La|L'|Il|Der|Das|Die|Det|O"
# One part of a title, up to a parenthesis or the end, that has its article behind a comma.
_MOVED = re.compile(rf"(?P<words>[^()]+), (?P<article>{_ARTICLES})(?=\s*(?:[()]|$))")
_MOVED_IN_ANY_CASE = re.compile(_MOVED.pattern, re.IGNORECASE)
_YEAR_IN_ANY_CASE = re.compile(_YEAR.pattern, re.IGNORECASE)


def film_title(raw: str) -> str:
    """
    Repair a film title as GroupLens writes it.

    The year at the end (and the "(V)" of a film made for video behind it) is cut off; an article
    behind a comma moves to the front, in each parenthesis by itself; runs of white space become
    one space; an empty title becomes "unknown". A repaired title is left as it is.

    Examples
    --------
    >>> film_title("Hate (Haine, La) (1995)")
    'Hate (La Haine)'
    >>> film_title("Good, The Bad and The Ugly, The (1966)")
    'The Good, The Bad and The Ugly'
    """
    title = _MOVED.sub(_article_first, _YEAR.sub("", " ".join(raw.split())))
    return title.strip() or UNKNOWN


def plain_title(raw: str) -> str:
    """
    Return the title on one line, runs of white space as one space; an empty one is "unknown".

    A NUL, which only an id that stands for a title can hold, counts as white space.
    """
    return " ".join(raw.replace("\0", " ").split()) or UNKNOWN


def web_title(raw: str) -> str:
    """
    Repair a title as it was cut out of a web page: ``&amp;`` and the like become characters.

    Examples
    --------
    >>> web_title("Salt &amp; Pepper")
    'Salt & Pepper'
    """
    return plain_title(html.unescape(raw))


def shortened(title: str, length: int) -> str:
    """
    Cut a title to `length` characters, "…" at its end included.

    The cut is at a word's end, where one lies in the second half.

    Examples
    --------
    >>> shortened("Salt and Pepper Mill, Olive Wood", 20)
    'Salt and Pepper…'
    >>> shortened("Salt", 20)
    'Salt'
    """
    if len(title) <= length:
        return title
    words, _, rest = title[:length].rpartition(" ")
    kept = words if len(words) >= len(rest) else title[: length - 1]
    return kept.rstrip(" ,;:-") + "…"


REPAIRS = {"film": film_title, "plain": plain_title, "web": web_title}
"""How raw titles are repaired, by the name that a card gives."""


def _article_first(match: re.Match[str]) -> str:
    words, article = match["words"], match["article"]
    return f"{article}{'' if article.endswith(chr(39)) else ' '}{words}"


def normalised(title: str) -> str:
    """Return the title without case, width and extra spaces: equal for titles read as one."""
    return " ".join(unicodedata.normalize("NFKC", title).casefold().split())


def article_first(title: str) -> str:
    """
    Return the title, normalised, with an article behind a comma moved to the front.

    Examples
    --------
    >>> article_first("MATRIX, the")
    'the matrix'
    """
    return normalised(_MOVED_IN_ANY_CASE.sub(_article_first, normalised(title)))


def without_year(title: str) -> str:
    """
    Return what `article_first` does, without the year at the end.

    Examples
    --------
    >>> without_year("Matrix, The (1999)")
    'the matrix'
    """
    return article_first(_YEAR_IN_ANY_CASE.sub("", normalised(title)))


def year_of(title: str) -> str | None:
    """Return the year at the end of a title, in parentheses there; None where there is none."""
    found = _YEAR_IN_ANY_CASE.search(title)
    return None if found is None else found.group().strip(" (")[:4]


@dataclass(frozen=True)
class TitleGroups:
    """
    Which items a reader cannot tell apart.

    Attributes
    ----------
    numbers
        int64 [items]: of each item's normalised title, from 0 without gaps.
    items
        [titles], the catalogue codes that have each title.
    """

    numbers: NDArray[np.int64]
    items: Ragged

    @classmethod
    def of(cls, catalogue: Catalogue) -> "TitleGroups":
        """Group the items of a catalogue."""
        titles = [normalised(title) for title in catalogue.titles]
        _, numbers = np.unique(titles, return_inverse=True)
        order = np.argsort(numbers, kind="stable").astype(np.int32)
        return cls(numbers, ragged(order, np.bincount(numbers)))

    @classmethod
    def apart(cls, catalogue: Catalogue) -> "TitleGroups":
        """Take every item for one of its own, whatever its title."""
        codes = np.arange(len(catalogue))
        return cls(codes, ragged(codes.astype(np.int32), np.ones_like(codes)))
