"""Several processes against one: gloo on a CPU, as a launcher would start them."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).with_name("side_by_side.py")

SHORT = ("sasrec", "sasrec-estimated", "esasrec", "bert4rec")


def start(count: int, *arguments: object) -> list[subprocess.Popen[str]]:
    """Start processes that know of each other, with a thread each."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = {"WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    return [
        subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            env=os.environ | shared | {"RANK": str(rank), "OMP_NUM_THREADS": "1"},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(count)
    ]


def ended(processes: list[subprocess.Popen[str]]) -> list[str]:
    """Return what each said on standard error; all must have ended well."""
    said = [process.communicate(timeout=1800)[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes), said
    return said


def compare(folder: Path, *names: str) -> None:
    """Train and ask in one process and in two, side by side to save time, and then compare."""
    ended(start(1, SCRIPT, folder / "1", "-", *names))
    ended(start(2, SCRIPT, folder / "2", folder / "1", *names))
    for name in names:
        one, two = folder / "1" / name, folder / "2" / name
        fits = [json.loads((place / "fit.json").read_text()) for place in (one, two)]
        assert [fit["processes"] for fit in fits] == [1, 2]
        assert fits[0]["steps"] == fits[1]["steps"]
        np.testing.assert_allclose(fits[0]["losses"], fits[1]["losses"], atol=1e-4)
        # Not weight by weight: attention does not depend on the bias of its keys, so what moves
        # that is rounding, which Adam makes as large as any step.
        scores = [np.load(place / "scores.npy") for place in (one, two)]
        np.testing.assert_allclose(*scores, atol=1e-4)
        np.testing.assert_array_equal(np.load(one / "ranks.npy"), np.load(two / "ranks.npy"))


def test_two_processes_learn_and_rank_as_one(tmp_path: Path) -> None:
    compare(tmp_path, *SHORT)


@pytest.mark.slow
def test_two_processes_tune_a_language_model_as_one(tmp_path: Path) -> None:
    compare(tmp_path, "ilora")
