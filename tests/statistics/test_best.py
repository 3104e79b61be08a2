import numpy as np
import pytest
from scipy import stats

from recbench.statistics.best import Differences, all_pairs, differences, one_sided, to_best
from recbench.statistics.values import SystemValues


def table(values, se, df=1e9):
    values = np.asarray(values, dtype=float)
    size = len(values)
    return Differences(
        value=values[:, None] - values,
        se=np.full((size, size), se) * (1 - np.eye(size)),
        df=np.full((size, size), df),
        given_training=np.zeros((size, size), dtype=bool),
    )


def test_the_intervals_to_the_best_by_hand():
    # Half widths are t(.05 / 2) * .01 = 1.96 * .01: the third row leaves, the second stays.
    first, second, third = to_best(table([0.50, 0.49, 0.45], 0.01))
    w = 0.01 * stats.norm.isf(0.025)
    assert first[:3] == pytest.approx((0.01, 0.01 - w, 0.01 + w))
    assert second[:3] == pytest.approx((-0.01, -0.01 - w, -0.01 + w))
    # What has left the best is at most as good as it; its rivals are those that stayed.
    assert third[:3] == pytest.approx((-0.05, -0.05 - w, 0.0))
    assert [row.may_be_best for row in (first, second, third)] == [True, True, False]


def test_what_has_left_the_best_is_no_rival_however_unsure_its_difference_is():
    found = table([0.50, 0.49, 0.45], 0.01)
    found.se[1, 2] = found.se[2, 1] = 0.2  # of the second and the third, which the first beats
    first, second, third = to_best(found)
    assert [row.may_be_best for row in (first, second, third)] == [True, True, False]
    assert second.low == pytest.approx(-0.01 - 0.01 * stats.norm.isf(0.025))


def test_rows_that_never_differ_may_all_be_the_best():
    assert [row.may_be_best for row in to_best(table([0.5, 0.5, 0.5], 0.0))] == [True] * 3


def test_a_single_best_row_is_better_than_all():
    first, second = to_best(table([0.6, 0.4], 0.01))
    assert first.low == 0.0
    assert (second.high, second.may_be_best) == (0.0, False)


@pytest.mark.honesty
def test_the_level_knows_how_many_rows_there_are():
    assert one_sided(3) == pytest.approx(0.05 / 2)
    assert one_sided(7, ties=True) == pytest.approx(0.05 / 42)
    gap = 0.01 * stats.norm.isf(0.02)  # beats .025 of three rows, not .05 / 6 of seven
    assert not to_best(table([gap, 0, 0], 0.01))[1].may_be_best
    assert to_best(table([gap, *[0] * 6], 0.01))[1].may_be_best
    assert to_best(table([gap, 0, 0], 0.01), ties=True)[1].may_be_best


def test_every_pair_has_its_own_error_and_degrees_of_freedom():
    found = table([0.5, 0.4, 0.4], 0.01)
    found.df[0, 2] = found.df[2, 0] = 1.0  # t(.025) = 12.7
    assert [row.may_be_best for row in to_best(found)] == [True, False, True]


def test_all_pairs_hold_together():
    found = table([0.5, 0.4, 0.39], 0.01, df=20)
    pairs = all_pairs(found)
    assert [(pair.a, pair.b) for pair in pairs] == [(0, 1), (0, 2), (1, 2)]
    for pair in pairs:
        one = found[pair.a, pair.b]
        assert pair.difference == one
        assert pair.p == min(1.0, 3 * one.p)
        half = stats.t.isf(0.05 / 3 / 2, 20) * 0.01
        assert (pair.low, pair.high) == pytest.approx((one.value - half, one.value + half))
        assert (pair.p < 0.05) == (pair.low > 0 or pair.high < 0)


def test_several_lists_hold_together():
    found = table([0.5, 0.48], 0.01, df=20)
    (one,), (of_four,) = all_pairs(found), all_pairs(found, families=4)
    assert of_four.p == min(1.0, 4 * one.p) < 1
    half = stats.t.isf(0.05 / 4 / 2, 20) * 0.01
    assert (of_four.low, of_four.high) == pytest.approx((0.02 - half, 0.02 + half))


def test_differences_are_those_of_two_and_two():
    values = np.random.default_rng(1).random((3, 2, 30))
    systems = [SystemValues(one, 1, np.arange(30), seeds=(0, 1)) for one in values]
    found = differences(systems, matched=lambda a, b: {a, b} == {0, 2})
    assert found[0, 1].value == -found[1, 0].value == pytest.approx(np.mean(values[0] - values[1]))
    apart = differences(systems)
    assert found[0, 2].se != apart[0, 2].se
    assert found[1, 2] == apart[1, 2]


def test_one_row_alone_has_no_other():
    assert all_pairs(table([0.5], 0.01)) == []


def test_differences_among_some_systems_are_those_among_all() -> None:
    random = np.random.default_rng(8)
    shapes = [(3, 30), (1, 30), (3, 30)]
    every = differences(
        [SystemValues(random.random(s), 1, np.arange(30), tuple(range(s[0]))) for s in shapes]
    )
    some = every.among([0, 2])
    assert some[0, 1] == every[0, 2]
    assert not some[0, 1].given_training
    assert every.among([1, 2])[0, 1].given_training
