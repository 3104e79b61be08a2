import csv
import json

import numpy as np
import pytest

from recbench.runs.groups import GROUPS, grouped
from recbench.runs.leaderboard import leaderboard
from recbench.runs.rendering import render_groups
from recbench.statistics.intervals import figure

# Six examples of two draws: all hits but the first two rows.
HITS, COUNTS = [0, 0] + [1] * 10, [0, 0, 5, 6, 100, 101]


def test_rows_stand_in_the_group_of_their_count(made):
    (table,) = grouped(leaderboard([made(HITS, target_count=COUNTS)]), "target-count")
    (row,) = table.rows
    assert [one and (one.value, one.n) for one in row.figures] == [
        *((0.5, 2), (1.0, 1), (1.0, 1), (1.0, 1), (1.0, 1))
    ]


def test_intervals_are_clustered_by_user(made):
    run = made(HITS, target_count=[3, 0, 0, 0, 0, 0], users=[7, 8, 8, 9, 9, 9])
    cold = grouped(leaderboard([run]), "target-count")[0].rows[0].figures[0]
    assert cold == figure(np.ones(10), 2, np.array([8, 8, 9, 9, 9]))
    assert cold.low < figure(np.ones(10), 2).low


def test_other_counts_make_other_groups(made):
    tables = leaderboard([made(HITS)])
    by_user = grouped(tables, "user-count")[0].rows[0].figures
    by_length = grouped(tables, "history-length")[0].rows[0].figures
    assert [one and one.n for one in by_user] == [None, None, None, 1, 5]
    assert [one and one.n for one in by_length] == [None, None, 6, None, None]


def test_seeds_are_averaged(made):
    runs = [made(HITS, target_count=COUNTS), made([1] * 12, target_count=COUNTS, seed=1)]
    figures = grouped(leaderboard(runs), "target-count")[0].rows[0].figures
    assert figures[0].value == 0.75


def test_a_row_without_counts_is_left_out_and_said(made):
    runs = [made(HITS, model="a"), made(HITS, model="b")]
    (runs[1].folder / "examples.parquet").unlink()
    (table,) = grouped(leaderboard(runs), "target-count")
    assert [one.row.label for one in table.rows] == ["a"]
    assert len(table.left_out) == 1
    assert str(runs[1].folder) in table.left_out[0]
    (runs[0].folder / "examples.parquet").unlink()
    assert render_groups(grouped(leaderboard(runs), "target-count"), "target-count", "table") == ""


@pytest.mark.parametrize("form", ["table", "markdown", "csv", "json"])
def test_every_form_holds_every_group(made, form):
    tables = grouped(leaderboard([made(HITS, target_count=[*COUNTS[:-1], 100])]), "target-count")
    text = render_groups(tables, "target-count", form)
    if form == "json":
        (table,) = json.loads(text)
        assert (table["by"], table["figure"]) == ("target-count", "HitRatio@1")
        groups = table["rows"][0]["groups"]
        assert list(groups) == list(GROUPS)
        assert groups["0"]["n"] == 2
        assert groups["over 100"] is None
    elif form == "csv":
        rows = list(csv.DictReader(text.splitlines()))
        assert [row["target-count"] for row in rows] == list(GROUPS)
        assert [row["n"] for row in rows] == ["2", "1", "1", "2", "0"]
        assert (rows[0]["figure"], rows[0]["mean"]) == ("HitRatio@1", "0.5")
        assert rows[4]["mean"] == ""
    else:
        assert "0.500" in text
        assert "n=2" in text
        assert text.count("target-count") == len(GROUPS) + 1


def test_full_rankings_are_grouped_by_what_orders_them(made):
    tables = grouped(leaderboard([made(full=True, ranks=[2, 2])]), "target-count")
    assert tables[0].rows[0].figures[1].value == pytest.approx(1 / np.log2(3))
    assert "; NDCG@10 by target-count" in render_groups(tables, "target-count", "table")
    (first, *_) = csv.DictReader(render_groups(tables, "target-count", "csv").splitlines())
    assert first["figure"] == "NDCG@10"
    (table,) = json.loads(render_groups(tables, "target-count", "json"))
    assert table["figure"] == "NDCG@10"
