import numpy as np
import pytest

from recbench.statistics.bootstrap import basic_interval


def drawing():
    return np.random.default_rng(1)


def test_the_interval_of_a_mean_is_about_that_of_the_formula():
    values, users = np.random.default_rng(0).normal(size=400), np.zeros(400, dtype=int)

    def mean(users):
        return float(values[users].mean())

    low, high = basic_interval(mean, users, drawing(), (-9, 9))
    half = 1.96 * values.std() / 20
    assert low == pytest.approx(values.mean() - half, abs=0.02)
    assert high == pytest.approx(values.mean() + half, abs=0.02)


def test_groups_keep_their_sizes():
    groups, seen = np.array([0, 0, 0, 1, 1]), []

    def statistic(users):
        seen.append(np.bincount(groups[users]).tolist())
        return float(users.sum())

    first = basic_interval(statistic, groups, drawing(), (0, 99), 20)
    assert all(one == [3, 2] for one in seen)
    assert basic_interval(statistic, groups, drawing(), (0, 99), 20) == first


def test_a_bend_is_turned_round_and_the_ends_hold():
    """The length of a mean of noise is too large; the interval goes below it."""
    vectors = np.random.default_rng(0).normal(size=(40, 50))

    def length(users):
        return float(np.linalg.norm(vectors[users].mean(axis=0)))

    own = length(np.arange(40))
    low, high = basic_interval(length, np.zeros(40, dtype=int), drawing(), (0, 9), 200)
    assert low < high == own
    assert basic_interval(length, np.zeros(40, dtype=int), drawing(), (0.9, 9), 200)[0] == 0.9
