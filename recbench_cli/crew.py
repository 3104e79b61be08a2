"""Who runs the cells that a command lacks: workers on this machine, or those of a cluster."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recbench_cli.options import say
from recbench_cli.parsing import devices_of

if TYPE_CHECKING:
    from recbench.cells.cell import Cell
    from recbench.cells.process import Ended
    from recbench.request import Experiment
    from recbench.sent_files import Files
    from recbench.studies.cells import Place

Fetch = Annotated[
    bool,
    typer.Option(
        "--fetch", help="With --scheduler: its workers share no folder, and send finished runs."
    ),
]


@dataclass(frozen=True)
class Crew:
    """
    Workers, as the options of a command say.

    Attributes
    ----------
    device
        Devices parted by commas.
    workers
        Cells at a time on this machine; None is one a device.
    scheduler
        Address of a cluster; None for this machine.
    fetch
        Whether its workers share no folder with this machine, and send finished runs.
    results, cache, data_dir
        Folders; `data_dir` is None where there is none. Workers of a cluster are handed a cache
        that is not this machine's own.
    """

    device: str
    workers: int | None
    scheduler: str | None
    fetch: bool
    results: Path
    cache: Path
    data_dir: Path | None

    def check(self) -> None:
        """Refuse what does not go together, before anything is run."""
        from recbench.errors import UserError

        if self.fetch and self.scheduler is None:
            raise UserError("--fetch is of the workers of a cluster; name it by --scheduler")
        if self.scheduler is not None:
            _check_cluster(self.workers, devices_of(self.device))
        else:
            self.places()

    def check_apart(self, missing: "Sequence[Place]") -> None:
        """
        Refuse cells whose runs could not be taken from workers that share no folder.

        Each is trained in a folder of its own. A training that is made twice is not the same twice,
        and a run belongs to one that asked it.
        """
        from recbench.errors import UserError
        from recbench.studies.cells import name

        if not self.fetch:
            return
        datasets = sorted({one.cell.dataset for one in missing})
        if self.data_dir is not None and len(datasets) > 1:
            raise UserError(
                f"--data-dir is of one dataset, and with --fetch runs of {' and '.join(datasets)} "
                "are compared with their data: leave it out, after recbench data prepare"
            )
        first: dict[Path, Experiment] = {}
        for one in missing:
            if one.training.exists():
                raise UserError(
                    f"--fetch would train {name(one.cell)} anew, of which {one.training} is here "
                    "already: run it on this machine, without --scheduler"
                )
            if (other := first.setdefault(one.training, one.cell)) is not one.cell:
                raise UserError(
                    f"--fetch would train {name(one.cell)} and {name(other)} each by itself, and "
                    "they ask one training: have the workers share a folder, without --fetch"
                )

    def places(self) -> list[str]:
        """Return the device of each worker on this machine."""
        from recbench.cells.local import shared_out

        return shared_out(devices_of(self.device), self.workers)

    def run(self, wanted: "Sequence[Experiment]") -> "dict[Cell, Ended]":
        """
        Run cells, each in a process of its own; one that was killed goes on where it stopped.

        Returns
        -------
        dict of Cell to Ended
            Those that failed, and how; the others were run nevertheless.
        """
        from recbench.cells.board import Board
        from recbench.cells.cluster import Cluster
        from recbench.cells.fill import fill
        from recbench.cells.local import Local

        if not wanted:
            return {}
        if self.scheduler is not None:
            board = Board(len(wanted), say, live=True)
            first = devices_of(self.device)[0]
            far = Cluster(self.scheduler, self._shared(), first, board, say, self._takes())
            held = self._held()
            behind = sorted(wanted, key=lambda one: _said(one) in held)
            return fill([self._far(one) for one in behind], far, board)
        devices = self.places()[: len(wanted)]  # others would have a share of the cores for nothing
        board = Board(len(wanted), say, live=len(devices) > 1)
        cells = {_cell(one): one for one in wanted}
        near = Local(devices, board, lambda cell: self._is_held(cells[cell]))
        return fill([*cells], near, board)

    def _is_held(self, one: "Experiment") -> bool:
        """Tell whether a process works on a run by now, as far as its arguments tell."""
        return _said(one) in self._held()

    def _held(self) -> list[list[str]]:
        """Return the arguments of the runs that processes work on by now."""
        from recbench.runs.unfinished import unfinished

        begun = [run.begun for run in unfinished(self.results) if run.process and run.begun]
        return [_without_device(run.arguments) for run in begun]

    def _far(self, one: "Experiment") -> "Cell":
        """Return the cell of an experiment that is run where another folder is the current one."""
        from recbench.models import class_at_hand

        raw = {
            field: folder.absolute()  # with its links: they may lead elsewhere on a worker
            for field in ("data_dir", "train_data_dir")
            if (folder := getattr(one, field)) is not None
        }
        folders = {"results": None, "cache": None, **self._shared()}
        found = class_at_hand(one.model)
        uses_gpu = found is None or found.uses_gpu  # it may be there, where it is run
        return _cell(one.model_copy(update={**raw, **folders}), uses_gpu)

    def _shared(self) -> dict[str, Path]:
        """Return the folders that the workers of a cluster share with this machine, by option."""
        from recbench.runs.places import cache_folder

        if self.fetch:
            return {}
        shared = {"results": self.results.absolute()}
        if self.cache != cache_folder():  # else each machine has its own
            shared["cache"] = self.cache.absolute()
        return shared

    def _takes(self) -> "Callable[[Files], None] | None":
        """Return what takes the runs that workers send; None where they write them here."""
        from functools import partial

        from recbench.runs.remade_question import Questions
        from recbench.submission.importing import take_files

        if not self.fetch:
            return None
        questions = Questions(self.cache, self.data_dir, say)
        return partial(take_files, results=self.results, questions=questions)


def _said(one: "Experiment") -> list[str]:
    """Return what a run that has begun says that it was asked; of what cannot be run, nothing."""
    from recbench.errors import RecbenchError
    from recbench.stages import asked_protocol

    try:
        protocol = asked_protocol(one).name
    except RecbenchError:
        return []
    return one.model_copy(update={"protocol": protocol, "device": "auto"}).goes_on


def _without_device(arguments: "Sequence[str]") -> list[str]:
    at = arguments.index("--device") if "--device" in arguments else len(arguments)
    return [*arguments[:at], *arguments[at + 2 :]]


def _cell(one: "Experiment", uses_gpu: bool = False) -> "Cell":
    from recbench.cells.cell import Cell
    from recbench.studies.cells import name

    return Cell(name(one), tuple(one.arguments), uses_gpu)


def _check_cluster(workers: int | None, devices: Sequence[str]) -> None:
    from recbench.cells.cluster import check_installed
    from recbench.errors import UserError

    if workers is not None:
        raise UserError("--scheduler has workers of its own; leave out --workers")
    if len(devices) > 1 or devices[0] not in ("auto", "cpu", "cuda"):
        raise UserError(
            "with --scheduler give --device auto, cpu or cuda: which GPU is a worker's own is said "
            "where it is started, by CUDA_VISIBLE_DEVICES"
        )
    check_installed()


def raise_for(failed: "Mapping[Cell, Ended]", also: str = "") -> None:
    """Fail where cells failed, each with its line; where all say so, it is the user's mistake."""
    from recbench.errors import RecbenchError, UserError

    if failed:
        mistake = {how.code for how in failed.values()} == {UserError.exit_code}
        names = "; ".join(f"{cell.name} ({how.words})" for cell, how in failed.items())
        said = f"{len(failed)} cell{'s' * (len(failed) > 1)} failed: {names}"
        if mistake:
            raise UserError(said)
        raise RecbenchError(f"{said}; the same command tries them again{also}")
