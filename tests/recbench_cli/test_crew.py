"""Who runs the cells that a command lacks, and what they are handed."""

from pathlib import Path

import pytest

from recbench.cells import cluster, local
from recbench.cells import fill as filling
from recbench.request import Experiment
from recbench_cli.crew import Crew


@pytest.fixture
def crew(monkeypatch, tmp_path):
    """Make a crew whose folders are in the current one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cluster, "check_installed", lambda: None)

    def make(device="cpu", workers=None, scheduler=None, fetch=False, results="r", cache="c"):
        return Crew(device, workers, scheduler, fetch, Path(results), Path(cache), None)

    return make


def test_where_nothing_is_missing_no_worker_is_waited_for(crew, monkeypatch):
    monkeypatch.setattr(cluster, "Cluster", None)
    monkeypatch.setattr(local, "Local", None)
    assert crew(scheduler="tcp://here:1", fetch=True).run([]) == {}
    assert crew(workers=2).run([]) == {}


def handed(crew, monkeypatch, **asked):
    """Return the folders that workers of a cluster must see, and the options of a cell."""
    seen = []

    def far(address, shared, *_):
        seen.append(shared)

    def fill(cells, places, board):
        seen.append(dict(zip(cells[0].arguments[::2], cells[0].arguments[1::2], strict=True)))
        return {}

    monkeypatch.setattr(cluster, "Cluster", far)
    monkeypatch.setattr(filling, "fill", fill)
    crew.run([Experiment(model="ilora", results=crew.results, cache=crew.cache, **asked)])
    return seen


def test_a_cache_is_handed_over_where_it_is_another_than_this_machines_own(
    crew, monkeypatch, tmp_path
):
    """A worker has one of its own, which RECBENCH_CACHE names where it was started."""
    shared, options = handed(crew(scheduler="tcp://here:1"), monkeypatch)
    assert shared == {"results": tmp_path / "r", "cache": tmp_path / "c"}
    assert (options["--results"], options["--cache"]) == (f"{tmp_path}/r", f"{tmp_path}/c")
    monkeypatch.setenv("RECBENCH_CACHE", "c")
    shared, options = handed(crew(scheduler="tcp://here:1"), monkeypatch)
    assert shared == {"results": tmp_path / "r"}
    assert "--cache" not in options
    shared, options = handed(crew(scheduler="tcp://here:1", fetch=True), monkeypatch)
    assert shared == {}
    assert {"--cache", "--results"}.isdisjoint(options)


def test_a_shared_path_is_named_as_it_was_given(crew, monkeypatch, tmp_path):
    """It may be a link here, and on a worker the disk itself is mounted there."""
    (tmp_path / "export").mkdir()
    (tmp_path / "disk").symlink_to("export")
    one = crew(scheduler="tcp://here:1", results="disk/r", cache="disk/c")
    raw = {"data_dir": "disk/a", "train_dataset": "lastfm", "train_data_dir": "disk/b"}
    shared, options = handed(one, monkeypatch, **raw)
    assert shared == {name: tmp_path / "disk" / name[0] for name in ("results", "cache")}
    named = {"--results": "r", "--cache": "c", "--data-dir": "a", "--train-data-dir": "b"}
    assert {name: options[name] for name in named} == {
        name: f"{tmp_path}/disk/{folder}" for name, folder in named.items()
    }
