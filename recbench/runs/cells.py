"""Fill the cells of a leaderboard: one process a cell, one cell a device at a time."""

import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from recbench.leash import LEASH, Leash


@dataclass(frozen=True)
class Cell:
    """
    One run that is wanted.

    Attributes
    ----------
    name
        For the user.
    arguments
        Of ``recbench run``, without the device.
    """

    name: str
    arguments: tuple[str, ...]


def wanted(
    models: Sequence[str], datasets: Sequence[str], seeds: Iterable[int], shared: Sequence[str]
) -> list[Cell]:
    """
    Name every cell of models x datasets x seeds, seeds running fastest.

    Parameters
    ----------
    models, datasets, seeds
        What to cross.
    shared
        Arguments of ``recbench run`` that all cells have.
    """
    return [
        Cell(
            f"{model} on {dataset}, seed {seed}",
            ("--model", model, "--dataset", dataset, "--seed", str(seed), *shared),
        )
        for dataset in datasets
        for model in models
        for seed in seeds
    ]


def fill(
    cells: Sequence[Cell], devices: Sequence[str], report: Callable[[str], None]
) -> dict[Cell, int]:
    """
    Run every cell; one whose record stands already is found finished by ``recbench run`` itself.

    Parameters
    ----------
    cells
        In the order in which they are started.
    devices
        At least one, each works on one cell at a time.
    report
        Told of every cell that begins, ends or fails.

    Returns
    -------
    dict of Cell to int
        Those that failed, with their exit codes; the others were run nevertheless.
    """
    waiting: queue.SimpleQueue[Cell] = queue.SimpleQueue()
    for cell in cells:
        waiting.put(cell)
    failed: dict[Cell, int] = {}
    stop, leash = threading.Event(), Leash()

    def work(device: str) -> None:
        while not stop.is_set():
            try:
                cell = waiting.get_nowait()
            except queue.Empty:
                return
            report(f"{cell.name} on {device}: begun")
            # With several at once their progress bars would overwrite each other.
            code, end = _run(cell, device, leash, quiet=len(devices) > 1)
            if code:
                failed[cell] = code
            report(f"{cell.name} on {device}: {end}")

    threads = [threading.Thread(target=work, args=(device,)) for device in devices]
    for thread in threads:
        thread.start()
    with leash:
        try:
            for thread in threads:
                thread.join()
        except KeyboardInterrupt:
            # The cells leave folders behind that can be gone on with.
            stop.set()
            leash.let_go()
            for thread in threads:
                thread.join()
            raise
    return failed


def _run(cell: Cell, device: str, leash: Leash, quiet: bool) -> tuple[int, str]:
    """Run one cell; return its exit code and how it ended, in words."""
    done = subprocess.run(
        [
            sys.executable,
            "-P",
            "-m",
            "recbench_cli.main",
            "run",
            *cell.arguments,
            "--device",
            device,
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE if quiet else None,
        text=True,
        check=False,
        env=os.environ | {LEASH: str(leash.end)},
        pass_fds=(leash.end,),
    )
    if done.returncode == 0:
        return 0, "done"
    said = (done.stderr or "").strip().splitlines()
    end = f"failed with exit code {done.returncode}" + (f": {said[-1]}" if said else "")
    return done.returncode, end
