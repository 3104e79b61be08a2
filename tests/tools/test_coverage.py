"""The simulation of intervals and tests: what it says, and that the page says the same."""

from types import ModuleType

import numpy as np
import pytest

from recbench.statistics.crossed import effective_users
from recbench.statistics.intervals import caution


@pytest.fixture(scope="module")
def tool(load) -> ModuleType:
    return load("coverage")


def rates(tool, cell, replications):
    """Coverage, rejection, and rejection by users only, by number of seeds."""
    names = ("coverage", "rejection", "rejection_users_only")
    rows = tool.coverage(cell, tool.ALIKE, replications)
    return {int(row["seeds"]): tuple(float(row[name]) for name in names) for row in rows}


@pytest.mark.honesty
@pytest.mark.parametrize(
    ("design", "draws", "spread", "replications"),
    [("95 users", 20, 0.038, 2_000), ("943 users", 20, 0.01, 500)],
)
def test_seeds_are_in_intervals_and_tests(tool, design, draws, spread, replications):
    """Users alone reject equal systems many times too often, and that is what this guards."""
    found = rates(tool, tool.Cell(design, draws, 0.45, spread), replications)
    for seeds in (3, 5):
        coverage, rejection, users_only = found[seeds]
        assert coverage >= 0.93
        assert rejection <= 0.07
        assert users_only > 0.12
    coverage, rejection, users_only = found[1]  # judged given its training
    assert coverage >= 0.93
    assert rejection <= 0.07
    assert users_only > 0.25


@pytest.mark.honesty
def test_unequal_users_are_not_counted_as_equal(tool):
    found = rates(tool, tool.Cell("166 unequal users", 20, 0.45, 0.01), 1_000)
    assert min(coverage for coverage, _, _ in found.values()) >= 0.94
    assert max(rejection for _, rejection, _ in found.values()) <= 0.05


@pytest.mark.honesty
@pytest.mark.parametrize("systems", [3, 7])
def test_the_set_of_the_best_knows_that_the_first_was_chosen(tool, systems):
    cell = tool.Cell("95 users", 20, 0.45, 0.038)
    found = tool.equal_systems(cell, systems, 3, 500)
    assert float(found["users_only"]) > 0.3
    assert float(found["a_row_left_out"]) <= 0.05
    assert float(found["with_ties"]) <= 0.06


def test_the_spread_is_that_of_hit_ratios(tool):
    cell = tool.Cell("10 users", 1, 0.45, 0.038)
    _, truth = tool.simulate(cell, 2, 5, 4_000, np.random.default_rng(1))
    assert truth.mean() == pytest.approx(0.45, abs=0.002)
    assert truth.std() == pytest.approx(0.038, abs=0.001)


def test_unequal_users_are_as_under_temporal(tool):
    rows = tool.DESIGNS["166 unequal users"]
    assert (len(rows), rows.min(), rows.max()) == (166, 1, 428)
    assert effective_users(rows / rows.sum()) == pytest.approx(55, abs=0.5)


def warned(tool, row):
    """What a table says of an interval in such a cell."""
    rows = tool.DESIGNS[row["design"]]
    if "each user once" in row["seeds"]:
        rows = np.ones(len(rows))
    return caution(float(row["hit_ratio"]), float(effective_users(rows / rows.sum())))


@pytest.mark.honesty
def test_what_was_simulated_holds_but_where_tables_say_so(tool):
    rows = tool.read(tool.COVERAGE)
    assert len(rows) == 3 * len(list(tool.cells()))
    fails = [row for row in rows if float(row["coverage"]) < 0.93 or float(row["rejection"]) > 0.07]
    assert [row for row in fails if row["seeds"] != "1" and not warned(tool, row)] == []
    assert [row for row in rows if float(row["rejection"]) > 0.07] == []


@pytest.mark.honesty
def test_what_was_simulated_of_other_pairs_holds_but_where_tables_say_so(tool):
    rows = tool.read(tool.PAIRS)
    assert len(rows) == sum(len(pairs) for _, pairs in tool.other_pairs())
    assert [r for r in rows if float(r["rejection"]) > 0.07 and not warned(tool, r)] == []
    once = [row for row in rows if "once" in row["seeds"] and not warned(tool, row)]
    assert min(float(row["coverage"]) for row in once) >= 0.93


@pytest.mark.honesty
@pytest.mark.parametrize("kind", ["ONE", "MATCHED"])
def test_pairs_that_are_not_trained_alike_are_not_told_apart_by_chance(tool, kind):
    rows = tool.coverage(tool.Cell("95 users", 20, 0.45, 0.038), getattr(tool, kind), 2_000)
    assert max(float(row["rejection"]) for row in rows) <= 0.07
    assert max(float(row["rejection_users_only"]) for row in rows) > 0.12


def test_matched_trainings_share_what_was_asked(tool):
    cell, random = tool.Cell("10 users", 1, 0.45, 0.038), np.random.default_rng(2)
    for shared in (0.0, 0.5, 1.0):
        _, truth = tool.simulate(cell, 2, 5, 4_000, random, shared)
        a, b = truth[:, 0].ravel(), truth[:, 1].ravel()
        assert np.corrcoef(a, b)[0, 1] == pytest.approx(shared, abs=0.03)
        assert truth.std() == pytest.approx(0.038, abs=0.001)


@pytest.mark.honesty
def test_the_set_of_the_best_was_simulated(tool):
    rows = tool.read(tool.EQUAL)
    assert {row["systems"] for row in rows} == {"3", "7", "15"}
    assert max(float(row["a_row_left_out"]) for row in rows) <= 0.05
    assert max(float(row["with_ties"]) for row in rows) <= 0.07


def test_the_page_has_the_tables_of_the_simulation(tool):
    """If not: python tools/coverage.py --docs."""
    text = tool.PAGE.read_text(encoding="utf-8")
    assert tool.page(text) == text


@pytest.mark.slow
@pytest.mark.honesty
def test_the_files_are_what_the_tool_gives(tool):
    """One cell of each design, as often as in the files: the same seeds, so the same rates."""
    stored = tool.read(tool.COVERAGE)
    for design in tool.ASKED:
        cell = tool.Cell(design, 20, 0.45, 0.038)
        again = [
            {k: str(v) for k, v in row.items()} for row in tool.coverage(cell, tool.ALIKE, 4_000)
        ]
        assert [row for row in stored if row in again] == again


@pytest.mark.honesty
def test_two_seeds_are_no_sample_and_families_of_more_hold(tool):
    rows = tool.read(tool.FAMILIES)
    assert len(rows) == len(list(tool.matched_families()))
    worst = {
        seeds: max(float(r["some_pair_corrected"]) for r in rows if r["seeds"] == seeds)
        for seeds in "235"
    }
    assert worst["2"] > 0.12
    assert max(worst["3"], worst["5"]) <= 0.1


@pytest.mark.honesty
def test_families_are_simulated_as_they_stand(tool):
    small = tool.families(tool.Cell("95 users", 5, 0.45, 0.038), 6, 3, 0.5, 400)
    assert float(small["some_pair_corrected"]) <= 0.07
    assert float(small["a_pair"]) <= 0.07
