import csv
import json

import numpy as np
import pytest

from recbench.runs.leaderboard import leaderboard
from recbench.studies import order
from recbench.studies.order import agreements, render_order


@pytest.fixture
def tables(made, monkeypatch):
    """Five systems under two protocols, of which the second turns the order around."""
    monkeypatch.setattr(order, "RESAMPLES", 200)

    def ask(protocol, hits):
        return [
            made([1] * n + [0] * (40 - n), model=f"m{i}", protocol=protocol)
            for i, n in enumerate(hits)
        ]

    counts = [4, 12, 20, 28, 36]
    runs = [*ask("paper", counts), *ask("next-item", counts), *ask("temporal", counts[::-1])]
    return leaderboard(runs)


def test_the_order_is_kept_or_reversed(tables):
    found = {
        (one.first.record.protocol, one.second.record.protocol): one for one in agreements(tables)
    }
    assert {pair: one.tau for pair, one in found.items()} == {
        ("next-item", "paper"): pytest.approx(1.0),
        ("next-item", "temporal"): pytest.approx(-1.0),
        ("paper", "temporal"): pytest.approx(-1.0),
    }
    assert all(one.low <= one.tau <= one.high for one in found.values())
    assert all(one.systems == 5 for one in found.values())


def test_systems_that_are_not_told_apart_leave_the_order_open(made, monkeypatch):
    monkeypatch.setattr(order, "RESAMPLES", 200)
    random = np.random.default_rng(0)
    runs = [
        made((random.random(40) < 0.5).astype(int), model=f"m{i}", protocol=protocol)
        for protocol in ("paper", "next-item")
        for i in range(3)
    ]
    (found,) = agreements(leaderboard(runs))
    assert found.high - found.low > 0.5


def test_systems_that_never_differ_have_no_order(made, monkeypatch):
    monkeypatch.setattr(order, "RESAMPLES", 20)
    runs = [made(model=f"m{i}", protocol=p) for p in ("paper", "next-item") for i in range(3)]
    (found,) = agreements(leaderboard(runs))
    assert np.isnan(found.tau)
    assert "none" in render_order([found], "table")


def test_other_settings_are_another_system(made):
    runs = [
        made(model=f"m{i}", protocol=protocol, settings={"epochs": 3 + (protocol == "paper")})
        for protocol in ("paper", "next-item")
        for i in range(3)
    ]
    assert agreements(leaderboard(runs)) == []


@pytest.mark.parametrize("form", ["table", "markdown", "csv", "json"])
def test_every_form_holds_every_pair(tables, form):
    text = render_order(agreements(tables), form)
    if form == "json":
        assert [one["systems"] for one in json.loads(text)] == [5, 5, 5]
    elif form == "csv":
        assert len(list(csv.DictReader(text.splitlines()))) == 3
    else:
        assert "+1.00" in text
        assert "-1.00" in text
