"""How much data a system needs: nested parts of the training users."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from recbench.request import Experiment
from recbench.runs.leaderboard import rows_of
from recbench.runs.store import Run
from recbench.studies.cells import part_of_rows
from recbench.studies.drawing import intervals, legend, looks, sheet
from recbench.studies.points import frame, value
from recbench.studies.study import Asked, Study

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

FRACTIONS = (0.1, 0.25, 0.5, 0.75, 1.0)


class DataSize(Study):
    """
    Every model on 10, 25, 50, 75 and 100% of the training users; each part is in the next.

    A language model that learns from a number of rows learns from the same part of that number: it
    would otherwise see as many rows of few users as of all. Which users are kept is drawn once, so
    the intervals say nothing of other users that could have been.
    """

    question = "How much does each system learn from less data?"
    place = "iLoRA's rebuttal: training data cut by 25, 50, 75 and 90%"
    models = ("popularity", "sasrec", "ilora")
    cut = "25 and 75% of the users"

    def cells(self, asked: Asked) -> list[Experiment]:
        """Return every model with every seed on every part."""
        parts = FRACTIONS[::2] if asked.quick else FRACTIONS
        return [
            part_of_rows(cell, part).model_copy(update={"train_fraction": part})
            for part in parts
            for cell in asked.of_all_models()
        ]

    def data(self, runs: Sequence[Run], asked: Asked) -> "DataFrame":
        """Return the figure of every model on every part."""
        points = []
        for model in dict.fromkeys(run.record.model for run in runs):
            for row in rows_of([run for run in runs if run.record.model == model]):
                percent = round(100 * row.record.training.fraction, 1)
                points += value(row, model=model, users_percent=percent)
        return frame(sorted(points, key=lambda one: (one["model"], one["users_percent"])))

    def figure(self, data: "DataFrame") -> "Figure":
        """Draw the figure of every model by the part it learnt from."""
        figure, (axes,) = sheet()
        kinds = looks(list(data["model"]))
        for number, (name, look) in enumerate(kinds.items()):
            some = data[data["model"] == name]
            at = some["users_percent"] + number - (len(kinds) - 1) / 2
            intervals(axes, at, some, label=name, **look | {"linestyle": "-"})
        axes.set_xticks(sorted(set(data["users_percent"])))
        axes.set_xlabel("training users learnt from (%)")
        axes.set_ylabel(f"{data['figure'].iloc[0]} (share of questions)")
        legend(figure, axes)
        return figure
