"""A release is the same bytes wherever it is built, and holds what belongs in it."""

import gzip
import io
import re
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


@pytest.fixture(scope="module")
def tool(load):
    return load("release")


def sdist(files, mtime=0, owner="root", mode=0o644):
    stream = io.BytesIO()
    with (
        gzip.GzipFile("any name", "wb", 1, stream, mtime) as packed,
        tarfile.open(fileobj=packed, mode="w") as archive,
    ):
        for name, content in files.items():
            member = tarfile.TarInfo(f"recbench-1/{name}")
            member.size, member.mtime, member.uname, member.mode = len(content), mtime, owner, mode
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


FILES = {"b.py": b"b", "a/c.py": b"c" * 99, "setup.cfg": b""}


def test_an_sdist_does_not_tell_where_when_and_by_whom_it_was_made(tool):
    other = sdist(dict(reversed(FILES.items())), mtime=999, owner="ann", mode=0o600)
    once, again = tool.normalised(sdist(FILES), 1234), tool.normalised(other, 1234)
    assert sdist(FILES) != other
    assert once == again == tool.normalised(once, 1234)
    assert once != tool.normalised(sdist(FILES), 1235)
    with tarfile.open(fileobj=io.BytesIO(once)) as archive:
        members = archive.getmembers()
        assert [one.name for one in members] == [f"recbench-1/{name}" for name in sorted(FILES)]
        assert {archive.extractfile(one).read() for one in members} == set(FILES.values())
        assert {(one.mtime, one.uid, one.uname, one.mode) for one in members} == {
            (1234, 0, "", 0o644)
        }
    assert tool.normalised(sdist({**FILES, "x": b"other"}), 1234) != once


def wheel(names):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in (*names, "recbench-1.dist-info/RECORD"):
            archive.writestr(name, "")
    return stream.getvalue()


def test_what_lacks_a_file_or_holds_another_is_refused(tool):
    known = tool.sources(ROOT)
    assert {"recbench/data/archive.py", "recbench_datasets/movielens.toml"} <= set(known)
    assert known["recbench_datasets/movielens.toml"] == "datasets/movielens.toml"
    whole = {
        "a.whl": wheel(known),
        "a.tar.gz": sdist(dict.fromkeys([*known.values(), *tool.BESIDES], b"")),
    }
    tool.check_contents(whole, ROOT)
    fewer, more = set(known) - {"recbench/errors.py"}, {*known, "tests/test_a.py"}
    for names, said in ((fewer, "lacks recbench/errors.py"), (more, "not hold tests/test_a.py")):
        with pytest.raises(SystemExit, match=said):
            tool.check_contents({"a.whl": wheel(names)}, ROOT)
    packed = sdist(dict.fromkeys([*known.values(), *tool.BESIDES, "results/a.json"], b""))
    with pytest.raises(SystemExit, match=r"a\.tar\.gz should not hold results/a\.json"):
        tool.check_contents({"a.tar.gz": packed}, ROOT)


@pytest.mark.slow
def test_the_last_commit_gives_the_same_bytes_twice(tool, tmp_path):
    """As in CI, which builds so (`.ci/run`)."""
    files = [tool.built(tmp_path / zone, 1_700_000_000, zone) for zone in ("UTC", "Asia/Tokyo")]
    assert files[0] == files[1]
    tool.check_contents(files[0], tmp_path / "UTC/source")


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_pin_what_they_use_and_run_what_is_there(path):
    yaml = pytest.importorskip("yaml")
    said = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert said["permissions"] == {"contents": "read"}
    steps = [step for job in said["jobs"].values() for step in job["steps"]]
    for step in steps:
        if "uses" in step:
            assert re.fullmatch(r"[\w.-]+/[\w.-]+@(release/)?v\d+", step["uses"])
        for name in re.findall(r"(?:tools|\.ci)/[\w.]+", step.get("run", "")):
            assert (ROOT / name).is_file()
    commands = "\n".join(step.get("run", "") for step in steps)
    extras = re.findall(r"\[([\w,]+)\]", commands)
    known = re.findall(r"(?m)^(\w+) = \[", (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert {one for extra in extras for one in extra.split(",")} <= set(known)
    assert not re.search(r"https?://|secrets\.", path.read_text(encoding="utf-8"))
