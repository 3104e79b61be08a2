import numpy as np
import pytest

from recbench.errors import UserError
from recbench.statistics.values import SystemValues


def test_values_are_summed_by_user():
    values = np.array([[1.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 0.0]])
    system = SystemValues(values, 1, np.array([7, 3, 7, 7]), seeds=(0, 1))
    one = system.each_training
    assert one.by_seed.tolist() == [0.75, 0.25]
    assert one.shares.tolist() == [0.25, 0.75]  # users 3 and 7
    assert one.residuals.tolist() == [[-0.1875, 0.1875], [-0.0625, 0.0625]]
    assert system.crossed.by_seed.tolist() == [0.5]  # two are no sample: their mean counts
    assert system.crossed.residuals.tolist() == [[-0.125, 0.125]]


def test_what_is_not_defined_is_left_out():
    gaps = np.full((3, 4), np.nan)
    gaps[0, 0] = 1.0
    system = SystemValues(gaps, 2, np.array([5, 6]), seeds=(0, 1, 2))
    assert system.grid.shape == (1, 1, 2)
    assert system.crossed.by_seed.tolist() == [1.0]
    assert system.given_training  # the other trainings have no value
    whole = SystemValues(np.nan_to_num(gaps), 2, np.array([5, 6]), seeds=(0, 1, 2))
    assert not whole.given_training


@pytest.mark.parametrize(
    ("values", "draws", "users", "seeds"),
    [
        (np.ones((1, 4)), 2, [0], (0,)),
        (np.ones((2, 2)), 1, [0, 1], (0,)),
        (np.ones(2), 1, [0], (0,)),
    ],
)
def test_what_does_not_fit_is_refused(values, draws, users, seeds):
    with pytest.raises(UserError, match="do not fit"):
        SystemValues(values, draws, np.array(users), seeds)


@pytest.mark.honesty
def test_a_seed_counts_once():
    with pytest.raises(UserError, match="counts once"):
        SystemValues(np.ones((2, 3)), 1, np.arange(3), seeds=(4, 4))


def test_each_user_once_is_a_mean_over_users():
    values = np.array([[1.0, 0.0, 1.0, 1.0]])
    users = np.array([7, 3, 7, 7])
    once = SystemValues(values, 1, users, each_user_once=True)
    assert once.crossed.by_seed == pytest.approx([0.5])
    assert once.crossed.shares == pytest.approx([0.5, 0.5])
    assert once.weights == pytest.approx([1 / 6, 1 / 2, 1 / 6, 1 / 6])


def test_some_of_the_examples():
    values = np.array([[1.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 0.0]])
    some = SystemValues(values, 2, np.array([7, 3]), seeds=(0, 1)).only(np.array([False, True]))
    assert some.values.tolist() == [[1.0, 1.0], [1.0, 0.0]]
    assert some.users.tolist() == [3]
