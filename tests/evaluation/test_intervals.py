import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recbench.errors import UserError
from recbench.evaluation import intervals
from recbench.evaluation.intervals import figure, paired_difference


def test_the_mean_is_over_draws_and_then_over_examples():
    values = np.array([1.0, 1.0, 0.0, 0.0, 1.0, 0.0])
    found = figure(values, draws=2)
    assert (found.value, found.n) == (0.5, 3)


def test_draws_of_one_example_are_not_observations_of_their_own():
    examples = np.array([1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0])
    assert figure(np.repeat(examples, 20), draws=20) == figure(examples, draws=1)


def test_one_draw_of_yes_and_no_is_wilsons_interval():
    # 42 of 95, t(94) = 1.985523, m = 94: (p + t2/2m +- t sqrt(pq/m + t2/4m2)) / (1 + t2/m)
    values = np.array([1.0] * 42 + [0.0] * 53)
    p, t, m = 42 / 95, 1.985523, 94
    middle = (p + t * t / (2 * m)) / (1 + t * t / m)
    half = t / (1 + t * t / m) * (p * (1 - p) / m + t * t / (4 * m * m)) ** 0.5
    found = figure(values, draws=1)
    assert found.low == pytest.approx(middle - half, abs=1e-6)
    assert found.high == pytest.approx(middle + half, abs=1e-6)


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
    # Right over defined: 2/2, 1/1, 0/1, 1/2. p = 4/6; residuals of the example means over the mean
    # weight 3/4 are 4/9, 2/9, -4/9, -2/9: their squares sum to 40/81, var(p) = 40/81 / (4 * 3).
    values = np.array([1, 1, 1, np.nan, 0, np.nan, 0, 1])
    p, t, m = 2 / 3, 3.182446, (2 / 9) / (40 / 81 / 12)
    middle = (p + t * t / (2 * m)) / (1 + t * t / m)
    half = t / (1 + t * t / m) * (p * (1 - p) / m + t * t / (4 * m * m)) ** 0.5
    found = figure(values, draws=2)
    assert found.value == pytest.approx(p)
    assert found.low == pytest.approx(middle - half, abs=1e-6)
    assert found.high == pytest.approx(middle + half, abs=1e-6)


def test_the_interval_of_a_ratio_covers_too():
    random = np.random.default_rng(8)
    covered = 0
    for _ in range(600):
        valid = random.random(95) < random.choice([0.4, 0.9])
        values = np.where(valid, (random.random(95) < 0.6).astype(float), np.nan)
        found = figure(values, 1)
        covered += found.low <= 0.6 <= found.high
    assert 0.92 <= covered / 600 <= 0.99


def test_systems_that_never_differ():
    values = np.array([1.0, 0.0, 1.0])
    assert paired_difference(values, values) == (0.0, 0.0, 0.0, 1.0)


def test_the_p_value_by_hand():
    # Five examples all won: of the 32 sign patterns two are as extreme, p = 1/16.
    found = paired_difference(np.ones(5), np.zeros(5))
    assert found.value == 1.0
    assert found.p == pytest.approx(1 / 16, abs=0.01)
    # A tie adds nothing to either side.
    tied = paired_difference(np.append(np.ones(5), 1.0), np.append(np.zeros(5), 1.0))
    assert tied.p == pytest.approx(1 / 16, abs=0.01)


def test_examples_are_flipped_whole():
    found = paired_difference(np.ones(100), np.zeros(100), draws=20)
    assert found.p == pytest.approx(1 / 16, abs=0.01)


def test_the_paired_test_is_symmetric_and_repeatable():
    random = np.random.default_rng(1)
    a, b = random.random(60), random.random(60)
    there, back = paired_difference(a, b), paired_difference(b, a)
    assert there == paired_difference(a, b)
    assert there.value == -back.value
    assert there.low == pytest.approx(-back.high)
    assert there.p == back.p


def test_the_paired_test_rejects_a_true_hypothesis_one_time_in_twenty():
    random = np.random.default_rng(3)
    rejected = 0
    for _ in range(200):
        a, b = (random.random((2, 40)) < 0.5).astype(float)
        rejected += paired_difference(a, b).p < 0.05
    assert rejected / 200 <= 0.1


# Two users: 1 right of 1, and 1 right of 3.
ROWS, USERS = np.array([1.0, 1.0, 0.0, 0.0]), np.array([4, 2, 2, 2])


def test_the_variance_by_user_by_hand():
    # p = 2/4. Users' sums 1 and 1 of 1 and 3 rows: residuals 1 - p and 1 - 3p over the mean of 2
    # rows are 1/4 and -1/4: var(p) = 2/16 / (2 * 1), n_eff = 1/4 / (1/16) = 4, t(1) = 12.706205.
    p, t, m = 1 / 2, 12.706205, 4
    middle = (p + t * t / (2 * m)) / (1 + t * t / m)
    half = t / (1 + t * t / m) * (p * (1 - p) / m + t * t / (4 * m * m)) ** 0.5
    found = figure(ROWS, 1, USERS)
    assert (found.value, found.n) == (0.5, 4)
    assert found.low == pytest.approx(middle - half, abs=1e-6)
    assert found.high == pytest.approx(middle + half, abs=1e-6)


def test_a_user_without_a_defined_row_is_not_counted():
    gaps = np.append(ROWS, [np.nan, np.nan])
    assert figure(gaps, 1, np.append(USERS, [7, 7])) == figure(ROWS, 1, USERS)


@pytest.mark.parametrize("times", [2, 50])
def test_rows_said_again_by_the_same_user_say_nothing_new(times):
    random = np.random.default_rng(2)
    a, b = random.random((2, 30))
    users = np.repeat(np.arange(30), times)
    once, again = figure(a, 1), figure(np.repeat(a, times), 1, users)
    assert (again.n, once.n) == (30 * times, 30)
    ends = [once.value, once.low, once.high]
    assert [again.value, again.low, again.high] == pytest.approx(ends, abs=1e-12)
    pair = paired_difference(np.repeat(a, times), np.repeat(b, times), users=users)
    assert pair == pytest.approx(paired_difference(a, b), abs=1e-12)


@pytest.mark.parametrize("rows", [np.zeros(8), np.ones(8)])
def test_many_rows_of_few_users_leave_the_doubt_of_few_users(rows):
    found, few = figure(rows, 1, np.arange(8) % 4), figure(rows[:4], 1)
    assert (found.low, found.high) == (few.low, few.high)


def test_single_rows_are_what_they_were_before_users_were_known():
    """Pinned from before clustering, so that published figures stay what they are."""
    random = np.random.default_rng(11)
    a, b = (random.random((2, 95 * 5)) < [[0.45], [0.35]]).astype(float)
    gaps = np.where(random.random(95 * 5) < 0.1, np.nan, a)
    differences = (a - b).reshape(95, 5).mean(axis=1)
    for users in (None, random.permutation(943)[:95]):
        found, ratio = figure(a, 5, users), figure(gaps, 5, users)
        ends = [0.47789473684210537, 0.43646760646586646, 0.5196282079358343]
        assert [found.value, found.low, found.high] == pytest.approx(ends, rel=1e-14)
        ends = [0.4722222222222223, 0.42823095128557254, 0.5166491482038169]
        assert [ratio.value, ratio.low, ratio.high] == pytest.approx(ends, rel=1e-14)
        assert found == figure(a, 5)
        value, low, high, p = paired_difference(a, b, 5, users)
        assert value == differences.mean()
        assert [low, high] == pytest.approx([0.029791658173078495, 0.1554714997216584], rel=1e-14)
        assert p == 52 / 10_001  # 51 of the flips: users keep the place they had


def test_the_paired_test_by_user_by_hand():
    # Differences 1; 1, 0, 0 of two users: mean 2/4, residuals 1/4 and -1/4 as above, so the error
    # is 1/4, and both users have the sum 1: of four sign patterns two are as extreme.
    value, low, high, p = paired_difference(ROWS, np.zeros(4), users=USERS)
    assert value == 0.5
    assert (low, high) == (-1.0, 1.0)  # 0.5 +- 12.7 / 4, cut
    assert p == pytest.approx(1 / 2, abs=0.02)
    # Sums 4, 2, 3 of three users with four rows each: means of deviation 1/4, error 1/4 / sqrt(3),
    # t(2) = 4.302653; two of eight sign patterns are as extreme.
    won = np.repeat([1.0, 0.0, 1.0, 0.0, 1.0, 0.0], [4, 0, 2, 2, 3, 1])
    value, low, high, p = paired_difference(won, np.zeros(12), users=np.repeat([3, 1, 2], 4))
    assert value == 0.75
    assert high == 1.0
    assert low == pytest.approx(0.75 - 4.302653 / 4 / 3**0.5, abs=1e-6)
    assert p == pytest.approx(1 / 4, abs=0.02)


def test_one_user_shows_nothing():
    found, trial = figure(ROWS, 1, np.zeros(4)), figure(np.array([0.5]), 1)
    assert (found.low, found.high) == (trial.low, trial.high)
    assert paired_difference(ROWS, 1 - ROWS, users=np.zeros(4)) == (0.0, -1.0, 1.0, 1.0)


def test_rows_of_users_who_differ_cover_only_when_clustered(monkeypatch):
    monkeypatch.setattr(intervals, "PERMUTATIONS", 1_000)  # a tenth of the time
    random = np.random.default_rng(9)
    clustered = by_row = rejected = rejected_by_row = 0
    for _ in range(200):
        users = np.repeat(np.arange(60), random.integers(10, 40, size=60))
        easy, hard = random.beta(0.9, 2.1, size=(2, 60))[:, users]  # both of mean .3
        a, b = (random.random((2, len(users))) < [easy, hard]).astype(float)
        found, naive = figure(a, 1, users), figure(a, 1)
        clustered += found.low <= 0.3 <= found.high
        by_row += naive.low <= 0.3 <= naive.high
        rejected += paired_difference(a, b, users=users).p < 0.05
        rejected_by_row += paired_difference(a, b).p < 0.05
    assert 0.92 <= clustered / 200 <= 0.98
    assert by_row / 200 < 0.6
    assert rejected / 200 <= 0.08
    assert rejected_by_row / 200 > 0.3


def test_what_cannot_be_paired_is_refused():
    with pytest.raises(UserError, match="same rows"):
        paired_difference(np.ones(3), np.ones(4))
    with pytest.raises(UserError, match="same rows"):
        paired_difference(np.ones(0), np.ones(0))
    with pytest.raises(UserError, match="HitRatio@1"):
        paired_difference(np.array([np.nan, 1.0]), np.ones(2))


def test_one_example_shows_nothing():
    assert paired_difference(np.ones(1), np.zeros(1)) == (1.0, -1.0, 1.0, 1.0)
