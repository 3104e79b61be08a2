import json
import subprocess

import pytest

from recbench import experiment
from recbench.runs import cells
from recbench_cli import main as cli


@pytest.fixture
def call(capsys, tmp_path):
    """Run the command line on folders of this test; return code, stdout, stderr."""

    def run(*arguments):
        places = ["--results", str(tmp_path / "results"), "--cache", str(tmp_path / "cache")]
        with pytest.raises(SystemExit) as left:
            cli.main([*arguments, *places])
        shown = capsys.readouterr()
        return left.value.code or 0, shown.out, shown.err

    return run


@pytest.fixture
def popular(raw_folder, tmp_path):
    """Two seeds of the popularity model on made-up data."""
    for seed in (0, 1):
        wanted = experiment.Experiment(
            model="popularity",
            dataset="movielens",
            seed=seed,
            draws=2,
            device="cpu",
            data_dir=raw_folder,
            results=tmp_path / "results",
            cache=tmp_path / "cache",
        )
        experiment.run(wanted, lambda line: None)


def test_the_table_of_real_runs(call, popular):
    code, out, err = call("leaderboard")
    assert (code, err) == (0, "")
    assert "popularity" in out
    (table,) = json.loads(call("leaderboard", "--format", "json")[1])
    assert table["rows"][0]["seeds"] == [0, 1]
    assert call("leaderboard", "--format", "csv")[1].startswith("dataset,protocol,")
    assert "| popularity " in call("leaderboard", "--format", "markdown")[1]


def test_rows_are_chosen_by_name(call, popular):
    assert "popularity" in call("leaderboard", "--models", "popularity,sasrec")[1]
    code, out, err = call("leaderboard", "--models", "sasrec", "--format", "json")
    assert (code, json.loads(out)) == (0, [])
    assert err.startswith("no finished run below")


def test_missing_cells_are_run_first(call, monkeypatch, tmp_path):
    started = []

    def run(command, **_):
        started.append(command[command.index("run") + 1 :])
        return subprocess.CompletedProcess(command, 1, stderr="error: no\n")

    monkeypatch.setattr(cells.subprocess, "run", run)
    code, _, err = call(
        *("leaderboard", "--run", "--models", "popularity,sasrec", "--datasets", "movielens"),
        *("--seeds", "2", "--draws", "20", "--device", "cuda:0,cuda:1"),
    )
    assert len(started) == 4
    for command in started:
        assert command[command.index("--draws") + 1] == "20"
        assert command[command.index("--results") + 1] == str(tmp_path / "results")
    assert code == 1
    assert "error: 4 cells failed: " in err
    assert "failed with exit code 1: error: no" in err
