import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recbench.errors import UserError
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


def test_what_cannot_be_paired_is_refused():
    with pytest.raises(UserError, match="same rows"):
        paired_difference(np.ones(3), np.ones(4))
    with pytest.raises(UserError, match="same rows"):
        paired_difference(np.ones(0), np.ones(0))
    with pytest.raises(UserError, match="HitRatio@1"):
        paired_difference(np.array([np.nan, 1.0]), np.ones(2))


def test_one_example_shows_nothing():
    assert paired_difference(np.ones(1), np.zeros(1)) == (1.0, -1.0, 1.0, 1.0)
