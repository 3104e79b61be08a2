from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from recbench.errors import UserError
from recbench.statistics.differences import difference
from recbench.statistics.values import SystemValues


def system(values, users=None, seeds=None, draws=1, **kind):
    values = np.atleast_2d(np.asarray(values, dtype=float))
    users = np.arange(values.shape[1] // draws) if users is None else np.asarray(users)
    return SystemValues(values, draws, users, seeds or tuple(range(len(values))), **kind)


def test_one_seed_each_is_the_paired_t_test():
    a, b = np.random.default_rng(1).random((2, 60))
    found = difference(system(a), system(b))
    expected = stats.ttest_rel(a, b)
    assert found.p == pytest.approx(expected.pvalue)
    ends = expected.confidence_interval()
    assert (found.low, found.high) == pytest.approx((ends.low, ends.high))
    assert found.df == pytest.approx(59)
    assert found.given_training


def test_it_is_symmetric():
    a, b = (system(values) for values in np.random.default_rng(2).random((2, 3, 40)))
    there, back = difference(a, b), difference(b, a)
    assert there.value == -back.value
    assert (there.low, there.p) == pytest.approx((-back.high, back.p))


def test_draws_of_an_example_and_rows_of_a_user_are_one_observation():
    a, b = np.random.default_rng(3).random((2, 30))
    once = difference(system(a), system(b))
    drawn = difference(*(system(np.repeat(x, 20), draws=20) for x in (a, b)))
    users = np.repeat(np.arange(30), 4)
    again = difference(*(system(np.repeat(x, 4), users) for x in (a, b)))
    for found in (drawn, again):
        assert (found.value, found.se, found.df) == pytest.approx((once.value, once.se, once.df))


def test_systems_that_never_differ_may_yet_for_the_next_user():
    found = difference(system([1, 0, 1, 1]), system([1, 0, 1, 1]))
    assert (found.value, found.se, found.p) == (0.0, pytest.approx(1 / 4), 1.0)
    assert found.high == -found.low == pytest.approx(stats.t.isf(0.025, 3) / 4)


def test_a_difference_that_never_varies_is_not_certain():
    # Five users, all won: the error under no difference is 1 / sqrt(5), t(4) = 2.236.
    found = difference(system(np.ones(5)), system(np.zeros(5)))
    assert found.se == pytest.approx(5**-0.5)
    assert found.p == pytest.approx(2 * stats.t.sf(5**0.5, 4))
    assert found.low < 0 < found.high == 1.0


def test_one_user_shows_nothing():
    found = difference(system([1, 1, 0], [4, 4, 4]), system([0, 0, 0], [4, 4, 4]))
    assert (found.low, found.high, found.p) == (-1.0, 1.0, 1.0)


@pytest.mark.honesty
def test_each_system_adds_its_own_seeds():
    """Users are all alike, so the two-sample test of the seeds' means is all there is."""
    a, b = np.array([[0.5], [0.6], [0.7]]), np.array([[0.3], [0.5], [0.45]])
    steady = np.array([[0.1, -0.1] * 20])
    found = difference(system(a + steady), system(b + steady))
    variance = a.var(ddof=1) / 3 + b.var(ddof=1) / 3
    assert found.se == pytest.approx(variance**0.5)
    welch = stats.ttest_ind(a.ravel(), b.ravel(), equal_var=False)
    assert found.df == pytest.approx(welch.df)
    assert found.p == pytest.approx(welch.pvalue)


@pytest.mark.honesty
@pytest.mark.parametrize("matched", [False, True])
def test_two_seeds_add_nothing_and_are_judged_as_their_mean(matched):
    random = np.random.default_rng(5)
    a, b = random.random((2, 2, 40))
    found = difference(system(a), system(b), matched)
    of_means = difference(system(a.mean(axis=0)), system(b.mean(axis=0)))
    assert found.given_training
    assert (found.value, found.se, found.df) == pytest.approx(
        (of_means.value, of_means.se, of_means.df)
    )


@pytest.mark.honesty
def test_matched_seeds_are_paired():
    random = np.random.default_rng(4)
    shared = 0.2 * random.standard_normal((3, 1))  # of the encoder that both have
    a, b = (0.5 + shared + 0.01 * random.standard_normal((3, 50)) for _ in range(2))
    apart = difference(system(a), system(b))
    matched = difference(system(a), system(b), matched=True)
    assert matched.value == pytest.approx(apart.value)
    assert matched.se < apart.se / 10
    shuffled = system(b[[2, 0, 1]], seeds=(2, 0, 1))  # in whatever order they are stored
    assert difference(system(a), shuffled, matched=True).se == pytest.approx(matched.se)


@pytest.mark.honesty
def test_with_other_seeds_nothing_is_matched_and_the_difference_is_that_of_the_figures():
    a, b = np.random.default_rng(5).random((2, 3, 30))
    found = difference(system(a, seeds=(0, 1, 2)), system(b, seeds=(1, 2, 3)), matched=True)
    assert found.value == pytest.approx(a.mean() - b.mean())
    assert found == difference(system(a), system(b))


def test_between_constants_there_is_no_doubt():
    one = replace(system(np.ones((3, 30))), constant=True)
    found = difference(one, one)
    assert (found.value, found.low, found.high, found.p) == (0.0, 0.0, 0.0, 1.0)


@pytest.mark.honesty
def test_a_difference_to_one_training_says_so():
    many, one = np.random.default_rng(6).random((2, 3, 30))
    assert not difference(system(many), system(many[::-1])).given_training
    assert difference(system(many), system(one[:1])).given_training
    assert not difference(system(many), system(one[:1], random_training=False)).given_training


def test_what_cannot_be_paired_is_refused():
    with pytest.raises(UserError, match="same rows"):
        difference(system(np.ones(3)), system(np.ones(4)))
    with pytest.raises(UserError, match="same rows"):
        difference(system([1, 1], [0, 1]), system([1, 1], [1, 0]))
    with pytest.raises(UserError, match="same rows"):
        difference(system(np.ones((1, 0))), system(np.ones((1, 0))))
    each_user = replace(system(np.ones(3)), each_user_once=True)
    with pytest.raises(UserError, match="same rows"):
        difference(system(np.ones(3)), each_user)
    with pytest.raises(UserError, match="HitRatio@1"):
        difference(system([np.nan, 1.0]), system(np.ones(2)))


def test_beside_a_constant_what_varies_is_still_doubtful() -> None:
    constant = replace(system(np.ones(30)), constant=True)
    found = difference(constant, system([0] * 6 + [1] * 24))
    assert found == difference(system(np.ones(30)), system([0] * 6 + [1] * 24))
    assert found.se > 0
    assert found.p < 0.05
