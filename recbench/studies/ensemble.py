"""Whether K slices of one LoRA are as good as K whole LoRAs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from recbench.experiment import Experiment
from recbench.runs.store import Run
from recbench.studies.bars import with_differences
from recbench.studies.cost import cost, draw_against
from recbench.studies.drawing import legend, sheet
from recbench.studies.points import VALUE, frame, only_table
from recbench.studies.study import Asked, Study

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame


class Ensemble(Study):
    """One LoRA, its slices, and whole LoRAs that are weighed (soft) or swapped (top1)."""

    question = "Are K slices of one LoRA as good as K whole LoRAs, weighed or swapped?"
    place = "the review of iLoRA: a weighted sum of several whole LoRAs, missing there"
    cut = "the swapped LoRAs"
    varies = ("routing",)

    def cells(self, asked: Asked) -> list[Experiment]:
        """Return the four systems with every seed."""
        systems = [("llara", {}), ("ilora", {}), ("lora-ensemble", {"routing": "soft"})]
        if not asked.quick:
            systems.append(("lora-ensemble", {"routing": "top1"}))
        return [
            asked.cell(model, seed, settings)
            for model, settings in systems
            for seed in range(asked.seeds)
        ]

    def data(self, runs: Sequence[Run], asked: Asked) -> "DataFrame":
        """Return the figures with what they cost, and differences to the slices."""
        table = only_table(runs, "ilora")
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
