"""
Processes of tests that begin as forks of one which has imported what they need.

A fresh process imports torch and transformers, which takes seconds, and hundreds of tests have one.
Here one process a worker imports them once and waits: a copy of a model that is asked again is a
fork of it, as is a run that is to be killed (`killed`). It has seen no model, no row and nothing of
the test.
"""

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recbench.evaluation import fresh_process

_TESTS = str(Path(__file__).parents[1])

FORKS = multiprocessing.get_context("forkserver")
"""Where forks are made; a process has one such server, which loads all that any of them needs."""
FORKS.set_forkserver_preload(
    [
        *("recbench.experiment", "recbench_baselines.ilora", "recbench_baselines.sasrec"),
        *("torch._dynamo", "pandas", "pyarrow.parquet", "scipy.stats", "peft"),
        "transformers.models.llama.modeling_llama",
    ]
)

DEVNULL = subprocess.DEVNULL


def run(
    command: Sequence[str], *, env: dict[str, str], **_: Any
) -> subprocess.CompletedProcess[str]:
    """Do what `recbench.evaluation.fresh_process` has `subprocess.run` do."""
    folder = command[-2]
    with tempfile.NamedTemporaryFile() as errors:
        copy = FORKS.Process(target=_answer, args=(folder, env, os.getcwd(), errors.name))
        copy.start()
        copy.join()
        said = Path(errors.name).read_text(errors="replace")
    assert copy.exitcode is not None
    return subprocess.CompletedProcess(command, copy.exitcode, "", said)


def _answer(folder: str, env: dict[str, str], place: str, errors: str) -> None:
    """Answer where a process of its own would be, which finds modules as it would."""
    os.chdir(place)
    os.environ.clear()
    os.environ.update(env)
    given = [one for one in env.get("PYTHONPATH", "").split(os.pathsep) if one]
    sys.path[:] = given + [one for one in sys.path if not one.startswith(_TESTS)]
    os.dup2(os.open(errors, os.O_WRONLY), 2)
    fresh_process.main(Path(folder))
