import errno
import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path
from threading import Thread

import pytest

from recbench import locks
from recbench.errors import UserError
from recbench.locks import in_turn, is_held, locked
from recbench.runs.leftovers import leftovers

HOLD = """
import sys, time
from pathlib import Path
from recbench.locks import locked
with locked(Path(sys.argv[1]), print):
    print("held", flush=True)
    time.sleep(60)
"""


def silent(_: str) -> None:
    pass


def test_the_second_waits_for_the_first_and_says_so(tmp_path):
    folder, done = tmp_path / "run", []

    def second():
        with locked(folder, told):
            done.append("second")

    def told(line):
        done.append(line)
        waits.append(line)

    waits, waiting = [], Thread(target=second)
    with locked(folder, pytest.fail), locked(tmp_path / "other", pytest.fail):
        waiting.start()
        while not waits:
            pass
        done.append("first")
    waiting.join()
    owner = f"waiting for process {os.getpid()} on {os.uname().nodename}, which is writing {folder}"
    assert done == [owner, "first", "second"]
    assert not list(folder.iterdir())


def test_whoever_looks_whether_it_is_held_is_in_nobodys_way(tmp_path, monkeypatch):
    """Looking takes the lock for a moment, in which another one may begin."""
    looks = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(looks, fcntl.LOCK_SH)
    monkeypatch.setattr(locks.time, "sleep", lambda _: os.close(looks))
    with locked(tmp_path):
        assert is_held(tmp_path / "lock")


@pytest.fixture
def holder(tmp_path):
    """A process that holds the folder of this test."""
    command = [sys.executable, "-P", "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_lock_ends_with_the_process_that_holds_it(tmp_path, holder):
    told = []

    def kill(line):
        told.append(line)
        holder.send_signal(signal.SIGKILL)

    with locked(tmp_path, kill):
        assert (tmp_path / "lock").read_text().startswith(f"{os.getpid()} on ")
    assert told == [
        f"waiting for process {holder.pid} on {os.uname().nodename}, which is writing {tmp_path}"
    ]


def test_who_waits_can_be_interrupted(tmp_path, holder):
    def interrupted(_):
        raise KeyboardInterrupt

    files = len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0
    with pytest.raises(KeyboardInterrupt), locked(tmp_path, interrupted):
        pass
    assert holder.poll() is None
    assert (tmp_path / "lock").exists()  # a live lock is nobody else's to take away
    if files:
        assert len(os.listdir("/proc/self/fd")) == files


@pytest.mark.parametrize("left", [b"", b"4711 on another.host", b"\xff\x1b[31m"])
def test_a_lock_file_that_a_dead_process_left_holds_nobody_up(tmp_path, left):
    (tmp_path / "lock").write_bytes(left)
    with locked(tmp_path, pytest.fail):
        pass


def test_a_lock_file_that_may_only_be_read_holds_nobody_up(tmp_path, monkeypatch):
    """Another person's, who was of the same group and whose files others may not write."""
    path, real = tmp_path / "lock", os.open
    path.write_bytes(b"4711 on another.host")

    def of_another(path, flags, *mode):
        if flags & os.O_RDWR and Path(path).is_file():
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path, flags, *mode)

    monkeypatch.setattr(os, "open", of_another)
    with locked(tmp_path, pytest.fail):
        assert path.read_bytes().startswith(str(os.getpid()).encode())


def test_one_that_is_given_back_meanwhile_is_taken(tmp_path, monkeypatch):
    asked, real = [], os.open

    def of_another(path, flags, *mode):
        asked.append(flags)
        if len(asked) == 1:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path, flags, *mode)

    monkeypatch.setattr(os, "open", of_another)
    with locked(tmp_path, pytest.fail):
        assert (tmp_path / "lock").is_file()


def test_a_folder_that_cannot_be_written_is_said_as_ever(tmp_path, monkeypatch):
    def refuses(path, flags, *_):
        kind = PermissionError if flags & os.O_CREAT else FileNotFoundError
        raise kind(errno.EACCES, "no", str(path))

    monkeypatch.setattr(os, "open", refuses)
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(PermissionError, match="lock"), locked(tmp_path, pytest.fail):
        pass


def test_a_lock_may_be_written_by_whom_the_umask_says(tmp_path):
    before = os.umask(0o002)
    try:
        with locked(tmp_path):
            assert (tmp_path / "lock").stat().st_mode & 0o777 == 0o664
    finally:
        os.umask(before)


def test_what_an_owner_wrote_cannot_steer_a_terminal(tmp_path, monkeypatch):
    (tmp_path / "lock").write_bytes(b"1 on \x1b[31mhost")
    told, real = [], fcntl.flock

    def busy(handle, how):
        if how & fcntl.LOCK_NB:
            raise BlockingIOError
        real(handle, how)

    monkeypatch.setattr(fcntl, "flock", busy)
    with locked(tmp_path, told.append):
        pass
    assert told == [f"waiting for another process, which is writing {tmp_path}"]


def test_a_file_system_without_locks_is_one_line(tmp_path, monkeypatch):
    def none(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    with (
        pytest.raises(UserError, match=r"its file system has no locks .* name a folder on another"),
        locked(tmp_path, silent),
    ):
        pass


def test_where_no_locks_are_nobody_waits_for_what_many_share(tmp_path, monkeypatch):
    def none(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    with (
        in_turn(tmp_path / "cache/made", pytest.fail),
        in_turn(tmp_path / "cache/made", pytest.fail),
    ):
        (tmp_path / "cache/made").mkdir()


def test_what_many_share_is_held_beside_it(tmp_path):
    with in_turn(tmp_path / "made-1.0", pytest.fail), in_turn(tmp_path / "made-1.1", pytest.fail):
        assert all(is_held(path) for path in tmp_path.iterdir())
        assert leftovers(tmp_path / "none", tmp_path, 0) == []
    assert not list(tmp_path.iterdir())


def test_the_lock_of_a_killed_process_that_made_what_many_share_is_left_over(tmp_path):
    beside = tmp_path / "made-1.0.lock.partial"
    beside.write_text("1 on host")
    (found,) = leftovers(tmp_path / "none", tmp_path, 0)
    assert found.paths == (beside,)
    with in_turn(tmp_path / "made-1.0", pytest.fail):
        assert beside.read_text().startswith(str(os.getpid()))


def test_a_file_that_its_owner_removes_meanwhile_is_no_lock(tmp_path, monkeypatch):
    path, opened = tmp_path / "lock", []
    real, look = os.open, Path.exists

    def removed_after(*arguments):
        opened.append(real(*arguments))
        if len(opened) == 1:
            path.unlink()
        return opened[-1]

    # As late as can be: whoever asks whether the file is there is still told so.
    monkeypatch.setattr(os, "open", removed_after)
    monkeypatch.setattr(Path, "exists", lambda one: one == path or look(one))
    with locked(tmp_path, silent):
        assert path.read_text().startswith(f"{os.getpid()} on ")
    assert len(opened) == 2


def test_a_lock_that_was_removed_and_made_again_keeps_its_name(tmp_path):
    path = tmp_path / "lock"
    with locked(tmp_path, silent):
        path.unlink()
        with locked(tmp_path, pytest.fail):  # another run's, which has found none
            path.rename(tmp_path / "aside")
            path.write_text("of a third")
        assert path.read_text() == "of a third"
    assert path.read_text() == "of a third"


def test_a_folder_that_is_removed_while_it_is_locked_is_made_again(tmp_path, monkeypatch):
    folder, opened, real = tmp_path / "run", [], os.open

    def removed_before(*arguments):
        opened.append(arguments)
        if len(opened) == 1:
            folder.rmdir()
        return real(*arguments)

    monkeypatch.setattr(os, "open", removed_before)
    with locked(folder, pytest.fail):
        assert (folder / "lock").exists()
    (tmp_path / "run" / "lock").symlink_to(tmp_path / "nowhere" / "lock")
    with pytest.raises(FileNotFoundError), locked(folder, pytest.fail):
        pass


def test_an_error_inside_lets_go(tmp_path):
    with pytest.raises(ZeroDivisionError), locked(tmp_path, silent):
        raise ZeroDivisionError
    with locked(tmp_path, pytest.fail):
        pass
