"""Whether K slices of one LoRA are as good as K whole LoRAs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from recbench.errors import UserError
from recbench.request import Experiment
from recbench.runs.store import Run
from recbench.studies.bars import with_differences
from recbench.studies.cost import cost, draw_against
from recbench.studies.drawing import legend, sheet
from recbench.studies.points import VALUE, frame, only_table
from recbench.studies.required import has_setting
from recbench.studies.study import Asked, Study

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame


ROUTINGS = ("soft", "top1")
"""Whole LoRAs weighed, and swapped."""


class Ensemble(Study):
    """
    Slices of one LoRA, one LoRA, and whole LoRAs that are weighed (soft) or swapped (top1).

    The others are compared with the first model; those with the setting ``routing`` are of whole
    LoRAs.
    """

    question = "Are K slices of one LoRA as good as K whole LoRAs, weighed or swapped?"
    place = "the review of iLoRA: a weighted sum of several whole LoRAs, missing there"
    models = ("ilora", "llara", "lora-ensemble")
    cut = "the swapped LoRAs"
    varies = ("routing",)

    def cells(self, asked: Asked) -> list[Experiment]:
        """Return every model with every seed, whole LoRAs with every routing."""
        if has_setting(first := asked.models[0], "routing"):
            raise UserError(
                f"{first} is weighed and swapped; name before it what both are compared with, such "
                "as ilora"
            )
        routed = [{"routing": one} for one in (ROUTINGS[:1] if asked.quick else ROUTINGS)]
        return [
            asked.cell(model, seed, settings)
            for model in asked.models
            for settings in (routed if has_setting(model, "routing") else ({},))
            for seed in range(asked.seeds)
        ]

    def data(self, runs: Sequence[Run], asked: Asked) -> "DataFrame":
        """Return the figures with what they cost, and differences to the first model."""
        table = only_table(runs, asked.models[0])
        costs = {row.label: cost(row) for row in table.rows}
        points = with_differences(table.rows, table.baseline)
        return frame(one | (costs[one["system"]] if one["kind"] == VALUE else {}) for one in points)

    def figure(self, data: "DataFrame") -> "Figure":
        """Draw the figure against parameters and time; differences are in the table."""
        figure, both = sheet(columns=2, share_y=True)
        shown = data[data["kind"] == VALUE]
        for axes, column in zip(both, ("parameters", "training_seconds"), strict=True):
            draw_against(axes, shown, column)
            axes.set_xlim(left=0)
            axes.locator_params(axis="x", nbins=4)  # parameters have six digits
        both[0].set_ylabel(f"{shown['figure'].iloc[0]} (share of questions)")
        legend(figure, both[0], columns=2)
        return figure
