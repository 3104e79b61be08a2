"""Whether it transfers: tuned on one dataset, asked about another."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from recbench.errors import UserError
from recbench.request import Experiment
from recbench.runs.leaderboard import leaderboard
from recbench.runs.store import Run
from recbench.studies.drawing import sheet
from recbench.studies.points import frame, model_of, value
from recbench.studies.study import Asked, Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from pandas import DataFrame


class CrossDomain(Study):
    """
    A model tuned on each of several datasets and asked about each; every model has a matrix.

    Where cells are only counted and no other dataset is named, they are of the one there is.
    """

    question = "Does what is learnt on one dataset help on another?"
    place = "iLoRA's rebuttal: trained on one domain, tested on another"
    models = ("ilora",)
    seeds = 1
    compares = "datasets"

    def cells(self, asked: Asked) -> list[Experiment]:
        """Return every model on every pair of datasets; UserError where only one is named."""
        datasets = tuple(dict.fromkeys((asked.dataset, *asked.others)))
        if len(datasets) < 2 and not asked.listing:
            raise UserError("cross-domain needs two datasets: name the others with --with A,B")
        own = {asked.dataset: asked.data_dir}  # of the others the cards' sources
        return [
            asked.cell(
                model,
                seed,
                dataset=judged,
                data_dir=own.get(judged),
                train_dataset=learnt,
                train_data_dir=own.get(learnt) if learnt != judged else None,
            )
            for model in asked.models
            for judged in datasets
            for learnt in datasets
            for seed in range(asked.seeds)
        ]

    def data(self, runs: Sequence[Run], asked: Asked) -> "DataFrame":
        """Return every model's figure of every pair."""
        return frame(
            point
            for table in leaderboard(runs)
            for row in sorted(table.rows, key=lambda one: one.label)
            for point in value(
                row,
                learnt_from=row.record.training.dataset or row.record.dataset,
                judged_on=row.record.dataset,
            )
        )

    def figure(self, data: "DataFrame") -> "Figure":
        """Draw a matrix a model, with the figures and their intervals written into it."""
        matrices = list(data.groupby(data["system"].map(model_of), sort=False))
        figure, all_axes = sheet(
            heights=[0.7 + 0.6 * some["learnt_from"].nunique() for _, some in matrices]
        )
        for axes, (model, some) in zip(all_axes, matrices, strict=True):
            _draw_matrix(axes, some)
            if len(matrices) > 1:
                axes.set_title(model)
        return figure


def _draw_matrix(axes: "Axes", data: "DataFrame") -> None:
    matrix = data.pivot(index="learnt_from", columns="judged_on", values="value")
    axes.imshow(matrix, cmap="cividis", vmin=0, vmax=1, aspect="auto")
    for _, one in data.iterrows():
        row = matrix.index.get_loc(one["learnt_from"])
        column = matrix.columns.get_loc(one["judged_on"])
        text = f"{one['value']:.3f}\n[{one['low']:.3f}, {one['high']:.3f}]"
        colour = "white" if one["value"] < 0.5 else "black"
        axes.text(column, row, text, ha="center", va="center", color=colour)
    axes.set_xticks(np.arange(len(matrix.columns)), matrix.columns)
    axes.set_yticks(np.arange(len(matrix)), matrix.index)
    axes.set_xlabel(f"asked about ({data['figure'].iloc[0]}, share of questions)")
    axes.set_ylabel("tuned on")
    axes.grid(visible=False)
