import numpy as np
import pytest

from recbench.statistics.crossed import crossed, effective_users, users_df, variance


def mean_squares(values):
    """Users, seeds and residual of a crossed layout [seeds, users], each over users x seeds."""
    seeds, users = values.shape
    of_users, of_seeds, mean = values.mean(axis=0), values.mean(axis=1), values.mean()
    rest = values - of_users - of_seeds[:, None] + mean
    return (
        seeds * ((of_users - mean) ** 2).sum() / (users - 1) / values.size,
        users * ((of_seeds - mean) ** 2).sum() / (seeds - 1) / values.size,
        (rest**2).sum() / (users - 1) / (seeds - 1) / values.size,
    )


@pytest.mark.parametrize("spread", [0.0, 1.0])
def test_equal_users_give_the_mean_squares_of_the_crossed_layout(spread):
    random = np.random.default_rng(5)
    values = random.random((3, 20)) + spread * random.random((3, 1))
    one = crossed(values, np.ones((3, 20)))
    found = variance(one.residuals.mean(axis=0), one)
    users, seeds, rest = mean_squares(values)
    assert (found.users, found.seeds, found.rest) == pytest.approx((users, seeds, rest))
    assert found.total == pytest.approx(users + max(seeds - rest, 0.0))
    assert (found.users_df, found.seeds_df) == pytest.approx((19, 2))
    share = min(seeds / found.total, 1.0)
    assert found.df == pytest.approx(1 / (share / 2 + (1 - share) / 19))


def test_two_systems_add_the_doubt_of_their_seeds():
    random = np.random.default_rng(6)
    a, b = (crossed(random.random((n, 20)), np.ones((n, 20))) for n in (3, 5))
    residuals = a.residuals.mean(axis=0) - b.residuals.mean(axis=0)
    both = variance(residuals, a, b)
    one, other = (variance(residuals, system) for system in (a, b))
    assert both.seeds == pytest.approx(one.seeds + other.seeds)
    assert both.rest == pytest.approx(one.rest + other.rest)
    assert 2 < both.seeds_df < 6
    assert both.users == one.users


def test_a_single_training_adds_nothing():
    one = crossed(np.random.default_rng(7).random((1, 20)), np.ones((1, 20)))
    found = variance(one.residuals[0], one)
    assert (found.seeds, found.rest, found.total) == (0, 0, found.users)
    assert found.df == pytest.approx(19)


def test_the_degrees_of_freedom_of_unequal_users_are_those_of_the_quadratic_form():
    shares = np.random.default_rng(8).lognormal(0.0, 1.1, size=40)
    shares /= shares.sum()
    centred = np.eye(40) - np.outer(np.ones(40), shares)
    product = np.diag(shares**2 / (1 - 2 * shares + (shares**2).sum())) @ centred @ centred.T
    expected = np.trace(product) ** 2 / np.trace(product @ product)
    assert users_df(shares) == pytest.approx(expected)
    assert 1 < expected < effective_users(shares) - 1 < 39


def test_the_variance_of_unequal_users_is_unbiased():
    """Means of users that are alike in spread: users^2 weigh in, and the mean takes its part."""
    random = np.random.default_rng(9)
    weight = np.array([1.0, 1.0, 2.0, 4.0, 8.0])
    total = random.standard_normal((40_000, 1, 5)) * weight
    one = crossed(total, np.broadcast_to(weight, total.shape))
    found = variance(one.residuals[:, 0], one)
    assert found.users.mean() == pytest.approx(one.by_seed.var(), rel=0.03)


def test_leading_axes_are_as_many_layouts():
    values = np.random.default_rng(10).random((4, 3, 20))
    together = crossed(values, np.ones_like(values))
    totals = variance(together.residuals.mean(axis=-2), together).total
    for layout, total in zip(values, totals, strict=True):
        one = crossed(layout, np.ones_like(layout))
        assert variance(one.residuals.mean(axis=0), one).total == pytest.approx(total)
