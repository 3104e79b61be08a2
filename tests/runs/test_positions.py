"""HitRatio@1 by the target's place: every row of every draw at its place, once."""

import pytest

from recbench.runs.leaderboard import leaderboard
from recbench.runs.positions import position_curves, positions_sheet
from recbench.runs.sheet import Grid

# Of a rank r the target stands in slot r - 1, and slot 0 is answered.
RANKS = [1, 1, 2, 1, 3, 1, 2, 1]


def test_every_row_counts_at_its_place(made):
    runs = [made(ranks=RANKS, writes=True, seed=seed, users=[0, 0, 1, 2]) for seed in (0, 1)]
    (table,) = leaderboard(runs)
    (curve,) = position_curves(table)
    assert [(one.slot, one.rows) for one in curve.places] == [(1, 5), (2, 2), (3, 1)]
    first, second, third = (one.estimate.figure for one in curve.places)
    # The second row names no candidate: it is a miss.
    assert (first.value, second.value, third.value) == (pytest.approx(4 / 5), 0.0, 0.0)
    assert first.low < first.value < first.high
    assert second.high > 0
    (cells,) = [one for one in positions_sheet(table, [curve]).said if isinstance(one, Grid)]
    assert cells.lines[0][:3] == ["gru4rec", "1", "5"]
    assert cells.lines[0][3].startswith("0.800 [")


@pytest.mark.honesty
def test_an_interval_is_called_narrow_where_its_own_place_is_rare(made):
    ranks = [1, 2] * 12
    (table,) = leaderboard([made(ranks=ranks, writes=True, random_training=False)])
    said = positions_sheet(table, position_curves(table)).said
    narrow = "the interval, and those of its differences, may be too narrow: worth"
    places = "gru4rec at place 1, gru4rec at place 2"  # always right, and never
    assert f"{places}: {narrow} 0.0 users on the rarer side" in said
    assert not any(str(line).startswith("gru4rec: the interval") for line in said)


def test_who_scores_or_ranks_everything_has_no_curve(made):
    scored, ranked = made(), made(ranks=[1, 20], full=True, pack="all")
    assert [position_curves(table) for table in leaderboard([scored, ranked])] == [[], []]
