import numpy as np
import pytest

from recbench.statistics.bootstrap import percentile_interval


def drawing():
    return np.random.default_rng(1)


def test_the_interval_of_a_mean_is_about_that_of_the_formula():
    values = np.random.default_rng(0).normal(size=400)
    low, high = percentile_interval(
        lambda users: float(values[users].mean()), np.zeros(400, int), drawing()
    )
    half = 1.96 * values.std() / 20
    assert low == pytest.approx(values.mean() - half, abs=0.02)
    assert high == pytest.approx(values.mean() + half, abs=0.02)


def test_groups_keep_their_sizes_and_the_draws_are_the_same():
    groups, seen = np.array([0, 0, 0, 1, 1]), []

    def statistic(users):
        seen.append(np.bincount(groups[users]).tolist())
        return float(users.sum())

    first = percentile_interval(statistic, groups, drawing(), 20)
    assert all(one == [3, 2] for one in seen)
    assert percentile_interval(statistic, groups, drawing(), 20) == first


def test_it_holds_the_statistic_itself():
    spread = percentile_interval(
        lambda users: float(len(np.unique(users))), np.zeros(30, int), drawing(), 50
    )
    assert spread[1] == 30
