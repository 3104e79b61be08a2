"""
Numbers, subsets and shuffles from raw PCG64 words, by our own code.

NumPy promises the words of a bit generator for ever, but not what its `Generator` makes of them.
Frozen packs therefore use the words alone. The bounded draw is Lemire's (ACM TOMACS 29(1), 2019,
arXiv 1805.10941) on the upper 32 bits of each word, with rejection, so it is exactly uniform.
Subsets are Floyd's (Bentley and Floyd, CACM 30(9), 1987), weighted ones are drawn item by item,
shuffles are Fisher and Yates's.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from recbench.seeding import derived_seed

_32 = np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)


class Words:
    """
    A stream of raw words for one named use.

    Parameters
    ----------
    seed
        Any integer.
    *use
        What the words are for; another use, an unrelated stream.
    """

    def __init__(self, seed: int, *use: str | int) -> None:
        self._bits = np.random.PCG64(derived_seed(seed, *use))

    def below(self, bounds: NDArray[np.int64]) -> NDArray[np.int64]:
        """
        Draw one number a bound.

        Parameters
        ----------
        bounds
            int64 of any shape, each in 1..2**32 - 1.

        Returns
        -------
        ndarray
            int64 of the same shape, each uniform on 0..bound - 1 and independent of the others. One
            word a number in C order; then, in the same order, one for each that was rejected, until
            none is (a number is rejected with probability below bound / 2**32).
        """
        flat = bounds.astype(np.uint64).ravel()
        product = self._upper_halves(flat.size) * flat
        # 2**32 mod bound: below it, a low half would make some numbers likelier than others.
        rejected = np.flatnonzero((product & _LOW) < flat)
        rejected = rejected[(product[rejected] & _LOW) < (np.uint64(2**32) % flat[rejected])]
        while rejected.size:
            product[rejected] = self._upper_halves(rejected.size) * flat[rejected]
            rejected = rejected[(product[rejected] & _LOW) < (np.uint64(2**32) % flat[rejected])]
        return (product >> _32).astype(np.int64).reshape(bounds.shape)

    def _upper_halves(self, count: int) -> NDArray[np.uint64]:
        words: NDArray[np.uint64] = self._bits.random_raw(count)
        return words >> _32


def subsets(words: Words, sizes: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """
    Draw one subset a row.

    Parameters
    ----------
    words
        The stream that is drawn from.
    sizes
        int64 [rows], each at least `count`.
    count
        At least 1.

    Returns
    -------
    ndarray
        int64 [count, rows]: column r holds distinct numbers of ``0..sizes[r] - 1``; every set of
        them is equally likely, their order is not uniform.
    """
    # In step i a number up to top is drawn; where it was drawn before, top itself is taken.
    tops = sizes - count + np.arange(count)[:, None]
    picks = words.below(tops + 1)
    for i in range(1, count):
        drawn_before = (picks[:i] == picks[i]).any(axis=0)
        picks[i] = np.where(drawn_before, tops[i], picks[i])
    return picks


def shuffle(words: Words, shown: NDArray[np.int64]) -> None:
    """Shuffle each column of int64 [C, rows] in place, every order equally likely."""
    size, rows = shown.shape
    columns = np.arange(rows)
    bounds = np.broadcast_to(np.arange(size, 1, -1)[:, None], (size - 1, rows))
    partners = words.below(bounds)
    for last, partner in zip(range(size - 1, 0, -1), partners, strict=True):
        moved = shown[partner, columns]
        shown[partner, columns] = shown[last]
        shown[last] = moved


def weighted_subsets(
    words: Words,
    totals: NDArray[np.int64],
    count: int,
    pieces: Callable[[NDArray[np.int64]], tuple[NDArray[np.int64], ...]],
) -> NDArray[np.int64]:
    """
    Draw one subset a row, item by item, each with a probability proportional to its weight.

    An item that is drawn leaves, and the next is drawn from what is left. Only whole numbers are
    added and compared, so the result is the same on every machine.

    Parameters
    ----------
    words
        The stream that is drawn from.
    totals
        int64 [rows], the sum of each row's weights, in 1..2**32 - 1.
    count
        Items to draw, at most as many as a row has.
    pieces
        Takes places int64 [rows] in ``0..totals - 1``, where each item of a row takes up as many
        places as it weighs; returns the items there, the first place of each, and its weight.

    Returns
    -------
    ndarray
        int64 [count, rows], distinct items a column, in the order drawn.
    """
    drawn, firsts, weights = np.empty((3, count, len(totals)), dtype=np.int64)
    left = totals.copy()
    for i in range(count):
        place = words.below(left)
        for first, weight in zip(firsts[:i], weights[:i], strict=True):  # step over what is taken
            place += np.where(place >= first, weight, 0)
        drawn[i], firsts[i], weights[i] = pieces(place)
        left -= weights[i]
        order = firsts[: i + 1].argsort(axis=0)
        for taken in (firsts, weights):
            taken[: i + 1] = np.take_along_axis(taken[: i + 1], order, axis=0)
    return drawn
