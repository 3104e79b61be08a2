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


def test_what_is_not_whole_is_named_after_its_writer(tmp_path):
    with atomic_file(tmp_path / "a.b") as file, atomic_folder(tmp_path / "c") as folder:
        file.touch()
        assert {writer_of(one) for one in tmp_path.iterdir()} == {os.getpid()}
        assert writer_of(folder) == os.getpid()
    assert writer_of(Path("u.data.partial")) is None
