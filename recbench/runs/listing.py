"""Runs as `recbench runs` lists and shows them: finished ones, and what the others have to do."""

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recbench.errors import DataError, UserError
from recbench.plain_text import printable
from recbench.runs.command import command
from recbench.runs.evidence import RECORD, of_today
from recbench.runs.examples import EXAMPLES
from recbench.runs.leftovers import measured
from recbench.runs.store import CHECKPOINTS, Run, finished, origin, run_folders
from recbench.runs.text import DASH, grid
from recbench.runs.unfinished import Unfinished, unfinished

Fields = dict[str, Any]

MINUTE, HOUR, DAY = 60, 3_600, 86_400

ANSWERS = "ANSWERS"
"""Stands in a command for a file of answers, of which no record says where it was."""


@dataclass(frozen=True)
class Listed:
    """
    A run, or a training of which no run is known.

    Attributes
    ----------
    folder
        Where it lies.
    state
        ``finished``, and from where if it was imported; or the stage that it has come to.
    left
        How far that has come; empty for nothing to say.
    age
        Seconds since it was last written to.
    size
        Bytes of what it holds.
    """

    folder: Path
    state: str
    left: str
    age: float
    size: int

    def fields(self, root: Path) -> Fields:
        """Return JSON values."""
        own = {"run": self.folder.relative_to(root).as_posix(), "state": self.state}
        return {**own, "left": self.left, "age_seconds": round(self.age), "bytes": self.size}


def listed(results: Path) -> list[Listed]:
    """List what is below a results folder: the unfinished first."""
    begun = [_unfinished(one) for one in unfinished(results)]
    done = [_finished(folder) for folder in run_folders(results)]
    return [*begun, *done]


def _unfinished(run: Unfinished) -> Listed:
    size, age = measured(run.kept)
    by = f", process {run.process} works on it" if run.process else ""
    anew = ", anew: a finished one stands" if run.anew else ""
    return Listed(run.folder, f"{run.stage}{by}{anew}", run.done, age, size)


def _finished(folder: Path) -> Listed:
    size, age = measured([folder / RECORD, folder / EXAMPLES])
    came = origin(folder)
    state = "finished" if came is None else f"finished, imported from {came.source}"
    return Listed(folder, state, "", age, size)


def as_table(found: Sequence[Listed], root: Path) -> str:
    """Lay a list out for a terminal."""
    lines = [
        [
            printable(one.folder.relative_to(root).as_posix()),
            printable(one.state),
            one.left or DASH,
            age_in_words(one.age),
            size_in_words(one.size),
        ]
        for one in found
    ]
    return grid(["run", "state", "done", "age", "size"], lines)


def named(results: Path, name: str) -> Run | Unfinished:
    """
    Find a run by its folder, wherever that is, or below `results` by how its id begins.

    Raises
    ------
    UserError
        If there is none, or several begin so.
    DataError
        If it is finished and its record is not to be trusted.
    """
    begun = {one.folder: one for one in unfinished(results)}
    there = sorted({*begun, *run_folders(results)})
    path = Path(name)
    exact = [one for one in there if one.resolve() == path.resolve()]
    if not exact and (elsewhere := _elsewhere(path)) is not None:
        return elsewhere
    fits = exact or [
        one
        for one in there
        if one.name.startswith(name) or one.relative_to(results).as_posix() == name
    ]
    if len(fits) != 1:
        what = f"{len(fits)} runs" if fits else "no run"
        few = ": " + ", ".join(one.relative_to(results).as_posix() for one in fits[:3])
        raise UserError(
            f"{what} below {results} {'begin' if fits else 'begins'} with {printable(name)!r}"
            f"{few if fits else ''}; see: recbench runs list"
        )
    (folder,) = fits
    if folder in begun:
        return begun[folder]
    run = finished(folder)
    if run is None:
        raise DataError(f"{folder / RECORD} has just gone; see: recbench runs list")
    return run


def _elsewhere(path: Path) -> Run | Unfinished | None:
    """Return the run in a folder of other results; None where there is none."""
    if (path / CHECKPOINTS).is_dir():
        for root in Path(os.path.abspath(path)).parents[3:4]:
            for one in unfinished(root):
                if one.folder.samefile(path):
                    return one
    return finished(path)


def root_of(run: Run | Unfinished) -> Path:
    """Return the folder of results that a run lies in."""
    return Path(os.path.abspath(run.folder)).parents[3]


def shown(run: Run | Unfinished, places: Sequence[str]) -> Fields:
    """
    Describe one run: where it stands, its settings, and the command that makes it or goes on.

    Parameters
    ----------
    run
        Of `named`.
    places
        Arguments of that command that name the folders of results and cache.
    """
    if isinstance(run, Run):
        record, came = of_today(run.folder, run.record), origin(run.folder)
        return {
            "run": str(run.folder),
            "state": "finished",
            **({} if came is None else {"imported": came.words}),
            "settings": record.settings,
            "seed": record.seed,
            "metrics": {name: one.model_dump() for name, one in record.telling.items()},
            "command": " ".join([command(record, ANSWERS), shlex.join(places)]).strip(),
        }
    told = {"run": str(run.folder), "state": run.stage, "done": run.done, "process": run.process}
    if run.begun is None:
        return told
    setup, fresh = run.begun.setup, ["--fresh"] if run.anew else []
    words = ["recbench", "run", *run.begun.arguments, *fresh, *places]
    own = {"settings": setup.settings, "seed": setup.seed}
    return told | own | {"command": shlex.join(words)}


def size_in_words(size: int) -> str:
    """Write a number of bytes."""
    number = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:,.1f} TB"


def age_in_words(seconds: float) -> str:
    """Write how long ago something was."""
    for unit, length in (("days", DAY), ("h", HOUR), ("min", MINUTE)):
        if seconds >= (2 * length if unit == "days" else length):
            return f"{seconds / length:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"
