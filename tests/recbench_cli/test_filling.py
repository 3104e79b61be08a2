"""The runs that a table lacks: what is a run of its own."""

from pathlib import Path

import pytest

from recbench.studies import cells
from recbench_cli.crew import Crew
from recbench_cli.filling import Filling


def seeds_of(models, seeds):
    crew = Crew("cpu", None, None, False, Path("r"), Path("c"), None)
    chosen = {"model": models, "dataset": ["movielens"]}
    filling = Filling(chosen, seeds, *[None] * 8, crew=crew)
    return [(one.model, one.seed) for one in filling._experiments()]


def test_what_no_seed_changes_is_run_once():
    """Two cells of one folder would wait for each other."""
    asked = seeds_of(["popularity", "random", "chatrec", "acme"], 2)
    assert asked == [
        ("popularity", 0),
        *[(model, seed) for model in ("random", "chatrec", "acme") for seed in (0, 1)],
    ]  # what cannot be had without more (an endpoint, a package) says so in its own cells


def test_for_one_seed_no_model_is_made(monkeypatch):
    monkeypatch.setattr(cells, "at_hand", lambda cell: pytest.fail("it may load torch"))
    assert seeds_of(["popularity", "random"], 1) == [("popularity", 0), ("random", 0)]
