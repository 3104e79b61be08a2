"""A disk that is full, or cannot be written to, at any write of a run."""

import errno
import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from recbench import experiment
from recbench.atomic_write import atomic_file, atomic_folder, check_writable, naming
from recbench.experiment import run
from recbench_cli import main as cli

from .conftest import Toy, numbers

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Disk:
    """
    Refuses whatever this process would write below a folder, after so many writes.

    Python asks it before it opens a file to write, makes a folder or renames; what libraries write
    by themselves is renamed by Python.
    """

    def __init__(self) -> None:
        self.folder, self.left, self.number = "", 0, 0
        sys.addaudithook(self._asked)

    @contextmanager
    def full(self, folder: Path, after: int, number: int = errno.ENOSPC) -> Iterator[None]:
        self.folder, self.left, self.number = str(folder), after, number
        try:
            yield
        finally:
            self.folder = ""

    def _asked(self, event: str, given: tuple[Any, ...]) -> None:
        if not self.folder or event not in ("open", "os.rename", "os.mkdir"):
            return
        if event == "open" and not (given[2] or 0) & WRITES:
            return
        path = given[1] if event == "os.rename" else given[0]
        if isinstance(path, str | os.PathLike) and os.fspath(path).startswith(self.folder):
            self.left -= 1
            if self.left < 0:
                raise OSError(self.number, os.strerror(self.number), str(path))


DISK = Disk()


@pytest.fixture
def call(
    toy: Toy, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Callable[..., tuple[int, str]]:
    """Return a function that runs a toy by the command line: exit code and standard error."""

    real = experiment.run
    monkeypatch.chdir(tmp_path)  # without records that tell how long it takes

    def start(model: str, place: Path, **changes: Any) -> tuple[int, str]:
        wanted = toy(model, place, **changes)
        monkeypatch.setattr(experiment, "run", lambda _, report, **more: real(wanted, report))
        with pytest.raises(SystemExit) as left:
            cli.main(["run", "--model", model, "--dataset", "movielens", "--json"])
        return int(left.value.code or 0), capsys.readouterr().err

    return start


@pytest.mark.parametrize(
    ("model", "every"),
    [
        ("popularity", 3),
        pytest.param("sasrec", 1, marks=pytest.mark.slow),
        pytest.param("ilora", 1, marks=pytest.mark.slow),
    ],
)
def test_wherever_the_disk_is_full_the_next_run_goes_on(
    model: str, every: int, toy: Toy, tmp_path: Path, call: Callable[..., tuple[int, str]]
) -> None:
    expected = numbers(run(toy(model, tmp_path / "whole"), lambda _: None).record)
    for after in itertools.count(0, every):
        place = tmp_path / str(after)
        with DISK.full(place, after):
            code, said = call(model, place)
        if code == 0:
            break
        last = said.splitlines()[-1]
        assert code == 1, last
        assert str(place) in last
        assert last.endswith("the disk is full: make room and run the same command again")
        assert not [path for path in place.rglob("*.partial") if path.is_file()]
        record = run(toy(model, place), lambda _: None).record
        assert numbers(record) == expected, last
    assert after > 10


@pytest.mark.slow
def test_a_small_disk_stops_a_run_with_its_audit_and_a_larger_one_goes_on(
    toy: Toy, tmp_path: Path, call: Callable[..., tuple[int, str]]
) -> None:
    """On a file system in memory: what libraries write themselves finds no room there either."""
    expected = numbers(run(toy("sasrec", tmp_path / "whole", audit=True), lambda _: None).record)
    place, fits = tmp_path / "small", False
    place.mkdir()
    for pages in itertools.count(2, 3):
        if subprocess.run(mount(f"size={4096 * pages}", place), check=False).returncode:
            pytest.skip("this machine lets nobody mount a file system")
        try:
            code, said = call("sasrec", place, audit=True)
            fits = code == 0
            assert fits or said.splitlines()[-1].endswith(
                "make room and run the same command again"
            )
            subprocess.run(mount("remount,size=20m", place), check=True)
            record = run(toy("sasrec", place, audit=True), lambda _: None).record
            assert numbers(record) == expected
        finally:
            subprocess.run(["umount", "--lazy", str(place)], check=True)
        if fits:
            break
    assert pages > 20


def mount(options: str, place: Path) -> list[str]:
    return ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]


def test_a_full_disk_is_one_that_cannot_be_written_to(tmp_path: Path) -> None:
    if subprocess.run(mount("size=8192", tmp_path), check=False).returncode:
        pytest.skip("this machine lets nobody mount a file system")
    try:
        check_writable(tmp_path)
        (tmp_path / "all").write_bytes(bytes(8192))
        with pytest.raises(OSError, match="No space left") as caught:
            check_writable(tmp_path)
        assert caught.value.filename == str(tmp_path)
    finally:
        subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


@pytest.mark.parametrize("part", ["results", "cache"])
def test_what_cannot_be_written_to_is_said_before_anything_is_trained(
    part: str, tmp_path: Path, call: Callable[..., tuple[int, str]]
) -> None:
    (tmp_path / part).mkdir()
    with DISK.full(tmp_path / part, 0, errno.EROFS):
        code, said = call("ilora", tmp_path)
    assert code == 2
    assert str(tmp_path / part) in said
    assert said.endswith("nothing can be written there: name another by --results or --cache\n")
    assert "training" not in said.splitlines()[0]
    assert call("popularity", tmp_path)[0] == 0


def test_an_encoder_is_not_fitted_where_it_cannot_be_kept(
    tmp_path: Path, call: Callable[..., tuple[int, str]]
) -> None:
    with DISK.full(tmp_path / "cache/encoders", 0, errno.EROFS):
        code, said = call("ilora", tmp_path)
    assert (code, "encoder sasrec: training" in said) == (2, False)
    assert str(tmp_path / "cache/encoders") in said


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        RuntimeError("I/O error: No space left on device (os error 28)"),
        OSError("1024 requested and 0 written"),
    ],
)
def test_every_library_is_understood(tmp_path: Path, error: Exception) -> None:
    def fail() -> None:
        raise error

    for writing in (atomic_file, atomic_folder, naming):
        with pytest.raises(OSError, match="No space left") as caught, writing(tmp_path / "x"):
            fail()
        assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(tmp_path / "x"))
    assert not list(tmp_path.iterdir())


def test_other_errors_stay_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), naming(tmp_path):
        raise ZeroDivisionError
    with pytest.raises(FileNotFoundError) as caught, naming(tmp_path):
        (tmp_path / "nowhere").read_text()
    assert caught.value.filename == str(tmp_path / "nowhere")
    check_writable(tmp_path / "new")
    assert not list((tmp_path / "new").iterdir())
