"""
Which texts lie inside which others, for tens of thousands of texts.

All windows of one length, over all texts at once, are compared by a rolling hash (Karp and Rabin,
IBM Journal of Research and Development 31(2), 1987) with the texts of that length; what agrees is
looked up letter by letter, so the answer is exact. The work is the number of letters times the
number of different lengths, not the square of the number of texts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recbench.data.ragged import Ragged, chosen, lengths, ragged

# A window's hash is the sum of letter * BASE**place over its letters, places counted from the
# window's begin, modulo 2**64. An odd number has an inverse there, so the hash of any window is a
# difference of two running sums, divided by the power at its begin.
_BASE = 0x9E3779B97F4A7C15
_TABLE_BITS = 18


@dataclass(frozen=True)
class TitleParts:
    """
    Which titles are parts of which others, as the substring rule reads them: in lower case.

    Attributes
    ----------
    numbers
        int64 [items], of each item's title, from 0.
    items
        [titles], the catalogue codes that have each title.
    inside
        [titles], the other titles inside each.
    """

    numbers: NDArray[np.int64]
    items: Ragged
    inside: Ragged

    @classmethod
    def of(cls, titles: Sequence[str]) -> "TitleParts":
        """Compare the titles of a catalogue."""
        lowered = [title.lower().strip() for title in titles]
        distinct = {title: number for number, title in enumerate(dict.fromkeys(lowered))}
        numbers = np.array([distinct[title] for title in lowered], dtype=np.int64)
        items = ragged(np.argsort(numbers, kind="stable").astype(np.int32), np.bincount(numbers))
        return cls(numbers, items, contained(list(distinct)))

    def inner_items(self) -> NDArray[np.int32]:
        """Return the items whose title lies inside a different one, int32."""
        return chosen(self.items, np.unique(self.inside.values)).values

    def spoilers(self, targets: NDArray[np.int32]) -> Ragged:
        """Return for each target the items whose title is a part of its own, itself among them."""
        own = self.numbers[targets]
        inner = chosen(self.inside, own)
        rows = np.concatenate([np.arange(len(own)), _owners(inner)])
        order = np.argsort(rows, kind="stable")
        titles = np.concatenate([own, inner.values])[order]
        items = chosen(self.items, titles)
        counts = np.bincount(rows[order][_owners(items)], minlength=len(own))
        return ragged(items.values, counts)


def _owners(rows: Ragged) -> NDArray[np.int64]:
    """Return the row of each value."""
    return np.repeat(np.arange(len(rows)), lengths(rows))


def contained(texts: Sequence[str]) -> Ragged:
    """
    Find for each text the others that are substrings of it.

    Parameters
    ----------
    texts
        Distinct, none empty.

    Returns
    -------
    Ragged
        A row a text: the numbers of the texts inside it, ascending, itself not among them.
    """
    joined = "".join(texts)
    numbers = {text: number for number, text in enumerate(texts)}
    sizes = np.array([len(text) for text in texts], dtype=np.int64)
    ends = np.cumsum(sizes)
    owners = np.repeat(np.arange(len(texts)), sizes)
    room = ends[owners] - np.arange(len(joined))  # letters from a place to its text's end
    sums, inverse = _running_sums(joined)
    pairs = []
    for size in np.unique(sizes).tolist():
        windows = (sums[size:] - sums[:-size]) * inverse[: len(joined) + 1 - size]
        places = _among(windows, windows[(ends - size)[sizes == size]])
        for place in places[room[places] >= size].tolist():
            inside = numbers.get(joined[place : place + size], owners[place])
            if inside != owners[place]:
                pairs.append((owners[place], inside))
    distinct = np.unique(np.array(pairs, dtype=np.int64).reshape(-1, 2), axis=0)
    counts = np.bincount(distinct[:, 0], minlength=len(texts))
    return ragged(distinct[:, 1].astype(np.int32), counts)


def _running_sums(joined: str) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Return uint64 [letters + 1], sums of the letters before, and [letters], BASE**-place."""
    letters = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype="<u4")
    powers = np.full((2, len(letters)), [[_BASE], [pow(_BASE, -1, 2**64)]], dtype=np.uint64)
    np.multiply.accumulate(powers, axis=1, out=powers)
    sums = np.zeros(len(letters) + 1, dtype=np.uint64)
    np.cumsum(letters * powers[0], out=sums[1:])
    return sums, powers[1]


def _among(windows: NDArray[np.uint64], wanted: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return where a hash is one of those wanted; a small table answers for most of them."""
    shift = np.uint64(64 - _TABLE_BITS)
    table = np.zeros(1 << _TABLE_BITS, dtype=bool)
    table[wanted >> shift] = True
    likely = np.flatnonzero(table[windows >> shift])
    return likely[np.isin(windows[likely], wanted)]
