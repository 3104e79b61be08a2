"""
How much of what follows what is order, and not chance: rules of sequences, and of shuffled ones.

Klenitskiy et al., "Does it look sequential?", RecSys 2024, arXiv 2408.12008: an item that comes
next after one item, or after two in a row, is a rule where that happens more than `SUPPORT` times,
and in more than the share `CONFIDENCE` of all places where the one or two stand. Rules that are
left when every sequence is shuffled came from what is popular, not from an order.

Items are looked at in blocks of the first one, so that memory does not grow with the data.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recbench.data.ragged import Ragged, lengths
from recbench.seeding import generator

SUPPORT, CONFIDENCE = 5, 0.1
"""As in the released code of the paper (stats/rules.py): a rule has more of both."""

SHUFFLES = 5

BLOCK = 1 << 22
"""Interactions that are looked at together, unless one item or sequence has more."""

_ODD, _TABLE_BITS = 0x9E3779B97F4A7C15, 22  # a multiplicative hash, into a small table


@dataclass(frozen=True)
class ShuffleTest:
    """
    Rules of one length.

    Attributes
    ----------
    rules
        How many the sequences have.
    shuffled
        int64 [SHUFFLES], how many are left of them in each shuffle; other ones count as well.
    """

    rules: int
    shuffled: NDArray[np.int64]


def shuffle_test(sequences: Ragged, items: int) -> tuple[ShuffleTest, ShuffleTest]:
    """
    Count the rules of two and of three items, before and after shuffling.

    Parameters
    ----------
    sequences
        Oldest first.
    items
        Size of the catalogue.
    """
    whole = count_rules(sequences, items)
    each = [count_rules(shuffled(sequences, number), items) for number in range(SHUFFLES)]
    pairs, triples = (np.array(one, dtype=np.int64) for one in zip(*each, strict=True))
    return ShuffleTest(whole[0], pairs), ShuffleTest(whole[1], triples)


def shuffled(sequences: Ragged, number: int) -> Ragged:
    """Put every sequence into a random order; each number gives another, always the same."""
    random = generator(0, "shuffled sequences", number)
    values = np.empty_like(sequences.values)
    for first, last in _blocks(lengths(sequences)):
        begin, end = sequences.offsets[first], sequences.offsets[last]
        owners = np.repeat(np.arange(last - first), np.diff(sequences.offsets[first : last + 1]))
        places = owners << 32 | random.integers(1 << 32, size=end - begin)
        values[begin:end] = sequences.values[begin:end][np.argsort(places)]
    return Ragged(values, sequences.offsets)


def count_rules(sequences: Ragged, items: int) -> tuple[int, int]:
    """Return how many rules of two and of three items there are."""
    values = sequences.values
    ends = np.zeros(len(values) + 1, dtype=bool)  # behind which places a sequence ends
    ends[sequences.offsets[1:] - 1] = True
    counts, pairs, triples = np.bincount(values, minlength=items), 0, 0
    for first, last in _blocks(counts):
        is_here = (values >= first) & (values < last) & ~ends[:-1]
        found = _rules_after(np.flatnonzero(is_here), values, ends, counts)
        pairs, triples = pairs + found[0], triples + found[1]
    return pairs, triples


def _blocks(sizes: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Cut 0..len(sizes) into runs whose sizes add up to `BLOCK` at most, where they can."""
    total, first = np.cumsum(sizes), 0
    while first < len(sizes):
        before = total[first - 1] if first else 0
        last = max(int(np.searchsorted(total, before + BLOCK, side="right")), first + 1)
        yield first, last
        first = last


def _rules_after(
    places: NDArray[np.int64],
    values: NDArray[np.int32],
    ends: NDArray[np.bool_],
    counts: NDArray[np.int64],
) -> tuple[int, int]:
    """Count the rules that begin at places, behind each of which an item follows."""
    items = len(counts)
    pairs = values[places].astype(np.int64) * items + values[places + 1]
    likely = _likely(pairs)
    places = places[likely]
    keys, numbers, often = np.unique(pairs[likely], return_inverse=True, return_counts=True)
    is_rule = (often > SUPPORT) & (often > CONFIDENCE * counts[keys // items])
    # What three items in a row do often, the first two do as often at least.
    goes_on = (often > SUPPORT)[numbers] & ~ends[places + 1]
    threes = numbers[goes_on] * items + values[places[goes_on] + 2]
    keys, again = np.unique(threes[_likely(threes)], return_counts=True)
    is_longer = (again > SUPPORT) & (again > CONFIDENCE * often[keys // items])
    return int(is_rule.sum()), int(is_longer.sum())


def _likely(keys: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Leave out most keys that occur no more than `SUPPORT` times, and no other: bool [keys]."""
    shift = np.uint64(64 - _TABLE_BITS)
    hashed = (keys.view(np.uint64) * np.uint64(_ODD)) >> shift
    places = hashed.astype(np.int64)
    return np.bincount(places, minlength=1 << _TABLE_BITS)[places] > SUPPORT
