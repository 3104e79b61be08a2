"""A finished run that other code made is found again, and it is said."""

import pytest

from recbench.experiment import run
from recbench.request import Experiment
from recbench.runs import provenance


@pytest.fixture
def asked(raw_folder, tmp_path):
    """Return a function that runs popularity, and gives the run with what was said."""

    def ask(**changes):
        said: list[str] = []
        places = {"results": tmp_path / "results", "cache": tmp_path / "cache"}
        wanted = {"model": "popularity", "data_dir": raw_folder, "draws": 1, "audit": False}
        return run(Experiment(**wanted | places | changes), said.append), said

    return ask


def test_a_run_of_this_code_is_found_without_a_word(asked):
    asked()
    found, said = asked()
    assert found.reused
    assert not [line for line in said if "fresh" in line]


@pytest.mark.honesty
def test_a_run_of_another_figure_version_is_found_and_said(asked, monkeypatch):
    first, _ = asked()
    monkeypatch.setattr(provenance, "FIGURE_VERSION", 99)
    found, said = asked()
    assert found.reused
    assert found.record == first.record
    assert said[-1] == (
        "found a run of figure version 1, this recbench makes 99: its figures may differ; --fresh "
        "runs it anew"
    )


@pytest.mark.honesty
def test_a_run_of_another_plugin_is_found_and_said(asked, monkeypatch):
    first, _ = asked()
    monkeypatch.setattr(provenance, "plugin", lambda _: "recbench 9.9")
    found, said = asked()
    assert found.reused
    made = first.record.provenance.plugin
    assert said[-1] == f"found a run of {made}, installed is recbench 9.9; --fresh runs it anew"


def test_fresh_runs_it_anew(asked, monkeypatch):
    first, _ = asked()
    monkeypatch.setattr(provenance, "FIGURE_VERSION", 99)
    found, said = asked(fresh=True)
    assert not found.reused
    assert found.folder == first.folder
    assert not [line for line in said if "figure version" in line]


@pytest.mark.honesty
def test_a_run_that_was_not_audited_is_found_and_said(asked):
    asked()
    found, said = asked(audit=True)
    assert found.reused
    assert said[-1] == "found a run that was not audited; --fresh runs it anew"


def test_a_deterministic_run_says_so_and_one_that_was_not_is_found_and_said(asked):
    first, _ = asked()
    assert "deterministic" not in first.record.model_dump()["provenance"]["device"]
    found, said = asked(deterministic=True)
    assert found.reused
    assert said[-1] == "found a run that was made without --deterministic; --fresh runs it anew"
    anew, _ = asked(deterministic=True, fresh=True)
    assert anew.record.provenance.device.deterministic
    assert anew.record.trained.provenance.device.deterministic
    assert anew.record.run_id == first.record.run_id
    again, said = asked(deterministic=True)
    assert again.reused
    assert again.record == anew.record
    assert not [line for line in said if "fresh" in line]
