import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from recbench.statistics.crossed import users_df
from recbench.statistics.intervals import caution, estimate, figure
from recbench.statistics.values import SystemValues


def score_interval(p, trials, t):
    """Wilson's interval, by the book: (p + t2/2m +- t sqrt(pq/m + t2/4m2)) / (1 + t2/m)."""
    middle = (p + t * t / (2 * trials)) / (1 + t * t / trials)
    half = t / (1 + t * t / trials) * (p * (1 - p) / trials + t * t / (4 * trials**2)) ** 0.5
    return pytest.approx([middle - half, middle + half], abs=1e-6)


def test_the_mean_is_over_draws_and_then_over_examples():
    values = np.array([1.0, 1.0, 0.0, 0.0, 1.0, 0.0])
    found = figure(values, draws=2)
    assert (found.value, found.n) == (0.5, 3)


def test_draws_of_one_example_are_not_observations_of_their_own():
    examples = np.array([1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0])
    assert figure(np.repeat(examples, 20), draws=20) == figure(examples, draws=1)


def test_one_draw_of_yes_and_no_is_wilsons_interval():
    found = figure(np.array([1.0] * 42 + [0.0] * 53), draws=1)
    assert [found.low, found.high] == score_interval(42 / 95, 94, t=1.985523)  # t(94)


@pytest.mark.parametrize("n", [1, 2, 5, 95])
def test_nothing_and_everything_right_still_leave_doubt(n):
    none, every = figure(np.zeros(n), 1), figure(np.ones(n), 1)
    assert (none.value, none.low) == (0.0, 0.0)
    assert (every.value, every.high) == (1.0, 1.0)
    assert 0.0 < none.high < 1.0
    assert every.low == pytest.approx(1.0 - none.high)


def test_equal_values_everywhere_do_not_look_certain():
    found = figure(np.full(10, 0.5), 1)
    assert found.low < 0.3
    assert found.high > 0.7


def test_a_ratio_is_of_sums_over_the_rows_that_are_defined():
    # Example 1 is right in one of one valid draw, example 2 in one of three, example 3 never valid.
    values = np.array([1, np.nan, np.nan, 1, 0, 0, np.nan, np.nan, np.nan])
    found = figure(values, draws=3)
    assert found.value == pytest.approx(2 / 4)
    assert found.n == 2
    assert figure(np.full(4, np.nan), draws=2) is None
    assert figure(np.empty(0), draws=5) is None


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=40),
    st.lists(st.booleans(), min_size=40, max_size=40),
)
def test_an_interval_holds_its_value_and_stays_in_bounds(values, gaps):
    array = np.array(values)
    array[np.array(gaps)[: len(array)]] = np.nan
    found = figure(array, draws=1)
    if found is not None:
        assert 0.0 <= found.low <= found.value <= found.high <= 1.0


@pytest.mark.parametrize(("p", "draws", "n"), [(0.5, 1, 95), (0.05, 1, 95), (0.4, 5, 30)])
def test_the_interval_covers_the_truth_about_95_times_in_100(p, draws, n):
    random = np.random.default_rng(7)
    covered = 0
    for _ in range(600):
        # Each example has its own difficulty, shared by its draws.
        chance = random.beta(2 * p, 2 * (1 - p), size=n) if draws > 1 else np.full(n, p)
        values = (random.random((n, draws)) < chance[:, None]).astype(float).ravel()
        found = figure(values, draws)
        covered += found.low <= p <= found.high
    assert 0.92 <= covered / 600 <= 0.99


def test_the_variance_of_a_ratio_by_hand():
    # Right over defined: 2/2, 1/1, 0/1, 1/2, so p = 4/6; the example means are 1, .5, 0, .5 over
    # 1, .5, .5, 1: residuals over the sum of 3 are 1/9, 1/18, -1/9, -1/18. The shares 1/3, 1/6,
    # 1/6, 1/3 leave 11/18, 17/18, 17/18, 11/18 of each: the variance is 70/1683.
    values = np.array([1, 1, 1, np.nan, 0, np.nan, 0, 1])
    found = estimate(SystemValues(values[None], 2, np.arange(4)))
    assert found.figure.value == pytest.approx(2 / 3)
    assert found.se**2 == pytest.approx(70 / 1683)
    assert found.users == pytest.approx(3.6)
    assert found.df == pytest.approx(users_df(np.array([2, 1, 1, 2]) / 6))
    trials = 2 / 9 / (70 / 1683)
    ends = [found.figure.low, found.figure.high]
    assert ends == score_interval(2 / 3, trials, t=stats.t.ppf(0.975, found.df))


def test_the_interval_of_a_ratio_covers_too():
    random = np.random.default_rng(8)
    covered = 0
    for _ in range(600):
        valid = random.random(95) < random.choice([0.4, 0.9])
        values = np.where(valid, (random.random(95) < 0.6).astype(float), np.nan)
        found = figure(values, 1)
        covered += found.low <= 0.6 <= found.high
    assert 0.92 <= covered / 600 <= 0.99


# Two users: 1 right of 1, and 1 right of 3.
ROWS, USERS = np.array([1.0, 1.0, 0.0, 0.0]), np.array([4, 2, 2, 2])


def test_the_variance_by_user_by_hand():
    # p = 2/4. Users' sums 1 and 1 of 1 and 3 rows: residuals 1 - p and 1 - 3p over 4 rows are 1/8
    # and -1/8; shares of 1/4 and 3/4 leave 9/8 and 1/8, so that the variance is 5/36, t(1) = 12.7.
    found = figure(ROWS, 1, USERS)
    assert (found.value, found.n) == (0.5, 4)
    assert [found.low, found.high] == score_interval(0.5, 0.25 * 36 / 5, t=12.706205)


def test_a_user_without_a_defined_row_is_not_counted():
    gaps = np.append(ROWS, [np.nan, np.nan])
    assert figure(gaps, 1, np.append(USERS, [7, 7])) == figure(ROWS, 1, USERS)


@pytest.mark.parametrize("rows", [np.zeros(8), np.ones(8)])
def test_many_rows_of_few_users_leave_the_doubt_of_few_users(rows):
    found, few = figure(rows, 1, np.arange(8) % 4), figure(rows[:4], 1)
    assert (found.low, found.high) == (few.low, few.high)


@pytest.mark.parametrize("times", [2, 50])
def test_rows_said_again_by_the_same_user_say_nothing_new(times):
    values = np.random.default_rng(2).random(30)
    once = figure(values, 1)
    again = figure(np.repeat(values, times), 1, np.repeat(np.arange(30), times))
    assert (again.n, once.n) == (30 * times, 30)
    ends = [once.value, once.low, once.high]
    assert [again.value, again.low, again.high] == pytest.approx(ends, abs=1e-12)


def test_single_rows_of_one_seed_are_what_they_were_before_users_were_known():
    """Pinned from before clustering and seeds, so that figures of one run stay what they are."""
    random = np.random.default_rng(11)
    values = (random.random((2, 95 * 5)) < [[0.45], [0.35]]).astype(float)[0]
    ends = [0.47789473684210537, 0.43646760646586646, 0.5196282079358343]
    for users in (None, np.random.default_rng(0).permutation(943)[:95]):
        found = figure(values, 5, users)
        assert [found.value, found.low, found.high] == pytest.approx(ends, rel=1e-12)


def test_one_user_shows_nothing():
    found, trial = figure(ROWS, 1, np.zeros(4)), figure(np.array([0.5]), 1)
    assert (found.low, found.high) == (trial.low, trial.high)


# Two seeds of three users: seed 0 right on users 0 and 1, seed 1 on user 0 alone.
TWO_SEEDS = np.array([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0]])


@pytest.mark.honesty
def test_seeds_widen_the_interval_by_hand():
    # Figures 2/3, 1/3 and 1/2. Users' means 1, 1/2, 0 have variance 1/4 / 3 = 1/12; the seeds' 1/36
    # / 3 = 1/108; residuals -1/6, 1/3, -1/6, their opposites and 0: MS 1/3 / 4 over 9, again 1/108.
    three = np.stack([*TWO_SEEDS, TWO_SEEDS.mean(axis=0)])
    found = estimate(SystemValues(three, 1, np.arange(3), seeds=(0, 1, 2)))
    assert found.figure.value == 0.5
    assert found.seed_sd == pytest.approx(1 / 6)
    assert found.se**2 == pytest.approx(1 / 12)
    assert not found.given_training
    # Where seeds differ by more than the rest explains, they add to the variance:
    apart = np.array([[1.0, 1.0, 1.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.5, 0.5, 1.0, 0.0]])
    found = estimate(SystemValues(apart, 1, np.arange(4), seeds=(3, 8, 9)))
    # users' means 1/2, 1/2, 1, 0 give 1/24, the seeds' 3/4, 1/4, 1/2 1/48, residuals of 1/4 1/144.
    assert found.se**2 == pytest.approx(1 / 24 + 1 / 48 - 1 / 144)
    # With 3/8 of the variance in the seeds' two degrees of freedom: 1 / (3/8 / 2 + 5/8 / 3).
    assert found.df == pytest.approx(1 / (3 / 16 + 5 / 24))


@pytest.mark.honesty
def test_two_seeds_are_no_sample_and_are_judged_as_their_mean():
    two = estimate(SystemValues(TWO_SEEDS, 1, np.arange(3), seeds=(0, 1)))
    mean = estimate(SystemValues(TWO_SEEDS.mean(axis=0, keepdims=True), 1, np.arange(3)))
    assert two.given_training
    assert (two.figure, two.se, two.df) == (mean.figure, mean.se, mean.df)
    assert two.seed_sd == pytest.approx(18**-0.5)


@pytest.mark.honesty
def test_one_seed_is_said_to_be_one_training():
    one = SystemValues(TWO_SEEDS[:1], 1, np.arange(3))
    found = estimate(one)
    assert found.given_training
    assert found.seed_sd is None
    assert found.figure == figure(TWO_SEEDS[0], 1)


def test_a_training_that_is_not_random_is_complete():
    same = np.stack([TWO_SEEDS[0]] * 2)
    found = estimate(SystemValues(same, 1, np.arange(3), seeds=(0, 1), random_training=False))
    assert not found.given_training
    assert found.seed_sd is None
    assert found.figure == figure(TWO_SEEDS[0], 1)


def test_what_is_constant_by_construction_has_no_interval():
    found = figure(np.ones(12), 1, constant=True)
    assert (found.low, found.value, found.high, found.n) == (1.0, 1.0, 1.0, 12)


def test_a_seed_without_a_defined_row_is_left_out():
    gaps = np.stack([TWO_SEEDS[0], np.full(3, np.nan)])
    assert estimate(SystemValues(gaps, 1, np.arange(3), seeds=(0, 1))).figure == figure(gaps[0], 1)


def test_a_table_says_where_intervals_are_too_narrow():
    assert caution(0.45, 95) == ""
    assert caution(0.02, 95) == "worth 1.9 users on the rarer side"
    assert caution(0.98, 100) == "worth 2.0 users on the rarer side"
    assert caution(0.5, 9) == "worth 4.5 users on the rarer side"
