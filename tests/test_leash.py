import os
import signal
import subprocess
import sys
import threading

from recbench.leash import Leash

CHILD = """
import os, sys, time
from recbench.leash import on_a_leash
on_a_leash(int(sys.argv[1]), lambda: os._exit(0))
print("here", flush=True)
time.sleep(60)
print("still here")
"""

PARENT = """
import subprocess, sys, time
from recbench.leash import Leash
with Leash() as leash:
    child = [sys.executable, "-c", sys.argv[1], str(leash.end)]
    subprocess.run(child, pass_fds=(leash.end,), stdin=subprocess.DEVNULL)
"""


def test_whoever_is_on_a_leash_ends_with_the_process_that_holds_it():
    command = [sys.executable, "-c", PARENT, CHILD]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout.readline() == "here\n"
        os.kill(parent.pid, signal.SIGKILL)
        assert parent.stdout.read() == ""  # it ends only when the child has ended, too


def test_it_is_let_go_once_though_two_threads_do_so(monkeypatch):
    """Of a cluster one is told to, and the other comes to the end of the context."""
    closed = []

    class Slow(Leash):
        """Leaves as much time as can be between looking and letting go."""

        def __getattribute__(self, name):
            found = super().__getattribute__(name)
            if name == "_held":
                threading.Event().wait(0.05)
            return found

    with Slow() as leash:
        close = os.close
        monkeypatch.setattr(os, "close", lambda end: (closed.append(end), close(end)))
        threads = [threading.Thread(target=leash.let_go) for _ in range(2)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        assert len(closed) == 1
