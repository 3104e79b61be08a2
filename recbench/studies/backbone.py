"""Across language models: how good each is with one LoRA, and what iLoRA adds."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from recbench.errors import UserError
from recbench.request import Experiment
from recbench.runs.leaderboard import Row, leaderboard, row_named
from recbench.runs.record import RunRecord
from recbench.runs.store import Run
from recbench.settings import digest
from recbench.statistics.best import all_pairs
from recbench.studies.bars import bars
from recbench.studies.cells import at_hand, built
from recbench.studies.points import Point, difference, frame, model_of, only_table, value
from recbench.studies.required import check_settings
from recbench.studies.study import Asked, Study, language_model

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame


class Backbone(Study):
    """
    LLaRA and iLoRA on every language model that ``--llm`` names, parted by commas.

    One may be named again with settings of its own, ``smollm2:prompt_style=plain``: it is another
    then. All learn from as many rows, those of the built-in one where it is among them. Models are
    compared with the first of them on the same language model; the intervals of these differences
    hold for all language models at once (Bonferroni).
    """

    question = "What do the language models make of one LoRA, and does iLoRA gain on each?"
    models = ("llara", "ilora")
    compares = "llms"
    place = "the review of iLoRA: other language models than Llama2-7B"

    def cells(self, asked: Asked) -> list[Experiment]:
        """Return every model with every language model and seed."""
        for model in asked.models:
            check_settings(model, ("llm",))
            _check_apart(model, asked)
        return [
            asked.cell(model, seed, llm=llm)
            for llm in asked.llms
            for model in asked.models
            for seed in range(asked.seeds)
        ]

    def data(self, runs: Sequence[Run], asked: Asked) -> "DataFrame":
        """Return the figures, and the differences to the first model on each language model."""
        rows = only_table(runs).rows
        llms = {row.record.row: _llm(row.record, asked) for row in rows}
        points = [
            point
            for row in sorted(rows, key=lambda one: llms[one.record.row])
            for point in value(row, llm=llms[row.record.row], against=None)
        ]
        named = {row.record.row: row for row in rows}  # as among all language models
        for llm in asked.llms:
            its = [run for run in runs if llms[run.record.row] == llm]
            points += _gains(its, llm, named, asked)
        return frame(points)

    def figure(self, data: "DataFrame") -> "Figure":
        """Draw the figures, and the gain over the first model on the lines of the others."""
        figure, against = bars(data), data["against"].dropna()
        if len(against):
            name, first = data["figure"].iloc[0], model_of(against.iloc[0])
            figure.axes[1].set_xlabel(f"{name} less {first}'s\nwith the same model")
        return figure


def _check_apart(model: str, asked: Asked) -> None:
    """Refuse language models that are one, as with a setting that its card says, too."""
    named: dict[str, str] = {}
    for llm in asked.llms:
        made = at_hand(asked.cell(model, 0, llm=llm))
        own = llm if made is None else digest(made.settings.identity())
        if named.setdefault(own, llm) != llm:
            raise UserError(f"{llm} is {named[own]} as it is usually set; leave out one of them")


def _llm(record: RunRecord, asked: Asked) -> str:
    """Return the language model of a record as ``--llm`` names it, with settings of its own."""
    telling = {"llm", *(one for llm in asked.llms for one in language_model(llm)[1])}

    def is_its(llm: str) -> bool:
        wanted = built(asked.cell(record.model, record.seed, llm=llm)).settings.identity()
        return all(wanted.get(name) == record.settings.get(name) for name in telling)

    return next(filter(is_its, asked.llms))


def _gains(runs: Sequence[Run], llm: str, named: Mapping[str, Row], asked: Asked) -> list[Point]:
    points: list[Point] = []
    for table in leaderboard(runs):
        able = [row for row in table.rows if row.system is not None]
        first = row_named(able, asked.models[0])
        if first is not None and table.differences is not None:
            for pair in all_pairs(table.differences, baseline=first, families=len(asked.llms)):
                a, b = (named[able[one].record.row] for one in (pair.a, pair.b))
                points += difference(a, b, pair, llm=llm)
    return points
