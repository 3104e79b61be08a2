"""Experiments of a spy, whose fit and answers take no time."""

from dataclasses import replace

import pytest
from spies import Clock, Reader, Spy, Titled, Unlisted, give, silent

from recbench import registry, stages
from recbench.experiment import run
from recbench.request import Experiment


@pytest.fixture(autouse=True)
def spy(monkeypatch):
    Spy.fitted, Spy.seen, Spy.killed, Spy.brought = 0, [], False, {}
    Spy.killed_after = None
    real = registry.load
    monkeypatch.setattr(
        registry,
        "load",
        lambda group, name: (
            {"spy": Spy, "reader": Reader, "unlisted": Unlisted, "clock": Clock}.get(name)
            or real(group, name)
        ),
    )
    return Spy


@pytest.fixture
def wanted(raw_folder, tmp_path):
    def build_experiment(**changes):
        values = {
            "model": "spy",
            "data_dir": raw_folder,
            "results": tmp_path / "results",
            "cache": tmp_path / "cache",
            "device": "cpu",
            "audit": False,  # a fresh process could not import what this file defines
        }
        return Experiment(**{**values, **changes})

    return build_experiment


@pytest.fixture
def elsewhere(wanted, monkeypatch, raw_folder):
    """An experiment that learns from "other": the same raw files under another card."""
    real = stages.prepare

    def prepared(name, *rest):
        dataset = real("movielens", *rest)
        words = {"name": name, "noun": ("song", "songs")} if name == "other" else {}
        return replace(dataset, card=dataset.card.model_copy(update=words))

    give(monkeypatch, prepared)
    changes = {"train_dataset": "other", "train_data_dir": raw_folder}
    return lambda **more: wanted(**{"model": "reader", **changes, **more})


@pytest.fixture
def edited(wanted, monkeypatch):
    """Return a function that runs a model on a dataset of the user's own, whose card says so."""
    real = stages.prepare

    def run_on_edited(verb, model="reader"):
        def prepared(*arguments):
            dataset = real(*arguments)
            words = {"name": "mine", "verb": verb}
            return replace(dataset, card=dataset.card.model_copy(update=words))

        give(monkeypatch, prepared)
        return run(wanted(model=model), silent)

    return run_on_edited


@pytest.fixture
def timed(wanted, monkeypatch):
    """Return a function that runs a model on data whose times are moved by so many seconds."""
    real = stages.prepare

    def run_on_moved(moved, model="clock"):
        def prepared(*arguments):
            dataset = real(*arguments)
            return replace(dataset, times=dataset.times + moved, digest=f"moved by {moved}")

        give(monkeypatch, prepared)
        return run(wanted(model=model), silent)

    return run_on_moved


@pytest.fixture
def titled(monkeypatch):
    monkeypatch.setattr(registry, "load", lambda group, name: Titled)
