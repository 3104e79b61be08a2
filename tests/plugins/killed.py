"""Runs in processes of their own that are killed: at a write of theirs, or at any moment."""

import json
import random
import signal
import time

from forked_copies import FORKS
from killed_at_work import work

from recbench.atomic_write import PARTIAL
from recbench.runs.store import run_folders


def started(wanted, quick, at=None, renamed=False):
    """Start a run; with `at` it is killed at that write, before or after the file is `renamed`."""
    process = FORKS.Process(target=work, args=(wanted, quick, at, renamed))
    process.start()
    return process


def undisturbed(wanted, quick):
    """Return what comes out of a run, and the seconds that it takes."""
    process, began = started(wanted, quick), time.monotonic()
    process.join()
    assert process.exitcode == 0
    return outcome(wanted), time.monotonic() - began


def killed_at_every_write(wanted):
    """
    Kill a run at its first write, before and after, go on and kill it at its second, and so on.

    Returns how often, when one process has come to its end.
    """
    ended, kills = False, 0
    while not ended:
        process = started(wanted, True, at=1 + kills // 2, renamed=bool(kills % 2))
        process.join()
        ended = _has_ended(process, wanted)
        kills += not ended
    return kills


def killed_at_random(wanted, seconds, seed):
    """
    Kill a run at random moments until one process has come to its end; return how often.

    They come later and later: on a machine at work for others it takes longer than `seconds`.
    """
    moments, ended, kills = random.Random(seed), False, 0
    while not ended:
        process = started(wanted, False)
        process.join(moments.uniform(0, seconds * 1.1**kills))
        process.kill()
        process.join()
        ended = _has_ended(process, wanted)
        kills += not ended
    return kills


def outcome(wanted):
    """Return what must be the same: the figures, and the bytes of the examples."""
    (folder,) = run_folders(wanted.results)
    record = json.loads((folder / "record.json").read_text())
    return record["metrics"], (folder / "examples.parquet").read_bytes()


def _has_ended(process, wanted):
    """Tell whether a process came to its end; if not, write nonsense into what is half-written."""
    if process.exitcode == 0:
        return True
    assert process.exitcode == -signal.SIGKILL
    for root in (wanted.results, wanted.cache):
        for path in root.rglob(f"*{PARTIAL}"):
            for file in [path, *path.rglob("*")]:
                if file.is_file():
                    file.write_bytes(b"half-written")
    return False
