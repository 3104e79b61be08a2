import numpy as np
import pytest

from recbench.errors import UserError
from recbench.runs.sheet import Sheet
from recbench.runs.text import laid_out
from recbench.studies.points import (
    COMMON,
    DIFFERENCE,
    as_grid,
    frame,
    only_table,
    to_baseline,
    value,
)


def written(data, layout="table"):
    return laid_out(Sheet((as_grid(data),)), layout)


@pytest.fixture
def table(made):
    """A system that is always right, and one that is never, by three trainings each."""
    runs = [
        made(hits, model=model, seed=seed, users=range(12))
        for model, hits in (("good", [1, 1] * 11 + [0, 1]), ("bad", [0, 0] * 11 + [0, 1]))
        for seed in range(3)
    ]
    return only_table(runs, "bad")


def test_a_point_says_what_it_is_of(table):
    data = frame(value(table.rows[0], group="all"))
    assert list(data.columns) == ["kind", "group", *COMMON]
    (one,) = data.to_dict("records")
    assert (one["system"], one["figure"], one["seeds"]) == ("good", "HitRatio@1", "3")
    assert (one["users"], one["examples"]) == (12, 12)
    assert one["low"] < one["value"] < one["high"]


def test_a_figure_that_is_not_there_has_no_point(table):
    assert value(table.rows[0], "NoSuch") == []
    with pytest.raises(UserError, match="no figure that this study shows"):
        frame([])


def test_differences_are_those_of_the_leaderboard(table):
    (point,) = to_baseline(table.rows, "bad")
    pair = table.rows[0].to_baseline
    assert (point["system"], point["against"]) == ("good", "bad")
    found = point["value"], point["low"], point["high"], point["p"]
    assert found == (pair.difference.value, pair.low, pair.high, pair.p)


@pytest.mark.honesty
def test_of_a_single_training_there_is_no_test(made):
    runs = [made([1, 1] * 4, model="good"), made([0, 1] * 4, model="bad")]
    table = only_table(runs, "bad")
    (point,) = to_baseline(table.rows, "bad")
    assert {"low", "high", "p"}.isdisjoint(point)
    assert point["seeds"] == "1 (this training)"
    text = written(frame([point]))
    assert "+0.500" in text
    assert "[" not in text


def test_the_grid_leaves_out_what_nobody_has(table):
    text = written(frame(value(table.rows[0])), "markdown")
    assert text.startswith("| kind ")
    assert "| p " not in text
    assert DIFFERENCE not in text


def test_runs_of_two_questions_are_not_one_table(made):
    runs = [made(model="a", pack="one"), made(model="a", pack="two")]
    with pytest.raises(UserError, match="runs of several questions"):
        only_table(runs)


def test_missing_numbers_are_dashes():
    points = [
        {"kind": "value", "system": "a", "figure": "f", "value": np.float64(0.5), "seeds": "2"}
    ]
    points.append({**points[0], "p": 0.012345})
    assert "0.01235" in written(frame(points))
