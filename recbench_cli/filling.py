"""The runs that a table still lacks: told of beforehand, or run here or on a cluster."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from recbench_cli.crew import Crew
from recbench_cli.options import put, say
from recbench_cli.parsing import settings_of
from recbench_cli.records import Chosen, earlier_records

if TYPE_CHECKING:
    from recbench.cells.cell import Cell
    from recbench.cells.process import Ended
    from recbench.request import Experiment
    from recbench.runs.text import Format


@dataclass(frozen=True)
class Filling:
    """
    What is to be run, and by whom, as the options of ``recbench leaderboard --run`` say.

    Attributes
    ----------
    chosen
        Models and datasets among what tables are of.
    seeds
        Trainings of each.
    protocol, draws, pack_seed
        Of the question; None where they were not given.
    train_fraction, train_dataset, preset, llm, changes
        Likewise, of what is learnt.
    crew
        Who runs it, and in which folders.
    """

    chosen: Chosen
    seeds: int
    protocol: str | None
    draws: int | None
    pack_seed: int | None
    train_fraction: float | None
    train_dataset: str | None
    preset: str | None
    llm: str | None
    changes: list[str] | None
    crew: Crew

    def check(self) -> None:
        """Refuse what some cell would refuse before any is run, as far as that is known by then."""
        from recbench.errors import UserError
        from recbench.registry import if_usable

        for field in ("model", "dataset"):
            if field not in self.chosen:
                raise UserError(f"--run needs --{field}s")
        if self.crew.data_dir is not None and len(self.chosen["dataset"]) > 1:
            raise UserError("--data-dir is of one dataset; name one with --datasets")
        self.crew.check()
        settings = settings_of(self.changes or [], self.llm)
        if not settings and self.preset is None:
            return  # else models would be imported for nothing
        for model in self.chosen["model"]:
            try:
                if_usable(partial(_build, model, settings, self.preset))
            except UserError as error:
                raise UserError(f"{model}: {error}") from None

    def forecast(self, form: "Format") -> None:
        """Print which cells are there, and what the others would take."""
        from recbench.studies.forecast import forecast, render

        workers = len(self.crew.places())
        found = forecast(self._experiments(), earlier_records(self.crew.results))
        put(render(found, workers, form))

    def run(self) -> "dict[Cell, Ended]":
        """Run every cell; return those that failed, and how."""
        wanted = self._experiments()
        return self.crew.run(self._missing(wanted) if self.crew.fetch else wanted)

    def _missing(self, wanted: "Sequence[Experiment]") -> "list[Experiment]":
        """Leave out those whose runs are here, which no worker could see."""
        from recbench.runs.store import finished
        from recbench.studies.cells import located

        found, broken = located(wanted, say)
        missing = [place for folder, place in found.items() if finished(folder) is None]
        self.crew.check_apart(missing)
        return [*(place.cell for place in missing), *broken]

    def _experiments(self) -> "list[Experiment]":
        """Return every one of datasets x models x seeds, seeds fastest, but for like runs."""
        from recbench.request import Experiment

        given: dict[str, Any] = {
            "protocol": self.protocol,
            "draws": self.draws,
            "pack_seed": self.pack_seed,
            "train_fraction": self.train_fraction,
            "train_dataset": self.train_dataset,
            "data_dir": self.crew.data_dir,
            "preset": self.preset,
            "settings": settings_of(self.changes or [], self.llm),
            "results": self.crew.results,
            "cache": self.crew.cache,
        }
        shared = {name: value for name, value in given.items() if value is not None}
        first = [
            Experiment(model=model, dataset=dataset, **shared)
            for dataset in self.chosen["dataset"]
            for model in self.chosen["model"]
        ]
        return [
            one.model_copy(update={"seed": seed})
            for one in first
            for seed in range(self._seeds_of(one))
        ]

    def _seeds_of(self, one: "Experiment") -> int:
        """Return how many trainings a model has; one where another seed trains no other."""
        return self.seeds if self.seeds == 1 or _is_changed_by_seed(one) else 1


def _is_changed_by_seed(one: "Experiment") -> bool:
    """Tell whether another seed is another run; of what cannot be had each cell says why."""
    from recbench.errors import UserError
    from recbench.studies.cells import at_hand

    try:
        model = at_hand(one)
    except UserError:
        return True
    return model is None or model.random_training


def _build(name: str, settings: dict[str, str], preset: str | None) -> None:
    from recbench.models import recommender_class
    from recbench.registry import blamed_if_at_fault

    with blamed_if_at_fault("models", name):
        recommender_class(name).settings_class.build(settings, preset)
