"""One cell in a process: what it is started as, and how it ends."""

import os
import subprocess
import sys

import pytest

from recbench import __version__
from recbench.cells import process
from recbench.cells.process import Ended, own_code, run_cell
from recbench.leash import LEASH, Leash
from recbench.runs.record import FIGURE_VERSION


@pytest.fixture
def started(monkeypatch):
    """Start Python code in the place of recbench; note the commands and environments."""
    seen, real = [], subprocess.Popen

    def start(code):
        def popen(command, **how):
            seen.append((command, how["env"]))
            return real([sys.executable, "-c", code], **how)

        monkeypatch.setattr(process.subprocess, "Popen", popen)
        return seen

    return start


def run(tell=None, threads=None):
    with Leash() as leash:
        return run_cell(["--model", "a"], "cpu", leash, tell, threads)


def test_a_cell_is_a_run_that_cannot_see_the_folder_it_is_started_in(started):
    seen = started("")
    assert run() == Ended(0)
    command, environment = seen[0]
    assert command[1:] == [
        "-P",
        "-m",
        "recbench_cli",
        "run",
        "--model",
        "a",
        "--device",
        "cpu",
    ]
    assert environment[LEASH].isdigit()


def test_what_a_cell_says_is_told_line_by_line(started):
    started("import sys; print('one\\n\\n two ', file=sys.stderr); sys.exit(3)")
    lines = []
    ended = run(lines.append)
    assert (ended, lines) == (Ended(3, "two"), ["one", "two"])
    assert ended.words == "failed with exit code 3: two"
    assert not ended.from_outside


def test_why_a_cell_failed_is_what_it_said_of_it(started):
    """What a library complains of as the process ends comes later."""
    lines = ["training", "error: the disk is full", "sys:1: ResourceWarning: unclosed socket"]
    started(f"import sys; print(*{lines}, sep='\\n', file=sys.stderr); sys.exit(1)")
    assert run(lambda line: None).words == "failed with exit code 1: error: the disk is full"


def test_how_a_cell_is_made_anew_is_a_command(started):
    """Whoever fills a table or a study cannot give --fresh."""
    started("import sys; print('found a run; --fresh runs it anew', file=sys.stderr)")
    lines = []
    run(lines.append)
    assert lines == ["found a run; recbench run --model a --device cpu --fresh runs it anew"]


def test_a_killed_cell_may_go_on(started):
    last = "import os, signal, sys; print('training', file=sys.stderr, flush=True); "
    started(last + "os.kill(os.getpid(), signal.SIGKILL)")
    ended = run(lambda line: None)
    assert (ended.code, ended.from_outside) == (-9, True)
    lack = "ended by SIGKILL (often for want of memory: fewer workers take less): training"
    assert ended.words == lack
    assert Ended(-11, "training").words == "ended by SIGSEGV: training"
    assert Ended(-35).words == "ended by signal 35"  # which has no name
    assert Ended(143).from_outside


def test_a_number_of_threads_is_the_only_one(started, monkeypatch):
    monkeypatch.setenv("MKL_NUM_THREADS", "7")
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    seen = started("")
    run(threads=2)
    run()
    (_, two), (_, own) = seen
    assert (two["OMP_NUM_THREADS"], "MKL_NUM_THREADS" in two) == ("2", False)
    assert own["OMP_NUM_THREADS"] == own["MKL_NUM_THREADS"] == "7"
    assert own["HOME"] == os.environ["HOME"]


@pytest.mark.parametrize("threads", [None, 2])
def test_a_cell_is_one_process_whoever_was_launched_as_several(started, monkeypatch, threads):
    """It would wait for the others, for days."""
    told = {
        *("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"),
        *("GROUP_RANK", "ROLE_WORLD_SIZE", "ACCELERATE_USE_FSDP", "ACCELERATE_MIXED_PRECISION"),
        *("FSDP_VERSION", "TORCHELASTIC_RUN_ID", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE"),
    }
    for name in (*told, "RANKED", "MY_RANK"):
        monkeypatch.setenv(name, "2")
    seen = started("")
    run(threads=threads)
    ((_, environment),) = seen
    assert told.isdisjoint(environment)
    assert environment["RANKED"] == environment["MY_RANK"] == "2"


def test_the_code_of_a_cell_is_what_its_recbench_says_of_itself(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    assert own_code().startswith(f"recbench {__version__}, figure version {FIGURE_VERSION}")
    monkeypatch.setattr(process, "RECBENCH", (sys.executable, "-c", "import no_recbench"))
    assert own_code().endswith("No module named 'no_recbench'")
