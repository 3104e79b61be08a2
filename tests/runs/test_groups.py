import csv
import json

import numpy as np
import pytest

from recbench.errors import DataError
from recbench.runs.group_rendering import render_groups
from recbench.runs.groups import COUNTS as NAMES
from recbench.runs.groups import USERS, grouped
from recbench.runs.leaderboard import leaderboard
from recbench.runs.record_parts import Training
from recbench.runs.rendering import render
from recbench.statistics.intervals import figure

# Six examples of two draws: all hits but the first two rows.
HITS, COUNTS = [0, 0] + [1] * 10, [0, 0, 5, 6, 100, 101]


def groups_of(runs, by):
    return grouped(leaderboard(runs), by)[0].groups


def values(groups):
    found = [group.estimates[0] for group in groups]
    return [None if one is None else (one.figure.value, one.figure.n) for one in found]


def test_rows_stand_in_the_group_of_their_count(made):
    groups = groups_of([made(HITS, target_count=COUNTS)], "target-count")
    assert values(groups) == [(0.5, 2), (1.0, 1), (1.0, 1), (1.0, 1), (1.0, 1)]
    assert [group.examples for group in groups] == [2, 1, 1, 1, 1]


def test_intervals_are_clustered_by_user(made):
    run = made(HITS, target_count=[3, 0, 0, 0, 0, 0], users=[7, 8, 8, 9, 9, 9])
    cold = groups_of([run], "target-count")[0]
    assert cold.users == 2
    assert cold.estimates[0].figure == figure(np.ones(10), 2, np.array([8, 8, 9, 9, 9]))


def test_other_counts_make_other_groups(made):
    runs = [made(HITS)]
    assert [group.examples for group in groups_of(runs, "user-count")] == [0, 0, 0, 1, 5]
    assert [group.examples for group in groups_of(runs, "history-length")] == [0, 0, 6, 0, 0]


def test_known_and_new_users_are_told_apart(made, count, monkeypatch):
    run = made(HITS)
    assert [group.name for group in groups_of([run], "user")] == list(USERS)
    assert [group.examples for group in groups_of([run], "user")] == [0, 6]


@pytest.mark.honesty
def test_systems_are_compared_inside_each_group(made):
    # Over all the two are equal; each is the better one in a group of its own.
    runs = [
        made([1] * 6 + [0] * 6, model="a", target_count=[0, 0, 0, 50, 50, 50]),
        made([0] * 6 + [1] * 6, model="b", target_count=[0, 0, 0, 50, 50, 50]),
    ]
    cold, _, _, warm, _ = groups_of(runs, "target-count")
    leads = [{row.label: row.to_best.value for row in group.rows} for group in (cold, warm)]
    assert leads == [{"a": 1.0, "b": -1.0}, {"a": -1.0, "b": 1.0}]


@pytest.mark.honesty
def test_seeds_are_counted_in_a_group_as_in_a_table(made):
    runs = [made(HITS, target_count=COUNTS), made([1] * 12, target_count=COUNTS, seed=1)]
    (one,) = groups_of(runs, "target-count")[0].estimates
    assert one.figure.value == 0.75
    assert one.seed_sd == pytest.approx(np.std([0.5, 1.0], ddof=1))


@pytest.mark.honesty
def test_groups_are_of_those_that_learnt_from_most_whoever_leads(made):
    runs = [
        made([1] * 12, model="a", training=Training(fraction=0.1), target_count=[0] * 6),
        made(HITS, model="b", target_count=COUNTS),
    ]
    groups = groups_of(runs, "target-count")
    assert [group.examples for group in groups] == [2, 1, 1, 1, 1]


def test_a_baseline_is_compared_with_inside_each_group(made):
    runs = [made(HITS, model="a", target_count=COUNTS), made([0] * 12, model="b")]
    tables = grouped(leaderboard(runs, "b"), "target-count", "b")
    assert tables[0].groups[0].rows[0].to_baseline.difference.value == 0.5
    assert "HitRatio@1 to b" in render_groups(tables, "target-count", "table")


@pytest.mark.honesty
def test_what_is_shown_in_groups_holds_in_all_of_them_at_once(made, tmp_path):
    """To the best other and to a baseline; for the groups that have examples, or more if told."""

    def first_rows(name, counts, families=None):
        kept = {"draws": 1, "target_count": counts, "results": tmp_path / name}
        runs = [made([1, 0] * 12, model="a", **kept), made([0] * 24, model="b", **kept)]
        (table,) = grouped(leaderboard(runs, "b"), "target-count", "b", families)
        return [group.rows[0] for group in table.groups if group.examples]

    (alone,) = first_rows("one", [9] * 24)
    assert alone.to_baseline.p == alone.to_baseline.difference.p
    half, _ = first_rows("two", [0] * 12 + [9] * 12)
    assert half.to_baseline.p == min(1.0, 2 * half.to_baseline.difference.p)
    more, _ = first_rows("six", [0] * 12 + [9] * 12, families=6)
    assert more.to_baseline.p == min(1.0, 6 * half.to_baseline.difference.p)
    assert more.to_best.high > half.to_best.high


@pytest.mark.honesty
def test_an_interval_is_called_narrow_where_its_own_group_is_small(made):
    # 16 users: four of each group are on the rarer side, and of all together eight.
    few = {"draws": 1, "target_count": [0] * 8 + [50] * 8, "random_training": False}
    runs = [made([1, 0] * 8, model="a", **few), made([0] * 16, model="b", audit=None, **few)]
    tables = leaderboard(runs)
    groups = grouped(tables, "target-count")
    narrow = "the interval, and those of its differences, may be too narrow: worth"
    assert f"a: {narrow}" not in render(tables, "table")
    page = render_groups(groups, "target-count", "table")
    assert f"a in group 0, a in group 21-100: {narrow} 4.0 users on the rarer side" in page
    assert f"b in group 0, b in group 21-100: {narrow} 0.0 users on the rarer side" in page
    assert page.count("b: not audited") == 1
    lines = list(csv.DictReader(render_groups(groups, "target-count", "csv").splitlines()))
    assert [f"{narrow} 4.0" in line["notes"] for line in lines if line["model"] == "a"] == [
        *(True, False, False, True, False),
    ]


@pytest.mark.honesty
def test_a_group_without_examples_says_nothing_of_the_whole_table(made):
    users = [0, 0, 1, 1, 2, 2]
    runs = [made(HITS, model="a", users=users), made([0] * 12, model="b", users=users)]
    tables = grouped(leaderboard(runs, "b"), "user", "b")
    (new, known) = tables[0].groups
    assert (new.examples, known.examples) == (0, 6)
    for row in new.rows:
        assert (row.estimates, row.per_user, row.to_best, row.to_baseline) == ({}, None, None, None)
    assert known.rows[0].per_user is not None


def test_csv_and_json_hold_what_the_page_says(made):
    users = [0, 0, 1, 1, 2, 2]
    runs = [
        made(HITS, model="a", users=users, caption="mechanism test"),
        made([0] * 12, model="b", users=users, audit=None),
    ]
    tables = grouped(leaderboard(runs, "b"), "user-count", "b")
    *_, (_, (a, b)) = [(group, group.rows) for group in tables[0].groups]
    line = list(csv.DictReader(render_groups(tables, "user-count", "csv").splitlines()))[-2]
    assert (line["model"], line["baseline"]) == ("a", "b")
    assert float(line["to_baseline low"]) == a.to_baseline.low
    assert float(line["each_user_once"]) == a.per_user.figure.value
    for note in ("mechanism test", "a single training is judged", "may be too narrow: worth "):
        assert note in line["notes"]
    (table,) = json.loads(render_groups(tables, "user-count", "json"))
    first, second = table["groups"][-1]["rows"]
    assert table["baseline"] == "b"
    assert first["to_baseline"]["value"] == a.to_baseline.difference.value
    assert first["each_user_once"] == a.per_user.figure.model_dump()
    assert "; ".join(first["notes"]) == line["notes"]
    assert (second["to_baseline"], second["notes"][0]) == (None, "not audited")
    assert b.to_baseline is None


def test_examples_that_are_missing_are_named(made):
    runs = [made(HITS, model="a")]
    tables = leaderboard(runs)
    (runs[0].folder / "examples.parquet").unlink()
    with pytest.raises(DataError, match=r"examples\.parquet is missing"):
        grouped(tables, "target-count")


@pytest.mark.parametrize("form", ["table", "markdown", "latex", "csv", "json"])
def test_every_form_holds_every_group(made, form):
    tables = grouped(leaderboard([made(HITS, target_count=[*COUNTS[:-1], 100])]), "target-count")
    text = render_groups(tables, "target-count", form)
    if form == "json":
        (table,) = json.loads(text)
        assert (table["by"], table["figure"]) == ("target-count", "HitRatio@1")
        assert [group["name"] for group in table["groups"]] == list(NAMES)
        assert table["groups"][0]["examples"] == 2
        assert table["groups"][4]["rows"][0]["figure"] is None
    elif form == "csv":
        rows = list(csv.DictReader(text.splitlines()))
        assert [row["target-count"] for row in rows] == list(NAMES)
        assert [row["n"] for row in rows] == ["2", "1", "1", "2", "0"]
        assert (rows[0]["figure"], rows[0]["mean"]) == ("HitRatio@1", "0.5")
        assert rows[4]["mean"] == ""
    else:
        assert "0.500" in text
        assert [name for name in NAMES if name in text] == list(NAMES)


def test_full_rankings_are_grouped_by_what_orders_them(made):
    tables = grouped(leaderboard([made(full=True, ranks=[2, 2])]), "target-count")
    assert tables[0].groups[1].estimates[0].figure.value == pytest.approx(1 / np.log2(3))
    assert "; NDCG@10 by target-count" in render_groups(tables, "target-count", "table")
    (first, *_) = csv.DictReader(render_groups(tables, "target-count", "csv").splitlines())
    assert first["figure"] == "NDCG@10"
