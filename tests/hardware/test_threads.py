"""Threads: how many, that they wait asleep, and that what was begun goes on in as many."""

import os
import subprocess
import sys

import pytest
import torch

from recbench.hardware import threads
from recbench.hardware.threads import FILE, VARIABLE, as_begun, asked_threads, own_cores, quota


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu.max": "200000 100000\n"}, 2),
        ({"cpu.max": "50000 100000\n"}, 1),
        ({"cpu.max": "250000 100000\n"}, 3),
        ({"cpu.max": "nonsense"}, None),
        ({"cpu.max": "100000 0"}, None),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ({"cpu/cpu.cfs_quota_us": "400000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 4),
        ({}, None),
    ],
    ids=str,
)
def test_the_quota_of_a_container_is_read(tmp_path, files, cores):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert quota(tmp_path) == cores


def test_the_cores_are_those_that_may_be_used(monkeypatch):
    monkeypatch.setattr(threads, "quota", lambda: None)
    assert 1 <= own_cores() <= os.cpu_count()
    monkeypatch.setattr(threads, "quota", lambda: 1)
    assert own_cores() == 1


def told_by_openmp(**environment):
    """Return what torch's own library says of itself, when it is loaded after recbench."""
    code = "import recbench.experiment, torch; torch.zeros(1)"
    inherited = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=inherited | {"OMP_DISPLAY_ENV": "verbose"} | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere torch has another OpenMP")
def test_threads_sleep_while_they_wait_unless_the_user_says_otherwise():
    assert "GOMP_SPINCOUNT = '0'" in told_by_openmp()
    assert "OMP_WAIT_POLICY = 'ACTIVE'" in told_by_openmp(OMP_WAIT_POLICY="active")


@pytest.fixture
def two_threads(monkeypatch):
    before = torch.get_num_threads()
    monkeypatch.setenv(VARIABLE, "5")
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_what_was_begun_goes_on_in_as_many_threads(tmp_path, two_threads):
    lines = []
    with as_begun(tmp_path / "checkpoints", lines.append):
        assert torch.get_num_threads() == 2
    assert lines == []
    torch.set_num_threads(3)
    with as_begun(tmp_path / "checkpoints", lines.append):
        assert torch.get_num_threads() == 2
        assert os.environ[VARIABLE] == "2"  # of the process that is asked again
    assert (torch.get_num_threads(), os.environ[VARIABLE]) == (3, "5")
    assert lines == [
        "going on in 2 threads as it was begun, not in 3: the last bits of sums depend on it; "
        "--fresh begins anew"
    ]


@pytest.mark.parametrize("broken", ["two", '{"threads": 3, "sha256": "0"}', "[]", "{}"])
def test_a_broken_note_is_said_and_written_anew(tmp_path, two_threads, broken):
    (tmp_path / FILE).write_text(broken)
    said = []
    with as_begun(tmp_path, said.append):
        assert torch.get_num_threads() == 2
    assert len(said) == 1
    assert said[0].startswith(f"{tmp_path / FILE} was changed after it was written")
    with as_begun(tmp_path, pytest.fail):
        assert torch.get_num_threads() == 2


def test_what_has_no_torch_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.delitem(sys.modules, "torch")
    with as_begun(tmp_path, pytest.fail):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("given", "count"), [("2", 2), ("2,1", 2), (" 3 ", 3), ("0", 1), ("", None), ("many", None)]
)
def test_how_many_are_asked_for_is_said_for_the_outermost_level(monkeypatch, given, count):
    monkeypatch.setenv(VARIABLE, given)
    assert asked_threads() == count
