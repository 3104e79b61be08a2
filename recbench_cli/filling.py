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
        from recbench.cells.cell import wanted
        from recbench.cells.cluster import Cluster
        from recbench.cells.fill import fill
        from recbench.cells.local import Local, shared_out

        models, datasets = self.chosen["model"], self.chosen["dataset"]
        devices = devices_of(self.device)
        on_gpu = [one for one in models if self.scheduler and _model(one).uses_gpu]
        cells = wanted(models, datasets, range(self.seeds), self._arguments(), on_gpu)
        if self.scheduler is not None:
            cells = self._missing(cells) if self.fetch else cells
            board = Board(len(cells), say, live=True)
            own = self.scheduler, self.results, devices[0], board, say, self._takes()
            return fill(cells, Cluster(*own), board)
        devices = shared_out(devices, self.workers)
        board = Board(len(cells), say, live=len(devices) > 1)
        return fill(cells, Local(devices, board), board)

    def _missing(self, cells: "Sequence[Cell]") -> "list[Cell]":
        """Leave out the cells whose runs are here, which no worker could see."""
        from recbench.runs.store import finished
        from recbench.studies.cells import located

        wanted = located(experiments := self._experiments(), say)
        lacking = [one for place, one in wanted.items() if finished(place) is None]
        return [cell for cell, one in zip(cells, experiments, strict=True) if one in lacking]

    def _takes(self) -> "Callable[[Mapping[str, bytes]], None] | None":
        """Return what takes the runs that workers send; None where they write them here."""
        from functools import partial

        from recbench.runs.remade_question import Questions
        from recbench.submission.importing import take_files

        if not self.fetch:
            return None
        questions = Questions(self.cache, self.data_dir, say)
        return partial(take_files, results=self.results, questions=questions)

    def _arguments(self) -> list[str]:
        """Write what all cells have for `recbench run`; what was not given is left to it."""
        far = self.scheduler is not None  # where another folder is the current one
        return arguments(
            {
                "--protocol": self.protocol,
                "--draws": self.draws,
                "--pack-seed": self.pack_seed,
                "--train-fraction": self.train_fraction,
                "--train-dataset": self.train_dataset,
                "--data-dir": self.data_dir.resolve() if far and self.data_dir else self.data_dir,
                "--preset": self.preset,
                "--llm": self.llm,
                "--set": self.changes or None,
                **({} if self.fetch else self._folders(far)),
            }
        )

    def _folders(self, far: bool) -> dict[str, Path]:
        folders = {"--results": self.results, "--cache": self.cache}
        return {option: one.resolve() if far else one for option, one in folders.items()}

    def _experiments(self) -> "list[Experiment]":
        from recbench.experiment import Experiment

        settings = settings_of(self.changes or [], self.llm)
        given: dict[str, Any] = {
            "protocol": self.protocol,
            "draws": self.draws,
            "pack_seed": self.pack_seed,
            "train_fraction": self.train_fraction,
            "train_dataset": self.train_dataset,
            "data_dir": self.data_dir,
            "preset": self.preset,
        }
        shared = {name: value for name, value in given.items() if value is not None}
        places: dict[str, Any] = {"results": self.results, "cache": self.cache}
        return [
            Experiment(
                model=model, dataset=dataset, seed=seed, settings=settings, **shared, **places
            )
            for dataset in self.chosen["dataset"]
            for model in self.chosen["model"]
            for seed in range(self.seeds)
        ]


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
    from recbench.experiment import recommender_class
    from recbench.registry import blamed_if_at_fault

    with blamed_if_at_fault("models", name):
        return recommender_class(name)


def arguments(options: Mapping[str, Any]) -> list[str]:
    """
    Write options for `recbench run`; those that were not given are left to its defaults.

    One with a list of values is given once for each.
    """
    pairs = [
        (option, str(one))
        for option, value in options.items()
        if value is not None
        for one in (value if isinstance(value, list) else [value])
    ]
    return [word for pair in pairs for word in pair]


def raise_for(failed: "Mapping[Cell, Ended]") -> None:
    """Fail where cells failed, each with its line; where all say so, it is the user's mistake."""
    from recbench.errors import RecbenchError, UserError

    if failed:
        mistake = {how.code for how in failed.values()} == {UserError.exit_code}
        names = "; ".join(f"{cell.name} ({how.words})" for cell, how in failed.items())
        raise (UserError if mistake else RecbenchError)(
            f"{len(failed)} cell{'s' * (len(failed) > 1)} failed: {names}"
        )
