import errno
import os
import shutil
from pathlib import Path

import pytest

from recbench.atomic_write import atomic_file, atomic_folder, writer_of


def fill(target, text):
    with atomic_folder(target) as partial:
        (partial / "file").write_text(text)


def test_a_folder_is_there_as_a_whole_or_not_at_all(tmp_path):
    target = tmp_path / "folder"
    with pytest.raises(IsADirectoryError), atomic_folder(target) as partial:
        partial.write_text("no file")
    assert list(tmp_path.iterdir()) == []
    for text in ("one", "another"):
        fill(target, text)
        assert (target / "file").read_text() == text
        assert list(tmp_path.iterdir()) == [target]


def test_the_old_folder_is_never_met_half_removed(tmp_path, monkeypatch):
    target, real, seen = tmp_path / "folder", shutil.rmtree, []

    def remove(path, **options):
        seen.append((target / "file").read_text())  # however slowly something is removed
        real(path, **options)

    fill(target, "old")
    monkeypatch.setattr(shutil, "rmtree", remove)
    fill(target, "new")
    assert set(seen) == {"new"}


def test_the_old_folder_stays_where_the_new_one_cannot_be_put(tmp_path, monkeypatch):
    target, real = tmp_path / "folder", Path.rename

    def rename(path, to):
        if to == target and (path / "file").read_text() == "new":
            raise OSError("no")
        return real(path, to)

    fill(target, "old")
    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(OSError, match="no"):
        fill(target, "new")
    assert (target / "file").read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("umask", [0o022, 0o002, 0o077])
def test_others_may_read_what_the_umask_says(tmp_path, umask):
    before = os.umask(umask)
    try:
        fill(tmp_path / "folder", "text")
        with atomic_file(tmp_path / "alone") as partial:
            partial.touch(0o600)  # as safetensors makes its own
        with atomic_folder(tmp_path / "own") as partial:
            (partial / "model").touch(0o600)
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")}
    folders, files = 0o777 & ~umask, 0o666 & ~umask
    expected = {"folder": folders, "own": folders, "file": files, "alone": files, "model": files}
    assert modes == expected


def test_what_is_not_whole_is_named_after_its_writer(tmp_path):
    with atomic_file(tmp_path / "a.b") as file, atomic_folder(tmp_path / "c") as folder:
        file.touch()
        assert {writer_of(one) for one in tmp_path.iterdir()} == {os.getpid()}
        assert writer_of(folder) == os.getpid()
    assert writer_of(Path("u.data.partial")) is None


def test_two_writers_of_one_id_do_not_meet(tmp_path, monkeypatch):
    """As in two containers on one disk, whose processes are both the first."""
    monkeypatch.setattr(os, "getpid", lambda: 1)
    target = tmp_path / "a"
    with atomic_file(target) as one:
        one.write_text("one")
        with atomic_file(target) as other:
            assert writer_of(other) == 1
            other.write_text("other")
        assert target.read_text() == "other"
    assert target.read_text() == "one"
    assert list(tmp_path.iterdir()) == [target]


@pytest.fixture
def order(monkeypatch):
    """What is written to the disk and what is renamed, in that order, each by its inode."""
    done, sync = [], os.fsync
    renaming = {name: getattr(Path, name) for name in ("rename", "replace")}

    def synced(handle):
        done.append(("disk", os.fstat(handle).st_ino))
        sync(handle)

    def renamed(name):
        def rename(path, target):
            done.append(("name", path.stat().st_ino))
            return renaming[name](path, target)

        return rename

    monkeypatch.setattr(os, "fsync", synced)
    for name in renaming:
        monkeypatch.setattr(Path, name, renamed(name))
    return done


def test_what_has_its_name_is_on_the_disk(order, tmp_path):
    with atomic_file(tmp_path / "file") as partial:
        partial.write_text("whole")
    own, above = (path.stat().st_ino for path in (tmp_path / "file", tmp_path))
    assert order == [("disk", own), ("name", own), ("disk", above)]
    order.clear()
    fill(tmp_path / "folder", "whole")
    names = ("folder/file", "folder", ".")
    inner, folder, above = ((tmp_path / name).stat().st_ino for name in names)
    assert order == [("disk", inner), ("disk", folder), ("name", folder), ("disk", above)]


def test_a_file_system_that_cannot_be_told_is_written_to(tmp_path, monkeypatch):
    def fsync(_):
        raise OSError(number, "no")

    monkeypatch.setattr(os, "fsync", fsync)
    number = errno.EINVAL
    with atomic_folder(tmp_path / "folder") as partial:
        (partial / "link").symlink_to("nowhere")
    number = errno.EIO
    with pytest.raises(OSError, match="no") as told, atomic_file(tmp_path / "file") as partial:
        partial.write_text("lost")
    assert not (tmp_path / "file").exists()
    assert told.value.filename == str(tmp_path / "file")
