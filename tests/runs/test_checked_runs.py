import json
import os
from pathlib import Path

import pytest

from recbench.runs import checked_runs
from recbench.runs.store import runs

pytestmark = pytest.mark.honesty


@pytest.fixture
def looked_at(monkeypatch):
    """Return the folders that were checked in full."""
    folders, real = [], checked_runs.check_run

    def check(folder, record):
        folders.append(folder)
        real(folder, record)

    monkeypatch.setattr(checked_runs, "check_run", check)
    return folders


def test_what_was_checked_is_not_checked_again(made, tmp_path, looked_at):
    made(), made(seed=1)
    for _ in range(2):
        assert len(runs(tmp_path / "results", cache=tmp_path / "cache")) == 2
    assert len(looked_at) == 2
    runs(tmp_path / "results")
    assert len(looked_at) == 4


def test_a_figure_edited_after_it_was_checked_is_found_out(made, tmp_path, looked_at):
    run = made()
    runs(tmp_path / "results", cache=tmp_path / "cache")
    path = run.folder / "record.json"
    before = path.stat()
    text = path.read_text()
    path.write_text(text.replace('"value": 0.5', '"value": 0.6', 1))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    said = []
    assert runs(tmp_path / "results", said.append, tmp_path / "cache") == []
    assert "its HitRatio@1 is 0.6000" in said[0]


def test_examples_changed_with_their_old_time_are_found_out(made, tmp_path, looked_at):
    run = made()
    runs(tmp_path / "results", cache=tmp_path / "cache")
    path = run.folder / "examples.parquet"
    before, raw = path.stat(), bytearray(path.read_bytes())
    raw[40] ^= 1
    path.write_bytes(raw)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    said = []
    assert runs(tmp_path / "results", said.append, tmp_path / "cache") == []
    assert "its examples have the SHA-256" in said[0]


def test_what_was_refused_is_refused_again(made, tmp_path):
    (made().folder / "examples.parquet").unlink()
    for _ in range(2):
        said = []
        assert runs(tmp_path / "results", said.append, tmp_path / "cache") == []
        assert len(said) == 1


def test_a_double_is_refused_however_often_it_was_checked(made, tmp_path):
    one, other = made(weights="w"), made(weights="w", seed=1)
    for _ in range(2):
        said = []
        found = runs(tmp_path / "results", said.append, tmp_path / "cache")
        assert [run.folder for run in found] == [one.folder]
        assert str(other.folder) in said[0]


@pytest.mark.parametrize("change", ["_VERSION", "__version__", "FIGURE_VERSION"])
def test_another_recbench_checks_anew(made, tmp_path, looked_at, monkeypatch, change):
    made()
    runs(tmp_path / "results", cache=tmp_path / "cache")
    monkeypatch.setattr(checked_runs, change, 99)
    runs(tmp_path / "results", cache=tmp_path / "cache")
    assert len(looked_at) == 2


@pytest.mark.parametrize("text", ["{", "[]", '{"by": 1}', "\x00"])
def test_a_broken_file_is_made_anew(made, tmp_path, looked_at, text):
    made()
    file = tmp_path / "cache" / checked_runs.FILE
    file.parent.mkdir()
    file.write_text(text)
    for _ in range(2):
        runs(tmp_path / "results", cache=tmp_path / "cache")
    assert len(looked_at) == 1
    assert set(json.loads(file.read_text())) == {"by", "runs"}


def test_a_cache_that_cannot_be_written_costs_no_table(made, tmp_path):
    made()
    (tmp_path / "file").touch()
    assert len(runs(tmp_path / "results", cache=tmp_path / "file")) == 1


def test_a_byte_that_a_disk_has_lost_is_found_out(made, tmp_path, monkeypatch):
    """Neither size nor times of the file tell of it."""
    path = made().folder / "examples.parquet"
    runs(tmp_path / "results", cache=tmp_path / "cache")
    raw, before, real = bytearray(path.read_bytes()), path.stat(), Path.stat
    raw[40] ^= 1
    path.write_bytes(raw)
    monkeypatch.setattr(
        Path, "stat", lambda one, **more: before if one == path else real(one, **more)
    )
    said = []
    assert runs(tmp_path / "results", said.append, tmp_path / "cache") == []
    assert "its examples have the SHA-256" in said[0]
