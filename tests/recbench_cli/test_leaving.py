"""The command line is told to leave by a signal: in Python, in C, and with processes of its own."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from recbench.leash import LEASH

PROGRAM = """
import hashlib, os, signal, sys, threading, time
from recbench_cli import leaving
from recbench_cli import main as cli

leaving.GRACE = 60  # however slow the machine is

def here():
    print("here", flush=True)

def again():
    os.kill(os.getpid(), signal.SIGINT)

class AtTheEnd:
    def __del__(self, again=again):
        again()

def app(*_, **__):
    try:
{step}
    finally:
        print("closed", flush=True)

cli.app = app
cli.main(["run"])
"""

STEPS = {
    "python": """
        here()
        time.sleep(600)
""",
    # Half an hour in C, unless it is ended; it has begun when the timer rings.
    "C": """
        leaving.GRACE = 0.5
        threading.Timer(0.5, here).start()
        hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)
""",
    "swallowed": """
        leaving.GRACE = 0.5
        try:
            here()
            time.sleep(600)
        except KeyboardInterrupt:
            time.sleep(600)
""",
    "renamed": """
        try:
            here()
            time.sleep(600)
        except KeyboardInterrupt:
            raise ImportError
""",
    "impatient": """
        try:
            here()
            time.sleep(600)
        except KeyboardInterrupt:
            time.sleep(0.2)  # the thread that hears of it has heard
            again()
            sys.modules["last"] = AtTheEnd()  # goes when Python itself ends
            raise
""",
    "elsewhere": """
        hear = threading.Timer(0.2, lambda: signal.pthread_kill(threading.get_ident(), {number}))
        hear.start()
        time.sleep(600)
""",
    "short": """
        here()
        time.sleep(1)
""",
}
LAST_WORDS = "interrupted; the same command goes on where this one stopped\n"


def told(step, number, before=None):
    """Run a command of one step, and tell it to leave."""
    # What this process has for handlers in the background, where SIGINT is ignored, is passed on.
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}[number]
    command = [sys.executable, "-c", PROGRAM.format(step=STEPS[step])]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(number, before or usual),
    ) as process:
        assert process.stdout.readline() == "here\n"
        process.send_signal(number)
        hangs = threading.Timer(120, process.kill)  # as it would without what is tested
        hangs.start()
        out, err = process.communicate()
        hangs.cancel()
    return process.returncode, out, err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("step", ["python", "renamed", "impatient"])
def test_what_is_open_closes_in_order(step, number, code):
    assert told(step, number) == (code, "closed\n", LAST_WORDS)


@pytest.mark.parametrize(
    ("step", "number", "code"),
    [("C", signal.SIGINT, 130), ("C", signal.SIGTERM, 143), ("swallowed", signal.SIGTERM, 143)],
)
def test_a_process_that_does_not_leave_is_ended(step, number, code):
    assert told(step, number) == (code, "", LAST_WORDS)


@pytest.mark.parametrize("step", ["python", "swallowed"])
@pytest.mark.parametrize("both", [False, True], ids=["stderr", "stdout as well"])
def test_it_leaves_where_nobody_reads_its_last_words(step, both):
    """As with ``2>&1 | tee log``: Ctrl-C ends tee, too."""
    command = [sys.executable, "-c", PROGRAM.format(step=STEPS[step])]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if both else subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        assert process.stdout.readline() == "here\n"
        (process.stdout if both else process.stderr).close()
        process.send_signal(signal.SIGINT)
        hangs = threading.Timer(60, process.kill)  # as it would without what is tested
        hangs.start()
        process.wait()
        hangs.cancel()
    assert process.returncode == 130


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_it_closes_in_order_where_another_thread_was_told(number, code):
    """Then nothing wakes the main one, as where it begins to sleep just when it is told."""
    step = STEPS["elsewhere"].format(number=int(number))
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(step=step)],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert (done.returncode, done.stdout, done.stderr) == (code, "closed\n", LAST_WORDS)


def test_a_leash_that_was_let_go_before_it_began_is_one_line():
    """As where a leaderboard is told to leave while the process of a cell still loads."""
    end, ours = os.pipe()
    os.close(ours)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(step=STEPS["python"])],
        capture_output=True,
        text=True,
        check=False,
        pass_fds=(end,),
        env=os.environ | {LEASH: str(end)},
    )
    os.close(end)
    assert (done.returncode, done.stderr) == (143, LAST_WORDS)


def test_what_is_to_be_ignored_stays_ignored():
    assert told("short", signal.SIGTERM, before=signal.SIG_IGN) == (0, "closed\n", "")


def test_a_process_that_only_loads_its_commands_shows_no_traceback(tmp_path):
    (tmp_path / "typer.py").write_text("import os\nos.kill(os.getpid(), 2)\n")  # loaded at first
    command = "import runpy, sys; sys.path.insert(0, sys.argv[1]); runpy.run_module('recbench_cli')"
    done = subprocess.run(
        [sys.executable, "-c", command, str(tmp_path)],
        capture_output=True,
        check=False,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert (done.returncode, done.stderr) == (-signal.SIGINT, b"")
