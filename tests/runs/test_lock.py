import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from recbench.errors import UserError
from recbench.runs.lock import locked

HOLD = """
import sys, time
from pathlib import Path
from recbench.runs.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_two_cannot_hold_one_folder(tmp_path):
    folder = tmp_path / "run"
    with locked(folder):
        with pytest.raises(UserError, match=f"process {os.getpid()} is writing"), locked(folder):
            pass
        with locked(tmp_path / "other"):
            pass
    with locked(folder):
        pass
    assert not list(folder.iterdir())


def test_another_process_keeps_it_until_it_is_killed(tmp_path):
    command = [sys.executable, "-P", "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(UserError, match=f"process {holder.pid} is writing"), locked(tmp_path):
            pass
        holder.send_signal(signal.SIGKILL)
    assert (tmp_path / "lock").exists()  # left behind, and in nobody's way
    with locked(tmp_path):
        pass


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
    with locked(tmp_path):
        assert path.read_text() == str(os.getpid())
    assert len(opened) == 2


def test_an_error_inside_lets_go(tmp_path):
    with pytest.raises(ZeroDivisionError), locked(tmp_path):
        raise ZeroDivisionError
    with locked(tmp_path):
        pass
