"""Across language models: how good each is with one LoRA, and what iLoRA adds."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from recbench.experiment import Experiment
from recbench.runs.leaderboard import Row, leaderboard
from recbench.runs.store import Run
from recbench.statistics.best import all_pairs
from recbench.studies.bars import bars
from recbench.studies.points import Point, difference, frame, only_table, value
from recbench.studies.study import Asked, Study

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame


class Backbone(Study):
    """
    LLaRA and iLoRA on every language model that ``--llm`` names, parted by commas.

    All learn from as many rows, those of the built-in one where it is among them. The intervals of
    iLoRA's differences hold for all language models at once (Bonferroni).
    """

    question = "What do the language models make of one LoRA, and does iLoRA gain on each?"
    compares = "llms"
    place = "the review of iLoRA: other language models than Llama2-7B"

    def cells(self, asked: Asked) -> list[Experiment]:
        """Return both models with every language model and seed."""
        return [
            asked.cell(model, seed, llm=llm)
            for llm in asked.llms
            for model in ("llara", "ilora")
            for seed in range(asked.seeds)
        ]

    def data(self, runs: Sequence[Run], asked: Asked) -> "DataFrame":
        """Return the figures, and iLoRA's difference to LLaRA on each language model."""
        rows = only_table(runs).rows
        points = [
            point
            for row in sorted(rows, key=lambda one: str(one.record.settings["llm"]))
            for point in value(row, llm=row.record.settings["llm"], against=None)
        ]
        named = {row.record.row: row for row in rows}  # as among all language models
        for llm in asked.llms:
            its = [run for run in runs if run.record.settings["llm"] == llm]
            points += _gain(its, llm, named, len(asked.llms))
        return frame(points)

    def figure(self, data: "DataFrame") -> "Figure":
        """Draw the figures, and the gain over LLaRA on the line of iLoRA."""
        figure = bars(data)
        name = data["figure"].iloc[0]
        figure.axes[1].set_xlabel(f"{name} less llara's\nwith the same model")
        return figure


def _gain(runs: Sequence[Run], llm: str, named: Mapping[str, Row], llms: int) -> list[Point]:
    points: list[Point] = []
    for table in leaderboard(runs):
        rows = {row.record.model: number for number, row in enumerate(table.rows)}
        if len(rows) == 2 and table.differences is not None:
            for pair in all_pairs(table.differences, baseline=rows["llara"], families=llms):
                a, b = (named[table.rows[one].record.row] for one in (pair.a, pair.b))
                points += difference(a, b, pair, llm=llm)
    return points
