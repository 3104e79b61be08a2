"""One cell in a process of its own, which ends with the one that started it."""

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

from recbench.hardware.threads import VARIABLE
from recbench.leash import LEASH, Leash, signal_name

FRESH = "--fresh"
"""An option of ``recbench run``, by which a cell says how it is made anew; a table has none."""

OTHER_THREADS = ("MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""What else would decide it, and is left out where the number of threads is given."""

ERROR = "error: "
"""How the line begins that says why a run failed."""

RECBENCH = (sys.executable, "-P", "-m", "recbench_cli")

LAUNCHED = re.compile(
    "(RANK|WORLD_SIZE|(LOCAL|GROUP|ROLE)_(RANK|WORLD_SIZE)|ROLE_NAME)$"
    "|(MASTER|ACCELERATE|FSDP|TORCHELASTIC|PMI|OMPI_COMM_WORLD|MV2_COMM_WORLD)_|MPI_LOCAL"
)
"""
What tells a process that it shares its work with others.

A cell is alone, and would wait for those others for days. Whoever starts it may have been launched
as one of several: a worker by ``srun`` or ``mpirun``, a command by ``accelerate launch``.
"""

TOLD_TO_LEAVE = (128 + signal.SIGINT, 128 + signal.SIGTERM)


@dataclass(frozen=True)
class Ended:
    """
    How a cell ended.

    Attributes
    ----------
    code
        Exit code of its process; a signal that ended it as a negative number.
    said
        The last line by which it said why it failed, else the last of all: libraries complain as
        they end. Empty where it was shown to the user at once.
    """

    code: int
    said: str = ""

    @classmethod
    def by(cls, error: Exception) -> Self:
        """Return how a cell ended that something beside it has broken."""
        return cls(1, " ".join(f"{type(error).__name__}: {error}".split()))

    @property
    def from_outside(self) -> bool:
        """Whether something else ended it, such as a lack of memory, so that it may go on."""
        return self.code < 0 or self.code in TOLD_TO_LEAVE

    @property
    def words(self) -> str:
        """Say it in a line."""
        if self.code == 0:
            return "done"
        how = f"failed with exit code {self.code}"
        if self.code < 0:
            how = f"ended by {signal_name(-self.code)}"
        if self.code == -signal.SIGKILL:
            how += " (often for want of memory: fewer workers take less)"
        return f"{how}: {self.said}" if self.said else how


def run_cell(
    arguments: Sequence[str],
    device: str,
    leash: Leash,
    tell: Callable[[str], None] | None = None,
    threads: int | None = None,
) -> Ended:
    """
    Run one cell by ``recbench run``, and wait for its end.

    Parameters
    ----------
    arguments
        Of ``recbench run``, without the device.
    device
        As for ``recbench run``.
    leash
        The process leaves when it is let go.
    tell
        Called with each line that the cell says, where ``--fresh`` is a command of its own; None
        shows them to the user, with progress bars.
    threads
        For a numerical operation on the CPU; None for the environment's.
    """
    words = ["run", *arguments, "--device", device]
    again = shlex.join(["recbench", *words, FRESH])
    with subprocess.Popen(
        [*RECBENCH, *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=None if tell is None else subprocess.PIPE,
        text=True,
        errors="replace",
        env=_environment(threads) | {LEASH: str(leash.end)},
        pass_fds=(leash.end,),
    ) as process:
        last = why = ""
        for line in process.stderr or ():
            if tell is not None and line.strip():
                tell(last := line.strip().replace(FRESH, again))
                why = last if last.startswith(ERROR) else why
        return Ended(process.wait(), why or last)


def own_code() -> str:
    """Say by what code a cell would be run here, as ``recbench --version`` says it."""
    command, environment = [*RECBENCH, "--version"], _environment(None)
    ran = subprocess.run(command, capture_output=True, text=True, errors="replace", env=environment)
    return " ".join((ran.stdout or ran.stderr).split())


def _environment(threads: int | None) -> dict[str, str]:
    left_out = () if threads is None else OTHER_THREADS
    given = {} if threads is None else {VARIABLE: str(threads)}
    own = {name: value for name, value in os.environ.items() if not LAUNCHED.match(name)}
    return {name: value for name, value in own.items() if name not in left_out} | given
