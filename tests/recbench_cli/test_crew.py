"""Who runs the cells that a command lacks, and what they are handed."""

from pathlib import Path

import pytest

from recbench import experiment
from recbench.cells import cluster, local
from recbench.cells import fill as filling
from recbench.cells.process import Ended
from recbench.request import Experiment
from recbench_cli.crew import Crew, _cell, _said
from recbench_cli.main import main


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


def test_a_run_that_a_process_works_on_is_known_by_its_arguments(crew, raw_folder, monkeypatch):
    """By whatever device, and whoever asked for it."""
    one = crew()
    told = {"data_dir": raw_folder, "settings": {"days": 3}, "results": one.results, "draws": 2}
    wanted = Experiment(model="recent-popularity", cache=one.cache, **told)
    seen = []

    def evaluated(*_, **__):
        seen.append(one._is_held(wanted))
        for other in ({"seed": 1}, {"dataset": "unknown"}):
            seen.append(one._is_held(wanted.model_copy(update=other)))
        raise KeyboardInterrupt

    monkeypatch.setattr(experiment, "evaluate", evaluated)
    assert not one._is_held(wanted)
    words = [*_cell(wanted).arguments, "--device", "cpu"]
    with pytest.raises(SystemExit):
        main(["run", *words])
    assert seen == [True, False, False]
    assert not one._is_held(wanted)  # it is unfinished, and nobody works on it


def test_on_a_cluster_what_others_work_on_comes_last(crew, monkeypatch):
    one = crew(scheduler="tcp://here:1")
    wanted = [Experiment(model="ilora", seed=seed) for seed in range(3)]
    order = []
    monkeypatch.setattr(Crew, "_held", lambda _: [_said(wanted[0])])
    monkeypatch.setattr(cluster, "Cluster", lambda *_: None)
    monkeypatch.setattr(filling, "fill", lambda cells, *_: order.extend(cells) or {})
    one.run(wanted)
    assert [cell.name[-1] for cell in order] == ["1", "2", "0"]


@pytest.mark.parametrize(("cells", "threads"), [(1, None), (2, 4), (5, 2)])
def test_cores_are_divided_among_as_many_as_have_a_cell(crew, monkeypatch, cells, threads):
    """A worker without one would keep its share from the others."""
    given = []
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(local, "own_cores", lambda: 8)
    monkeypatch.setattr(local, "run_cell", lambda *asked: given.append(asked[-1]) or Ended(0))
    crew(workers=4).run([Experiment(model="ilora", seed=seed) for seed in range(cells)])
    assert given == [threads] * cells
