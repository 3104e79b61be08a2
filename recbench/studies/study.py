"""
What a study is: one step of an argument, with the runs that it stands on, a table and a figure.

A study comes in through the door that any package can use:

1. write a class that fulfils `Study` (or `Reading`, which runs nothing and is only printed);
2. in your package's ``pyproject.toml``, under ``[project.entry-points."recbench.studies"]``,
   write ``mystudy = "my_package.my_module:MyStudy"``;
3. ``pip install`` your package: ``recbench study`` lists it, ``recbench study mystudy`` runs it.

Its cells are experiments as anyone's, so one that stands already, made by another study or for the
leaderboard, is found again. What is common to all is written once: `recbench.studies.cells` finds
the cells, `recbench.studies.points` makes lines of rows, `recbench.studies.drawing` draws,
`recbench.studies.folder` writes.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from recbench.defaults import DRAWS
from recbench.llm.cards import usual_tuning
from recbench.models import class_at_hand
from recbench.registry import if_usable
from recbench.request import Experiment
from recbench.runs.sheet import Sheet
from recbench.runs.store import Run
from recbench.runs.text import Format, Layout, laid_out

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

MECHANISM = "tiny"
"""
The built-in language model, which tests mechanisms. Those that it is compared with are tuned on as
many rows as it is; ``--set examples=...`` says otherwise.
"""


def silent(_: str) -> None:
    """Report to nobody."""


def language_model(named: str) -> tuple[str, dict[str, str]]:
    """
    Return a language model, and the settings of its own that it is named with.

    Examples
    --------
    >>> language_model("smollm2:prompt_style=chat")
    ('smollm2', {'prompt_style': 'chat'})
    """
    name, *settings = re.split(r":(?=\w+=)", named)
    return name, dict(one.split("=", 1) for one in settings)


def _rows_of(llm: str) -> dict[str, float | int]:
    """Return the setting of how many rows a card names; none of a card that cannot be had."""
    usual = if_usable(partial(usual_tuning, llm)) or {}
    return {name: value for name, value in usual.items() if name == "examples"}


@dataclass(frozen=True)
class Asked:
    """
    What a user asks of a study.

    Attributes
    ----------
    dataset
        Registered name.
    llms
        Language models, as `language_model` reads them; all studies but those that compare several
        take the first.
    models
        Registered names, the study's own unless the user names others.
    seeds
        Training seeds, 0 to `seeds` - 1.
    draws
        Of each example's negatives.
    quick
        Whether a part of the cells does.
    settings
        Of every language model, on top of the study's.
    others
        More datasets, for a study that needs several.
    data_dir, results, cache
        As in `Experiment`.
    device
        Where a study looks into models itself, as in `Experiment`.
    report
        Told a line where a model that a study looks into may answer otherwise than for its run.
    listing
        Whether cells are only to be counted: then no data are read to name them.
    """

    dataset: str
    llms: tuple[str, ...] = (MECHANISM,)
    models: tuple[str, ...] = ()
    seeds: int = 1
    draws: int = DRAWS
    quick: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)
    others: tuple[str, ...] = ()
    data_dir: Path | None = None
    results: Path | None = None
    cache: Path | None = None
    device: str = "auto"
    report: Callable[[str], None] = field(default=silent)
    listing: bool = False

    def cell(
        self,
        model: str,
        seed: int,
        settings: Mapping[str, Any] | None = None,
        llm: str | None = None,
        **fields: Any,
    ) -> Experiment:
        """
        Describe one run.

        Parameters
        ----------
        model, seed
            Of the run.
        settings
            What the study sets.
        llm
            The language model, where it is not the first of `llms`; of a model that has none it
            changes nothing.
        **fields
            Of `Experiment`, in the place of what is asked of all cells.
        """
        own: dict[str, Any] = {}
        found = class_at_hand(model)
        if "llm" in (known := {} if found is None else found.settings_class.model_fields):
            own["llm"], its = language_model(llm or self.llms[0])
            if "examples" in known and MECHANISM in {language_model(one)[0] for one in self.llms}:
                own |= _rows_of(MECHANISM)
            own |= {**self.settings, **its}
        asked: dict[str, Any] = {
            "dataset": self.dataset,
            "draws": self.draws,
            "data_dir": self.data_dir,
            "results": self.results,
            "cache": self.cache,
        }
        given = {"settings": own | dict(settings or {}), "model": model, "seed": seed}
        return Experiment(**(asked | given | fields))

    def of_all_models(self, **fields: Any) -> Iterator[Experiment]:
        """Describe a run of every model and seed; `fields` as for `cell`."""
        for model in self.models:
            for seed in range(self.seeds):
                yield self.cell(model, seed, **fields)


class Study(ABC):
    """
    A study that runs what it lacks.

    Attributes
    ----------
    question
        In one sentence.
    place
        Where the paper of iLoRA (arXiv 2408.10159) or its review asks it, or who else does.
    models
        Those that it is of unless the user names others; empty where they are the study's own.
    seeds
        How many trainings of each cell there are unless the user says otherwise.
    cut
        What ``--quick`` leaves out, besides all seeds but one.
    varies
        Settings of language models that are what it compares, which ``--set`` may not set.
    compares
        Whether it takes several ``"llms"`` or ``"datasets"``; empty for one of each.
    titles
        Columns of its data that hold titles of the dataset, which a published copy is without.
    note
        What must be known of its points besides, below the table; empty for nothing.
    """

    question: ClassVar[str]
    place: ClassVar[str]
    models: ClassVar[tuple[str, ...]] = ()
    seeds: ClassVar[int] = 3
    cut: ClassVar[str] = ""
    varies: ClassVar[tuple[str, ...]] = ()
    compares: ClassVar[Literal["", "llms", "datasets"]] = ""
    titles: ClassVar[tuple[str, ...]] = ()
    note: ClassVar[str] = ""

    @abstractmethod
    def cells(self, asked: Asked) -> list[Experiment]:
        """Return what must be run; a cell that is named twice counts once."""

    @abstractmethod
    def data(self, runs: Sequence[Run], asked: Asked) -> "DataFrame":
        """
        Work out what is shown, a line a point: see `recbench.studies.points`.

        A study that needs more than records (weights, gradients) works here on the models that the
        runs have kept (`recbench.studies.kept.kept`).

        Parameters
        ----------
        runs
            Those of the cells that are finished; at least one.
        asked
            What was asked.
        """

    @abstractmethod
    def figure(self, data: "DataFrame") -> "Figure":
        """Draw the data, and nothing else: what a figure needs to know stands in them."""

    def part(self, point: Mapping[str, Any]) -> str:
        """
        Say which part of the test rows or which figure a point is of, where a system has several.

        The words follow the system's name where something must be known of the point; empty where a
        system has one figure for each question, of all test rows.
        """
        return ""

    def table(self, data: "DataFrame", layout: Layout = "markdown") -> str:
        """Write the data, a line a point, and what must be known of them."""
        from recbench.studies.points import as_grid

        return laid_out(Sheet((as_grid(data), self.note)), layout)


class Reading(ABC):
    """A study that reads the records that are there, runs nothing and is only printed."""

    question: ClassVar[str]
    place: ClassVar[str]

    @abstractmethod
    def printed(self, runs: Sequence[Run], dataset: str, form: Format) -> str:
        """
        Write what the runs on a dataset say.

        Raises
        ------
        UserError
            Where they say nothing, with what would.
        """
