"""A table leaves out what is not to be trusted, says so, and fails at the end."""

import json
import shutil

import pytest

from recbench import experiment
from recbench.request import Experiment
from recbench.runs import checked_runs

pytestmark = pytest.mark.honesty


@pytest.fixture
def call(call_here):
    return call_here


@pytest.fixture
def ran(raw_folder, tmp_path):
    """Two runs of popularity that were asked another number of draws: two tables."""
    shared = {"model": "popularity", "data_dir": raw_folder, "audit": False}
    places = {"results": tmp_path / "results", "cache": tmp_path / "cache"}
    return [
        experiment.run(Experiment(**shared, **places, draws=draws), lambda _: None)
        for draws in (1, 2)
    ]


def tables(out):
    return [table["draws"] for table in json.loads(out)]


def test_honest_runs_make_their_tables(call, ran):
    code, out, err = call("leaderboard", "--format", "json")
    assert (code, err) == (0, "")
    assert sorted(tables(out)) == [1, 2]


def test_a_raised_figure_is_named_and_the_rest_stands(call, ran):
    path = ran[1].folder / "record.json"
    value = json.loads(path.read_text())
    value["metrics"]["HitRatio@1"]["value"] = 0.9
    path.write_text(json.dumps(value))
    code, out, err = call("leaderboard", "--format", "json")
    assert code == 1
    assert tables(out) == [1]
    assert err.startswith(f"a run is missing: {path} is not to be trusted: ")
    assert err.count("\n") == 1


def test_a_copied_seed_is_named_and_the_rest_stands(call, ran):
    copy = ran[0].folder.with_name(ran[0].folder.name.replace("seed0", "seed1"))
    shutil.copytree(ran[0].folder, copy)
    code, out, err = call("leaderboard", "--format", "json")
    assert code == 1
    assert [row["seeds"] for table in json.loads(out) for row in table["rows"]] == [[0], [0]]
    assert str(copy) in err
    assert err.count("\n") == 1


def test_runs_are_checked_once_for_many_tables(call, ran, tmp_path, monkeypatch):
    call("leaderboard")
    assert (tmp_path / "cache" / checked_runs.FILE).is_file()
    monkeypatch.setattr(checked_runs, "check_run", None)
    assert call("leaderboard")[0] == 0
