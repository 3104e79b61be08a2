"""Looking at a folder that another process changes meanwhile."""

import os
import shutil

from recbench.runs.busy_folder import below, changed


def test_everything_below_is_seen_once(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "file").touch()
    found = [path.relative_to(tmp_path).as_posix() for path in below(tmp_path)]
    assert sorted(found) == ["a", "a/b", "a/file"]
    assert list(below(tmp_path / "none")) == []


def test_what_goes_meanwhile_is_no_error(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
    seen = []
    for path in below(tmp_path):
        seen.append(path.name)
        shutil.rmtree(tmp_path / "b", ignore_errors=True)  # listed, not yet entered
    assert sorted(seen) in (["a", "b", "file"], ["a", "file"])


def test_what_has_gone_was_never_changed(tmp_path):
    os.utime(tmp_path, (5, 7))
    assert (changed(tmp_path), changed(tmp_path / "gone")) == (7.0, 0.0)
