"""The runs that a table still lacks: told of beforehand, or run here or on a cluster."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recbench_cli.options import put, say
from recbench_cli.parsing import devices_of, settings_of
from recbench_cli.records import Chosen, earlier_records

if TYPE_CHECKING:
    from recbench.cells.cell import Cell
    from recbench.cells.process import Ended
    from recbench.experiment import Experiment
    from recbench.runs.text import Format
    from recbench.sent_files import Files


@dataclass(frozen=True)
class Filling:
    """
    What is to be run, and where, as the options of ``recbench leaderboard --run`` say.

    Attributes
    ----------
    chosen
        Models and datasets among what tables are of.
    seeds
        Trainings of each.
    protocol, draws, pack_seed
        Of the question; None where they were not given.
    train_fraction, train_dataset, data_dir, preset, llm, changes
        Likewise, of what is learnt.
    device
        Devices parted by commas.
    workers
        Cells at a time; None where it was not given.
    scheduler
        Address of a cluster; None for this machine.
    fetch
        Whether its workers share no folder with this machine, and send finished runs.
    results, cache
        Folders.
    """

    chosen: Chosen
    seeds: int
    protocol: str | None
    draws: int | None
    pack_seed: int | None
    train_fraction: float | None
    train_dataset: str | None
    data_dir: Path | None
    preset: str | None
    llm: str | None
    changes: list[str] | None
    device: str
    workers: int | None
    scheduler: str | None
    fetch: bool
    results: Path
    cache: Path

    def check(self) -> None:
        """Refuse what some cell would refuse before any is run, as far as that is known by then."""
        from recbench.errors import UserError

        for field in ("model", "dataset"):
            if field not in self.chosen:
                raise UserError(f"--run needs --{field}s")
        if self.data_dir is not None and len(self.chosen["dataset"]) > 1:
            raise UserError("--data-dir is of one dataset; name one with --datasets")
        if self.fetch and self.scheduler is None:
            raise UserError("--fetch is of the workers of a cluster; name it by --scheduler")
        if self.scheduler is not None:
            _check_cluster(self.workers, devices_of(self.device))
        settings = settings_of(self.changes or [], self.llm)
        if not settings and self.preset is None:
            return  # else models would be imported for nothing
        for model in self.chosen["model"]:
            try:
                _model(model).settings_class.build(settings, self.preset)
            except UserError as error:
                raise UserError(f"{model}: {error}") from None

    def forecast(self, form: "Format") -> None:
        """Print which cells are there, and what the others would take."""
        from recbench.cells.local import shared_out
        from recbench.studies.forecast import forecast, render

        workers = len(shared_out(devices_of(self.device), self.workers))
        found = forecast(self._experiments(), earlier_records(self.results))
        put(render(found, workers, form))

    def run(self) -> "dict[Cell, Ended]":
        """Run every cell; return those that failed, and how."""
        from recbench.cells.board import Board
        from recbench.cells.cluster import Cluster
        from recbench.cells.fill import fill
        from recbench.cells.local import Local, shared_out

        wanted, devices = self._experiments(), devices_of(self.device)
        if self.scheduler is not None:
            cells = [self._far(one) for one in (self._missing(wanted) if self.fetch else wanted)]
            board = Board(len(cells), say, live=True)
            own = self.scheduler, self.results, devices[0], board, say, self._takes()
            return fill(cells, Cluster(*own), board)
        devices = shared_out(devices, self.workers)
        cells = [_cell(one) for one in wanted]
        board = Board(len(cells), say, live=len(devices) > 1)
        return fill(cells, Local(devices, board), board)

    def _missing(self, wanted: "Sequence[Experiment]") -> "list[Experiment]":
        """Leave out those whose runs are here, which no worker could see."""
        from recbench.runs.store import finished
        from recbench.studies.cells import located

        return [one for place, one in located(wanted, say).items() if finished(place) is None]

    def _far(self, one: "Experiment") -> "Cell":
        """Return the cell of an experiment that is run where another folder is the current one."""
        raw = self.data_dir.resolve() if self.data_dir else None
        shared = {"results": self.results.resolve(), "cache": self.cache.resolve()}
        places = dict.fromkeys(shared) if self.fetch else shared
        uses_gpu = _model(one.model).uses_gpu
        return _cell(one.model_copy(update={"data_dir": raw, **places}), uses_gpu)

    def _takes(self) -> "Callable[[Files], None] | None":
        """Return what takes the runs that workers send; None where they write them here."""
        from functools import partial

        from recbench.runs.remade_question import Questions
        from recbench.submission.importing import take_files

        if not self.fetch:
            return None
        questions = Questions(self.cache, self.data_dir, say)
        return partial(take_files, results=self.results, questions=questions)

    def _experiments(self) -> "list[Experiment]":
        """Return every one of datasets x models x seeds, seeds running fastest."""
        from recbench.experiment import Experiment

        given: dict[str, Any] = {
            "protocol": self.protocol,
            "draws": self.draws,
            "pack_seed": self.pack_seed,
            "train_fraction": self.train_fraction,
            "train_dataset": self.train_dataset,
            "data_dir": self.data_dir,
            "preset": self.preset,
            "settings": settings_of(self.changes or [], self.llm),
            "results": self.results,
            "cache": self.cache,
        }
        shared = {name: value for name, value in given.items() if value is not None}
        return [
            Experiment(model=model, dataset=dataset, seed=seed, **shared)
            for dataset in self.chosen["dataset"]
            for model in self.chosen["model"]
            for seed in range(self.seeds)
        ]


def _cell(one: "Experiment", uses_gpu: bool = False) -> "Cell":
    from recbench.cells.cell import Cell

    name = f"{one.model} on {one.dataset}, seed {one.seed}"
    return Cell(name, tuple(one.arguments), uses_gpu)


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


def _model(name: str) -> Any:
    from recbench.models import recommender_class
    from recbench.registry import blamed_if_at_fault

    with blamed_if_at_fault("models", name):
        return recommender_class(name)


def raise_for(failed: "Mapping[Cell, Ended]") -> None:
    """Fail where cells failed, each with its line; where all say so, it is the user's mistake."""
    from recbench.errors import RecbenchError, UserError

    if failed:
        mistake = {how.code for how in failed.values()} == {UserError.exit_code}
        names = "; ".join(f"{cell.name} ({how.words})" for cell, how in failed.items())
        raise (UserError if mistake else RecbenchError)(
            f"{len(failed)} cell{'s' * (len(failed) > 1)} failed: {names}"
        )
