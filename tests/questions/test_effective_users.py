import numpy as np
import pytest

from recbench.questions.effective_users import effective_users


@pytest.mark.parametrize(
    ("users", "worth"),
    [
        ([7, 3, 9], 3),
        ([4, 4, 1, 1, 2, 2], 3),
        ([5, 5, 5], 1),
        ([0, 0, 0, 1], 16 / 10),
        ([], 0),
    ],
)
def test_unequal_users_are_worth_fewer(users, worth):
    assert effective_users(np.array(users, dtype=np.int32)) == pytest.approx(worth)


def test_many_rows_of_one_user_do_not_overflow():
    users = np.zeros(100_000, dtype=np.int32)
    assert effective_users(users) == 1


def test_a_mean_over_rows_is_as_sure_as_one_over_so_many_equal_users():
    random = np.random.default_rng(0)
    rows = np.array([1, 2, 3, 10, 30])
    users = np.repeat(np.arange(5), rows)
    of_users = random.normal(size=(100_000, 5))
    means = of_users[:, users].mean(axis=1)
    assert 1 / means.var() == pytest.approx(effective_users(users), rel=0.02)
