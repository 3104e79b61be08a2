"""The files of a folder as one value."""

from pathlib import Path

import pytest

from recbench.errors import UserError
from recbench.sent_files import read_changed, state_of, write_files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    here = tmp_path / "here"
    for path in ("a/b", "c", "a/lock", "a/b.7.partial", "d.7.partial/e"):
        (here / path).parent.mkdir(parents=True, exist_ok=True)
        (here / path).write_bytes(path.encode())
    return here


def test_files_are_read_and_written_without_locks_and_what_is_half_written(folder, tmp_path):
    state, files = read_changed(folder, {})
    assert files == {"a/b": b"a/b", "c": b"c"}
    assert set(state) == set(files)
    write_files(files, tmp_path / "there")
    assert read_changed(tmp_path / "there", {})[1] == files
    assert read_changed(tmp_path / "none", {}) is None


@pytest.mark.parametrize("change", ["written", "replaced", "made", "gone"])
def test_what_was_changed_shows(folder, change):
    before = state_of(folder)
    assert read_changed(folder, before) is None
    if change == "written":
        (folder / "c").write_bytes(b"longer")
    elif change == "replaced":
        (folder / "aside").write_bytes(b"c")
        (folder / "aside").replace(folder / "c")
    elif change == "made":
        (folder / "new").touch()
    else:
        (folder / "c").unlink()
    assert read_changed(folder, before)[0] == state_of(folder) != before


@pytest.mark.parametrize("change", ["written", "gone"])
def test_files_that_change_while_they_are_read_are_not_taken(folder, change, monkeypatch):
    read = Path.read_bytes

    def slowly(file):
        content = read(file)
        if change == "written":
            (folder / "a" / "b").write_bytes(b"another")
        else:
            (folder / "c").unlink(missing_ok=True)
        return content

    monkeypatch.setattr(Path, "read_bytes", slowly)
    assert read_changed(folder, {}) is None


@pytest.mark.parametrize("path", ["../out", "/etc/out", "a/../../out", "a\\..\\..\\out"])
def test_a_path_that_leads_out_is_refused(path, tmp_path):
    with pytest.raises(UserError, match="expected a path that stays in its folder"):
        write_files({path: b"x"}, tmp_path / "in")
    assert not list(tmp_path.rglob("*out*"))
