import shutil
import subprocess
import sys
from pathlib import Path

from recbench import experiment
from recbench.runs.store import runs

TOOL = Path(__file__).parents[2] / "tools" / "publish.py"


def publish(source, target):
    command = [sys.executable, "-P", TOOL, source, target]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_checked_runs_are_copied_and_others_are_not(raw_folder, tmp_path):
    source, target = tmp_path / "build", tmp_path / "results"
    places = {"data_dir": raw_folder, "results": source, "cache": tmp_path / "cache"}
    wanted = experiment.Experiment(model="popularity", draws=1, audit=False, **places)
    run = experiment.run(wanted, lambda _: None)
    done = publish(source, target)
    (copy,) = runs(target)
    assert done.stdout == f"{copy.folder}\n"
    assert copy.folder.relative_to(target) == run.folder.relative_to(source)
    assert sorted(one.name for one in copy.folder.iterdir()) == ["examples.parquet", "record.json"]
    shutil.copytree(run.folder, run.folder.with_name("another"))
    done = publish(source, tmp_path / "none")
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "none").exists()


def test_no_run_is_copied_where_one_is_of_the_first_rows_alone(raw_folder, tmp_path):
    source, target = tmp_path / "build", tmp_path / "results"
    places = {"data_dir": raw_folder, "results": source, "cache": tmp_path / "cache"}
    for limit in (None, 2):
        asked = {"model": "popularity", "draws": 1, "audit": False, "limit": limit}
        experiment.run(experiment.Experiment(**asked, **places), lambda _: None)
    done = publish(source, target)
    assert done.returncode == 1
    assert "is not a result: the first 2 test rows alone were asked about" in done.stderr
    assert not target.exists()
