import hashlib
import os

import pytest

from recbench.file_digests import digest_once, file_digest, folder_digest


def test_a_file_is_known_by_its_bytes(tmp_path):
    file = tmp_path / "file"
    for content in (b"", b"a", b"a" * (1 << 20) + b"b"):
        file.write_bytes(content)
        assert file_digest(file) == hashlib.sha256(content).hexdigest()
    with pytest.raises(FileNotFoundError):
        file_digest(tmp_path / "none")


def test_a_folder_is_known_by_the_names_and_contents_of_its_files(tmp_path):
    def written(**files):
        for name, content in files.items():
            (tmp_path / name).write_text(content)
        return folder_digest(tmp_path)

    first = written(a="1", b="2")
    assert written(b="3") != first
    assert written(b="2") == first
    (tmp_path / "a").rename(tmp_path / "c")
    assert folder_digest(tmp_path) != first
    (tmp_path / "c").rename(tmp_path / "a")
    (tmp_path / "below").mkdir()  # an empty folder holds nothing
    assert folder_digest(tmp_path) == first
    (tmp_path / "below/note").write_text("3")
    assert folder_digest(tmp_path) != first
    assert folder_digest(tmp_path, without="below/note") == first


def test_weights_that_stay_are_read_once(tmp_path, monkeypatch):
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_bytes(b"a" * (1 << 20))
    second.write_bytes(b"b")
    whole = hashlib.sha256(first.read_bytes() + b"b").hexdigest()
    assert digest_once(first, second) == whole
    assert digest_once(first) == file_digest(first)
    with monkeypatch.context() as blind:
        blind.setattr(type(first), "open", pytest.fail)
        assert digest_once(first, second) == whole
    second.write_bytes(b"c")  # as long as it was
    os.utime(second, (1, 1))
    assert digest_once(first, second) == hashlib.sha256(first.read_bytes() + b"c").hexdigest()
