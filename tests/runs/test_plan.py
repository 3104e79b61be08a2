import csv
import json
from itertools import combinations

import numpy as np
import pytest

from recbench.runs.compare import compare
from recbench.runs.leaderboard import leaderboard
from recbench.runs.plan import plan, render_plans
from recbench.statistics.power import Design, split, told_apart


def hits(seed, share=0.5, rows=80):
    return (np.random.default_rng(seed).random(rows) < share).astype(int).tolist()


@pytest.fixture
def table(made):
    runs = [
        made(hits(10 * m + s), model=f"m{m}", seed=s, draws=4) for m in range(2) for s in (0, 1)
    ]
    runs.append(made([0] * 80, model="never", draws=4, random_training=False))
    return leaderboard(runs)[0]


def test_more_of_anything_finds_smaller_differences(table):
    found = {(one.draws, one.seeds): one.smallest for one in plan(table).options}
    assert found[1, 5] > found[5, 5] > found[20, 5]
    assert found[5, 3] > found[5, 5] > found[5, 10]


def test_a_plan_goes_by_rows_that_may_be_the_best(table):
    assert {row.label for row in plan(table).pair} == {"m0", "m1"}


def test_users_that_are_needed_suffice_and_fewer_do_not(table):
    found = plan(table, 0.2)
    for option in found.options:
        if option.users is not None and option.users > 3:
            for users, enough in ((option.users, True), (option.users - 1, False)):
                design = Design.equal(users, option.draws, option.seeds)
                assert (told_apart(found.single, design) <= 0.2) == enough


def test_a_difference_that_no_number_of_users_shows(table):
    options = plan(table, 1e-4).options
    assert all(one.users is None for one in options if one.seeds == 3)
    assert "no number" in render_plans([plan(table, 1e-4)], "table")


def test_one_system_is_no_plan(made):
    assert plan(leaderboard([made(hits(0))])[0]) is None


def test_rows_that_answer_alike_are_planned_with_as_they_are_compared(made):
    runs = [made(hits(0), model=m, draws=4, random_training=False) for m in ("a", "b")]
    found = plan(leaderboard(runs)[0], 0.05)
    (pair,) = compare(runs).pairs
    (here,) = [one for one in found.options if (one.draws, one.seeds) == (5, 1)]
    assert here.smallest == pytest.approx(pair.smallest) != 0
    assert here.users > found.users  # of whom 0.05 is not told apart


def test_a_pair_that_differs_nowhere_is_passed_over_where_another_does(made):
    runs = [made(hits(0), model=m, draws=4, random_training=False) for m in "abcd"]
    runs.append(made(hits(1), model="e", draws=4, random_training=False))
    assert "e" in {row.label for row in plan(leaderboard(runs)[0]).pair}


@pytest.mark.parametrize("form", ["table", "markdown", "latex", "csv", "json"])
def test_every_form_holds_every_design(table, form):
    made = plan(table, 0.1)
    text = render_plans([made], form)
    if form == "json":
        assert len(json.loads(text)[0]["options"]) == len(made.options)
    elif form == "csv":
        assert len(list(csv.DictReader(text.splitlines()))) == len(made.options)
    else:
        assert "With one seed or two the claim is of these trainings alone." in text
        assert "users for 0.1" in text


def test_a_single_training_tells_nothing_of_seeds(made):
    table = leaderboard([made(hits(0), model="a"), made(hits(1), model="b")])[0]
    found = [plan(table)]
    assert "what seeds add is not known" in render_plans(found, "table")
    for form in ("table", "csv", "json"):
        assert "a, b: a single training is judged" in render_plans(found, form)


def test_rows_that_tell_of_seeds_are_planned_with_where_there_are_two(made):
    runs = [made(hits(10 * m + s), model=f"m{m}", seed=s) for m in range(2) for s in (0, 1)]
    single = [made(hits(70 + m), model=f"single{m}") for m in range(5)]
    found = plan(leaderboard([*runs, *single])[0])
    assert {row.label for row in found.pair} == {"m0", "m1"}
    said = render_plans([found], "table")
    assert "the pair of median variance among those that tell what seeds add" in " ".join(
        said.split()
    )
    assert "what seeds add is not known" not in said


def test_a_control_is_not_planned_with(made):
    (table,) = leaderboard([made([1, 0, 0, 1]), made([0, 0, 0, 1], control="shuffled-history")])
    assert plan(table) is None


def test_of_three_pairs_the_one_of_median_variance_is_planned_with(made) -> None:
    random = np.random.default_rng(0)
    first = (random.random(80) < 0.5).astype(int)
    near, far = first.copy(), 1 - first
    near[:6] = 1 - near[:6]
    runs = [
        made(hits.tolist(), model=model, draws=4, random_training=False)
        for hits, model in ((first, "a"), (near, "b"), (far, "c"))
    ]
    (table,) = leaderboard(runs)
    found = plan(table)
    asked = [row.system for row in table.rows]
    here = Design.of(asked[0].users, 4, 1)
    widths = sorted(told_apart(split(a, b), here) for a, b in combinations(asked, 2))
    assert widths[0] < widths[1] < widths[2]
    assert told_apart(found.single, here) == pytest.approx(widths[1])


def test_users_of_unequal_rows_are_counted_as_they_are_here(made) -> None:
    users = np.repeat(np.arange(20), [21, *[1] * 19])  # of 40 examples
    runs = [made(hits(m), model=f"m{m}", users=users, random_training=False) for m in range(2)]
    (table,) = leaderboard(runs)
    found, here = plan(table, 0.1), Design.of(users, 2, 1)
    assert (found.users, found.effective_users) == (20, here.users)
    for option in found.options:
        for needed, enough in ((option.users, True), (option.users - 1, False)):
            left = max(1.0, here.users_df / (here.users - 1) * (needed - 1))
            design = Design(needed, left, option.draws, option.seeds)
            assert (told_apart(found.single, design) <= 0.1) == enough
    written = json.loads(render_plans([found], "json"))[0]["options"]
    assert [one["users"] for one in written] == [
        round(option.users * 20 / here.users) for option in found.options
    ]
