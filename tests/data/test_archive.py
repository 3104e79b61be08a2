import gzip
import io
import random
import stat
import zipfile
from contextlib import suppress

import pytest

from recbench.data.archive import check_gzip, unpacked
from recbench.errors import RecbenchError


@pytest.fixture
def archive(tmp_path):
    return tmp_path / "made.zip"


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "out"
    made.mkdir()
    return made


def zipped(archive, members):
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in members:
            opened.writestr(name, content)


def test_only_what_is_asked_for_comes_out(archive, folder):
    zipped(archive, [("a/x.txt", b"x"), ("a/y.txt", b"y"), ("a/z.txt", b"z")])
    unpacked(archive, ["a/x.txt", "a/z.txt"], folder)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == {
        "x.txt": b"x",
        "z.txt": b"z",
    }


def test_a_file_that_is_not_inside_is_named(archive, folder):
    zipped(archive, [("a/x.txt", b"x")])
    with pytest.raises(RecbenchError, match=r"made\.zip is refused: it holds no b/x\.txt"):
        unpacked(archive, ["b/x.txt"], folder)


@pytest.mark.parametrize("name", ["../x", "a/../../x", "C:\\x", "..\\x", "a\\..\\..\\x"])
def test_a_path_that_leads_out_is_refused(archive, folder, name):
    zipped(archive, [("a", b"x"), (name, b"x")])
    with pytest.raises(RecbenchError, match="leads out of its folder"):
        unpacked(archive, ["a"], folder)
    assert not list(folder.iterdir())


def test_an_absolute_path_is_refused(archive, folder):
    zipped(archive, [("a", b"x"), ("0evil", b"x")])
    archive.write_bytes(archive.read_bytes().replace(b"0evil", b"/evil"))
    with pytest.raises(RecbenchError, match="'/evil' leads out of its folder"):
        unpacked(archive, ["a"], folder)


def test_a_link_is_refused(archive, folder):
    link = zipfile.ZipInfo("a")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    zipped(archive, [(link, b"/etc/passwd")])
    with pytest.raises(RecbenchError, match="'a' is a link"):
        unpacked(archive, ["a"], folder)
    assert not list(folder.iterdir())


def test_an_encrypted_file_is_refused(archive, folder):
    zipped(archive, [("a", b"x")])
    content = bytearray(archive.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(content)
    with pytest.raises(RecbenchError, match="'a' is encrypted"):
        unpacked(archive, ["a"], folder)


def test_a_bomb_is_stopped(archive, folder):
    zipped(archive, [("a", bytes(900_000)), ("b", bytes(900_000))])
    unpacked(archive, ["a"], folder)
    with pytest.raises(RecbenchError, match="unpacks to more than 100 times its size"):
        unpacked(archive, ["a", "b"], folder)
    assert sum(file.stat().st_size for file in folder.iterdir()) <= 1 << 20


def test_a_bomb_that_lies_about_its_size_is_stopped_or_found_damaged(archive, folder):
    zipped(archive, [("a", bytes(8 << 20))])
    content = archive.read_bytes()
    archive.write_bytes(
        content.replace((8 << 20).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    )
    with pytest.raises(RecbenchError):
        unpacked(archive, ["a"], folder)
    assert sum(file.stat().st_size for file in folder.iterdir()) <= 1 << 20


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_file_that_is_there_twice_is_refused(archive, folder):
    zipped(archive, [("a", b"one"), ("b", b""), ("a", b"two")])
    with pytest.raises(RecbenchError, match="refused: 'a' is there twice"):
        unpacked(archive, ["b"], folder)
    assert not list(folder.iterdir())


@pytest.mark.parametrize("seed", range(4))
def test_no_damage_is_anything_but_one_line(archive, folder, seed):
    zipped(archive, [("a", bytes(range(256)) * 4), ("d/b", b"text")])
    content, chance = archive.read_bytes(), random.Random(seed)
    for _ in range(150):
        damaged = bytearray(content)
        for _ in range(chance.randrange(1, 4)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        archive.write_bytes(damaged)
        with suppress(RecbenchError):
            unpacked(archive, ["a", "d/b"], folder)


def test_a_full_disk_is_not_taken_for_a_damaged_archive(archive, folder):
    zipped(archive, [("full", b"text")])
    (folder / "full").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        unpacked(archive, ["full"], folder)


@pytest.mark.parametrize("damage", ["cut", "flipped", "text", "empty"])
def test_a_damaged_archive_is_one_line(archive, folder, damage):
    zipped(archive, [("a", bytes(range(256)) * 10)])
    content = archive.read_bytes()
    where = content.index(b"a") + 20
    flipped = content[:where] + bytes([content[where] ^ 255]) + content[where + 1 :]
    archive.write_bytes(
        {"cut": content[:-30], "flipped": flipped, "text": b"text", "empty": b""}[damage]
    )
    with pytest.raises(RecbenchError, match=r"is not a sound zip archive: .*; delete it") as caught:
        unpacked(archive, ["a"], folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("length", range(0, 40, 3))
def test_a_gzip_file_is_sound_only_as_a_whole(tmp_path, length):
    file, whole = tmp_path / "a.gz", gzip.compress(b"some text\n" * 3, mtime=0)
    file.write_bytes(whole)
    check_gzip(file)
    file.write_bytes(whole[: min(length, len(whole) - 1)])
    if length:
        with pytest.raises(RecbenchError, match=r"a\.gz is not a sound gzip file"):
            check_gzip(file)


def test_several_gzip_members_are_one_file(tmp_path):
    file = tmp_path / "a.gz"
    file.write_bytes(gzip.compress(b"one") + gzip.compress(b"two"))
    check_gzip(file)
    file.write_bytes(gzip.compress(b"one") + io.BytesIO(b"garbage").read())
    with pytest.raises(RecbenchError, match="not a sound gzip file"):
        check_gzip(file)
