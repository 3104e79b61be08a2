"""Whether a better encoder makes a better iLoRA."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from recbench.experiment import Experiment
from recbench.runs.store import Run
from recbench.studies.drawing import intervals, legend, looks, sheet
from recbench.studies.points import Point, frame, only_table, value
from recbench.studies.study import Asked, Study

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

ALONE, GUIDING = "encoder alone", "iLoRA guided by it"


class EncoderStudy(Study):
    """Every encoder by itself, and iLoRA guided by it; ``--models`` names other encoders."""

    question = "Does a better encoder make a better iLoRA?"
    place = "LLaRA's table 2: SASRec, GRU4Rec and Caser as encoders"
    models = ("sasrec", "gru4rec", "caser")
    seeds = 1
    cut = "the encoders after the second"
    varies = ("encoder",)

    def cells(self, asked: Asked) -> list[Experiment]:
        """Return every encoder, and iLoRA with it."""
        return [
            cell
            for encoder in (asked.models[:2] if asked.quick else asked.models)
            for seed in range(asked.seeds)
            for cell in (
                asked.cell(encoder, seed),
                asked.cell("ilora", seed, {"encoder": encoder}),
            )
        ]

    def data(self, runs: Sequence[Run], asked: Asked) -> "DataFrame":
        """Return the figure of every encoder, and of iLoRA with it."""
        points: list[Point] = []
        for row in only_table(runs).rows:
            guide = row.record.settings.get("encoder")
            kind = ALONE if guide is None else GUIDING
            points += value(row, kind=kind, encoder=guide or row.record.model)
        return frame(sorted(points, key=lambda one: (one["encoder"], one["kind"])))

    def figure(self, data: "DataFrame") -> "Figure":
        """Draw iLoRA's figure against its encoder's."""
        figure, (axes,) = sheet(heights=[3.2])
        for name, look in looks(list(data["encoder"])).items():
            own = data[data["encoder"] == name]
            alone, guiding = (own[own["kind"] == kind] for kind in (ALONE, GUIDING))
            if len(alone) and len(guiding):
                intervals(axes, alone["value"], guiding, label=name, **look)
                intervals(axes, guiding["value"], alone, upright=False, color=look["color"])
        axes.axline((0.5, 0.5), slope=1, color="#7F7F7F", linewidth=0.8, label="equal")
        name = data["figure"].iloc[0]
        axes.set_xlabel(f"{name} of the encoder alone (share of questions)")
        axes.set_ylabel(f"{name} of iLoRA with it")
        legend(figure, axes)
        return figure
