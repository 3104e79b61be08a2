import shutil
import subprocess
import sys

import pytest

from recbench import experiment
from recbench.request import Experiment
from recbench.runs.store import runs


@pytest.fixture(scope="module")
def tool(load):
    return load("publish")


def test_checked_runs_are_copied_and_others_are_not(tool, raw_folder, tmp_path):
    source, target = tmp_path / "build", tmp_path / "results"
    places = {"data_dir": raw_folder, "results": source, "cache": tmp_path / "cache"}
    wanted = Experiment(model="popularity", draws=1, audit=False, **places)
    run = experiment.run(wanted, lambda _: None)
    script = [sys.executable, "-P", tool.__file__, source, target]
    done = subprocess.run(script, stdout=subprocess.PIPE, text=True, check=True)
    (copy,) = runs(target)
    assert done.stdout == f"{copy.folder}\n"
    assert copy.folder.relative_to(target) == run.folder.relative_to(source)
    assert sorted(one.name for one in copy.folder.iterdir()) == ["examples.parquet", "record.json"]
    shutil.copytree(run.folder, run.folder.with_name("another"))
    with pytest.raises(SystemExit) as left:
        tool.main(source, tmp_path / "none")
    assert left.value.code.startswith("error: ")
    assert "\n" not in left.value.code
    assert not (tmp_path / "none").exists()


def test_no_run_is_copied_where_one_is_of_the_first_rows_alone(tool, raw_folder, tmp_path):
    source, target = tmp_path / "build", tmp_path / "results"
    places = {"data_dir": raw_folder, "results": source, "cache": tmp_path / "cache"}
    for limit in (None, 2):
        asked = {"model": "popularity", "draws": 1, "audit": False, "limit": limit}
        experiment.run(Experiment(**asked, **places), lambda _: None)
    why = "is not a result: the first 2 test rows alone were asked about"
    with pytest.raises(SystemExit, match=why):
        tool.main(source, target)
    assert not target.exists()
