"""Whether a better encoder makes a better iLoRA."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from recbench.request import Experiment
from recbench.runs.store import Run
from recbench.studies.drawing import intervals, legend, looks, sheet
from recbench.studies.points import Point, frame, only_table, settings_of, value
from recbench.studies.required import has_setting
from recbench.studies.study import Asked, Study

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

ALONE, GUIDING = "encoder alone", "guided by it"
ENCODERS, GUIDED = ("sasrec", "gru4rec", "caser"), ("ilora",)


class EncoderStudy(Study):
    """
    Every encoder by itself, and every model that is guided by one with each; iLoRA, as a rule.

    A model with the setting ``encoder`` is guided, any other is an encoder. Where ``--models``
    names none of the one kind, the study's own are taken.
    """

    question = "Does a better encoder make a better iLoRA?"
    place = "LLaRA's table 2: SASRec, GRU4Rec and Caser as encoders"
    models = (*ENCODERS, *GUIDED)
    seeds = 1
    cut = "the encoders after the second"
    varies = ("encoder",)

    def cells(self, asked: Asked) -> list[Experiment]:
        """Return every encoder, and what is guided with it."""
        guided = [one for one in asked.models if has_setting(one, "encoder")] or GUIDED
        encoders = [one for one in asked.models if one not in guided] or ENCODERS
        return [
            cell
            for encoder in (encoders[:2] if asked.quick else encoders)
            for seed in range(asked.seeds)
            for cell in (
                asked.cell(encoder, seed),
                *(asked.cell(one, seed, {"encoder": encoder}) for one in guided),
            )
        ]

    def data(self, runs: Sequence[Run], asked: Asked) -> "DataFrame":
        """Return the figure of every encoder, and of what is guided with it."""
        points: list[Point] = []
        for row in only_table(runs).rows:
            model, guide = row.record.model, settings_of(row).get("encoder")
            kind, encoder = (ALONE, model) if guide is None else (GUIDING, guide)
            points += value(row, kind=kind, encoder=encoder, model=model)
        return frame(sorted(points, key=lambda one: (one["encoder"], one["kind"], one["model"])))

    def figure(self, data: "DataFrame") -> "Figure":
        """Draw the figure of what is guided against its encoder's."""
        figure, (axes,) = sheet(heights=[3.2])
        alone, guided = (data[data["kind"] == kind] for kind in (ALONE, GUIDING))
        models = list(dict.fromkeys(guided["model"]))
        pairs = list(zip(guided["encoder"], guided["model"], strict=True))
        names = [one if len(models) == 1 else f"{model} with {one}" for one, model in pairs]
        for (encoder, model), (name, look) in zip(pairs, looks(names).items(), strict=True):
            own = guided[(guided["encoder"] == encoder) & (guided["model"] == model)]
            its = alone[alone["encoder"] == encoder]
            if len(its):
                intervals(axes, its["value"], own, label=name, **look)
                intervals(axes, own["value"], its, upright=False, color=look["color"])
        axes.axline((0.5, 0.5), slope=1, color="#7F7F7F", linewidth=0.8, label="equal")
        name = data["figure"].iloc[0]
        axes.set_xlabel(f"{name} of the encoder alone (share of questions)")
        axes.set_ylabel(f"{name} of {' and '.join(models)} with it")
        legend(figure, axes)
        return figure
