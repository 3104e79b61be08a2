"""Who runs the cells that a command lacks, and what they are handed."""

from pathlib import Path

import pytest

from recbench.cells import cluster, local
from recbench_cli.crew import Crew


@pytest.fixture
def crew(monkeypatch, tmp_path):
    """Make a crew whose folders are in the current one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cluster, "check_installed", lambda: None)

    def make(device="cpu", workers=None, scheduler=None, fetch=False):
        return Crew(device, workers, scheduler, fetch, Path("r"), Path("c"), None)

    return make


def test_where_nothing_is_missing_no_worker_is_waited_for(crew, monkeypatch):
    monkeypatch.setattr(cluster, "Cluster", None)
    monkeypatch.setattr(local, "Local", None)
    assert crew(scheduler="tcp://here:1", fetch=True).run([]) == {}
    assert crew(workers=2).run([]) == {}
