from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from recbench.statistics.differences import difference
from recbench.statistics.power import (
    Design,
    assumed,
    expected,
    smallest_difference,
    split,
    told_apart,
)
from recbench.statistics.values import SystemValues


@pytest.mark.parametrize("df", [2.0, 9.3, 94.0])
def test_the_smallest_difference_is_found_with_80_percent_power(df):
    found = smallest_difference(0.02, df)
    power = stats.nct.sf(stats.t.isf(0.025, df), df, found / 0.02)
    assert power == pytest.approx(0.8, abs=1e-4)
    assert smallest_difference(0.02, df, alpha=0.01) > found


def test_many_degrees_of_freedom_are_the_normal_approximation():
    expected = 0.02 * (stats.norm.isf(0.025) + stats.norm.isf(0.2))
    assert smallest_difference(0.02, 1e6) == pytest.approx(expected, rel=1e-4)


def made(random, sd, users=300, draws=4, seeds=5):
    """Two systems, whose values have the given spreads: users, draws, seeds, and the rest."""
    drawn = sd["draws"] * random.standard_normal((1, users, draws))
    people = sd["users"] * random.standard_normal((1, users, 1))
    first = people + drawn
    systems = []
    for of_both in (first, 0.0):
        values = of_both + sd["seeds"] * random.standard_normal((seeds, 1, 1))
        values = values + sd["users_by_seeds"] * random.standard_normal((seeds, users, 1))
        values = values + sd["draws_by_seeds"] * random.standard_normal((seeds, users, draws))
        shape = (seeds, users * draws)
        systems.append(
            SystemValues(values.reshape(shape), draws, np.arange(users), tuple(range(seeds)))
        )
    return systems


SPREADS = {"users": 0.5, "draws": 0.6, "seeds": 0.3, "users_by_seeds": 0.2, "draws_by_seeds": 0.4}


@pytest.mark.parametrize("matched", [False, True])
def test_the_parts_of_the_variance_are_found(matched):
    random = np.random.default_rng(3)
    found = [split(*made(random, SPREADS), matched) for _ in range(60)]
    for name, sd in SPREADS.items():
        variance = sd**2 * (1 if name in {"users", "draws"} else 2)
        assert np.mean([getattr(one, name) for one in found]) == pytest.approx(variance, rel=0.12)
    assert {one.systems for one in found} == {1 if matched else 2}


@pytest.mark.parametrize("matched", [False, True])
def test_the_parts_in_the_design_at_hand_are_the_variance_of_the_difference(matched):
    a, b = made(np.random.default_rng(4), SPREADS)
    found, design = difference(a, b, matched), Design.of(a.users, 4, 5)
    single = split(a, b, matched)
    doubt = expected(single, design)
    assert doubt.total**0.5 == pytest.approx(found.se, rel=1e-9)
    assert doubt.df == pytest.approx(found.df, rel=0.2)  # systems differ in spread
    assert told_apart(single, design) == pytest.approx(
        smallest_difference(found.se, found.df), rel=0.05
    )
    parts = single.of(design)
    total = parts.users + parts.draws + parts.seeds + parts.rest
    assert total == pytest.approx(found.se**2, rel=1e-9)


def test_what_another_design_would_show():
    a, b = made(np.random.default_rng(5), SPREADS, users=200, draws=2, seeds=4)
    single = split(a, b)
    base = told_apart(single, Design.equal(200, 2, 4))
    assert told_apart(single, Design.equal(400, 2, 4)) < base
    assert told_apart(single, Design.equal(200, 20, 4)) < base
    assert told_apart(single, Design.equal(200, 2, 8)) < base
    # Users do not help where it is the seeds that differ.
    many = told_apart(single, Design.equal(10**9, 10**9, 4))
    spread = (single.seeds / 4) ** 0.5
    assert many == pytest.approx(smallest_difference(spread, 6), rel=1e-3)


def test_one_seed_is_judged_given_its_training():
    single = assumed(discordance=0.3, seed_sd=0.038)
    doubt = expected(single, Design.equal(95, 1, 1))
    assert doubt.total == pytest.approx(0.3 / 95)
    assert doubt.df == pytest.approx(94)
    five = expected(single, Design.equal(95, 1, 5))
    assert five.total == pytest.approx(0.3 / 95 + 2 * 0.038**2 / 5)


def test_draws_help_against_their_share_only():
    for share, factor in [(0.0, 1.0), (0.5, 0.55)]:
        single = assumed(0.3, 0.0, draws_share=share)
        one, ten = (expected(single, Design.equal(95, draws, 1)).total for draws in (1, 10))
        assert ten == pytest.approx(factor * one)


def test_a_training_that_is_not_random_has_no_seeds():
    a, b = made(np.random.default_rng(6), SPREADS)
    fixed = SystemValues(b.values[:1], 4, b.users, random_training=False)
    assert split(a, fixed).systems == 1
    assert split(fixed, replace(fixed)).systems == 0
    assert split(fixed, replace(fixed)).seeds == 0.0


def test_of_single_seeds_none_is_matched():
    a, b = made(np.random.default_rng(7), SPREADS, seeds=1)
    assert split(a, b, matched=True) == split(a, b)
    assert split(a, b).systems == 2


def test_clustered_users_are_worth_fewer():
    users = np.repeat(np.arange(10), [91, *[1] * 9])
    design = Design.of(users, 1, 3)
    assert design.users == pytest.approx(100**2 / (91**2 + 9))
    assert design.users_df < 2


def test_three_trainings_are_a_sample_of_all_and_two_are_not() -> None:
    single = assumed(discordance=0.3, seed_sd=0.038)
    two, three = (expected(single, Design.equal(95, 1, seeds)) for seeds in (2, 3))
    assert two.total == pytest.approx(0.3 / 95)
    assert three.total == pytest.approx(0.3 / 95 + 2 * 0.038**2 / 3)
