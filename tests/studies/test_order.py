import csv
import json

import numpy as np
import pytest

from recbench.runs.compare import compare
from recbench.runs.leaderboard import leaderboard
from recbench.studies.order import agreements, render_order


@pytest.fixture
def tables(made):
    """Five systems under two protocols alike, and a third that turns their order around."""

    def ask(protocol, hits):
        return [
            made([1] * n + [0] * (200 - n), model=f"m{i}", protocol=protocol, draws=1)
            for i, n in enumerate(hits)
        ]

    counts = [10, 55, 100, 145, 190]
    runs = [*ask("paper", counts), *ask("next-item", counts), *ask("temporal", counts[::-1])]
    return leaderboard(runs)


def test_the_order_is_kept_or_reversed(tables):
    found = {
        (one.first.record.protocol, one.second.record.protocol): one for one in agreements(tables)
    }
    assert {pair: one.tau for pair, one in found.items()} == {
        ("next-item", "paper"): 1.0,
        ("next-item", "temporal"): -1.0,
        ("paper", "temporal"): -1.0,
    }
    assert all(one.low == one.tau == one.high for one in found.values())  # all are told apart
    assert {(one.systems, one.pairs, one.signed) for one in found.values()} == {(5, 10, 10)}


@pytest.mark.honesty
def test_systems_that_are_not_told_apart_leave_the_order_open(made):
    random = np.random.default_rng(0)
    runs = [
        made((random.random(40) < 0.5).astype(int), model=f"m{i}", protocol=protocol)
        for protocol in ("paper", "next-item")
        for i in range(4)
    ]
    (found,) = agreements(leaderboard(runs))
    assert (found.low, found.high, found.signed) == (-1.0, 1.0, 0)
    assert found.low <= found.tau <= found.high


@pytest.mark.honesty
def test_what_one_table_alone_tells_apart_may_not_do_for_two(made):
    """Six users of 200 have p = .014: below .05 of three pairs, not below .025."""
    runs = [
        made([1] * n + [0] * (200 - n), model=f"m{n}", protocol=protocol, draws=1)
        for protocol in ("paper", "next-item")
        for n in (50, 56, 150)
    ]
    (found,) = agreements(leaderboard(runs))
    assert (found.tau, found.signed, found.pairs) == (1.0, 2, 3)
    (pair, *_) = compare(runs[:2]).pairs
    assert 0.025 / 3 < pair.pair.p < 0.05 / 3


@pytest.mark.honesty
def test_the_interval_holds_the_order_that_is_true(made):
    """Of six systems, some of them close: in 19 of 20 pairs of tables at least."""
    true = np.array([0.2, 0.25, 0.45, 0.5, 0.7, 0.75])
    held = []
    for trial in range(20):
        random = np.random.default_rng(trial)
        runs = [
            made(
                (random.random(120) < chance).astype(int),
                model=f"m{i}",
                protocol=protocol,
                draws=1,
                pack=f"{trial}",
                split=f"{trial}",
            )
            for protocol in ("paper", "next-item")
            for i, chance in enumerate(true)
        ]
        (found,) = agreements(leaderboard(runs))
        held.append(found.low <= 1.0 <= found.high and found.low <= found.tau <= found.high)
    assert sum(held) >= 19


def test_systems_that_never_differ_have_no_order(made):
    runs = [made(model=f"m{i}", protocol=p) for p in ("paper", "next-item") for i in range(3)]
    (found,) = agreements(leaderboard(runs))
    assert (found.tau, found.low, found.high) == (0.0, -1.0, 1.0)


@pytest.mark.honesty
def test_questions_and_single_trainings_are_named(made):
    runs = [
        made([1, 0] * 4, model=f"m{i}", protocol="paper", draws=draws, pack=f"{draws}" * 8)
        for draws in (1, 2)
        for i in range(3)
    ]
    text = render_order(agreements(leaderboard(runs)), "table")
    assert "paper by HitRatio@1, 1 draws, pack 11111111" in text
    assert "paper by HitRatio@1, 2 draws, pack 22222222" in text
    assert (
        "Of one or two trainings, as they are: m0 under paper, m1 under paper, m2 under paper."
        in text
    )


def test_other_settings_are_another_system(made):
    runs = [
        made(model=f"m{i}", protocol=protocol, settings={"epochs": 3 + (protocol == "paper")})
        for protocol in ("paper", "next-item")
        for i in range(3)
    ]
    assert agreements(leaderboard(runs)) == []


@pytest.mark.parametrize("form", ["table", "markdown", "latex", "csv", "json"])
def test_every_form_holds_every_pair(tables, form):
    text = render_order(agreements(tables), form)
    if form == "json":
        assert [one["systems"] for one in json.loads(text)] == [5, 5, 5]
    elif form == "csv":
        assert len(list(csv.DictReader(text.splitlines()))) == 3
    else:
        assert "+1.00" in text
        assert "-1.00" in text
