import os
import signal
import subprocess
import sys

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
