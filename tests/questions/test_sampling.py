from collections import Counter
from itertools import combinations, permutations

import numpy as np
import pytest
from scipy.stats import chisquare

from recbench.questions.sampling import Words, shuffle, subsets, weighted_subsets


def fits(counts: list[int]) -> float:
    return float(chisquare(counts).pvalue)


def test_words_are_pinned():
    bounds = np.array([[2, 3, 1682], [1, 2**32 - 1, 10]])
    assert Words(0, "pack", "test", 0).below(bounds).tolist() == [[0, 0, 74], [0, 36935983, 3]]


def test_streams_are_named():
    bounds = np.full(50, 1000)
    first = Words(0, "pack", "test", 0).below(bounds)
    for other in (Words(1, "pack", "test", 0), Words(0, "pack", "test", 1), Words(0, "fit")):
        assert (first != other.below(bounds)).any()
    np.testing.assert_array_equal(first, Words(0, "pack", "test", 0).below(bounds))


def test_numbers_stay_below_their_bound_and_fill_it():
    assert Words(0, "ones").below(np.ones(50, dtype=np.int64)).tolist() == [0] * 50
    bounds = np.tile(np.arange(2, 9), 7000).reshape(7000, 7)
    drawn = Words(0, "numbers").below(bounds)
    for column, bound in enumerate(range(2, 9)):
        counts = np.bincount(drawn[:, column])
        assert len(counts) == bound
        assert fits(counts) > 0.001


def test_a_bound_that_would_favour_some_numbers_is_drawn_again(monkeypatch):
    words = Words(0, "rejection")
    # 2**32 mod 3 = 1: of all 32-bit halves only 0 is rejected, and the next word is used instead.
    drawn = [[0, 2**31], [0], [2**32 - 1]]
    halves = iter([np.array(some, dtype=np.uint64) for some in drawn])
    monkeypatch.setattr(words, "_upper_halves", lambda count: next(halves))
    assert words.below(np.array([3, 3])).tolist() == [2, 1]


@pytest.mark.parametrize(("size", "count"), [(5, 2), (4, 4), (6, 1), (5, 3)])
def test_every_subset_is_equally_likely(size, count):
    drawn = subsets(Words(0, "subsets"), np.full(20_000, size), count)
    assert drawn.shape == (count, 20_000)
    found = Counter(tuple(sorted(column)) for column in drawn.T.tolist())
    assert set(found) == set(combinations(range(size), count))
    if len(found) > 1:
        assert fits(list(found.values())) > 0.001


def test_each_row_has_its_own_size():
    sizes = np.arange(3, 200)
    drawn = subsets(Words(0, "sizes"), sizes, 3)
    assert (drawn >= 0).all()
    assert (drawn < sizes).all()
    assert all(len(set(column)) == 3 for column in drawn.T.tolist())


def test_every_order_is_equally_likely():
    shown = np.tile(np.arange(4)[:, None], 48_000)
    shuffle(Words(0, "orders"), shown)
    found = Counter(map(tuple, shown.T.tolist()))
    assert set(found) == set(permutations(range(4)))
    assert fits(list(found.values())) > 0.001


def drawn_by_weight(weights: list[int], count: int, rows: int) -> np.ndarray:
    ends = np.cumsum(weights)

    def pieces(places):
        items = np.searchsorted(ends, places, side="right")
        return items, ends[items] - np.array(weights)[items], np.array(weights)[items]

    return weighted_subsets(Words(0, "weighted"), np.full(rows, ends[-1]), count, pieces)


def test_items_are_drawn_in_proportion_to_what_is_left():
    weights, rows = [1, 4, 2, 3], 60_000
    drawn = drawn_by_weight(weights, 3, rows)
    found = Counter(map(tuple, drawn.T.tolist()))
    expected = {
        (a, b, c): rows
        * (weights[a] / 10)
        * (weights[b] / (10 - weights[a]))
        * (weights[c] / (10 - weights[a] - weights[b]))
        for a, b, c in permutations(range(4), 3)
    }
    assert set(found) == set(expected)
    observed = [found[order] for order in expected]
    assert chisquare(observed, list(expected.values())).pvalue > 0.001


def test_all_that_is_there_may_be_drawn_however_unequal_the_weights():
    drawn = drawn_by_weight([1, 2**31, 1, 2**30], 4, 200)
    assert (np.sort(drawn, axis=0) == np.arange(4)[:, None]).all()


def test_weighted_subsets_are_pinned():
    assert drawn_by_weight([5, 1, 9, 2, 7, 30], 4, 3).tolist() == [
        [5, 2, 4],
        [0, 0, 2],
        [4, 5, 3],
        [2, 4, 0],
    ]
