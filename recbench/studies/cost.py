"""What a point of HitRatio costs."""

from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any

from recbench.request import Experiment
from recbench.runs.leaderboard import Row
from recbench.runs.places import results_folder
from recbench.runs.store import Run
from recbench.runs.tried import trials_of
from recbench.studies.drawing import intervals, legend, looks, sheet
from recbench.studies.points import frame, model_of, only_table, value
from recbench.studies.study import Asked, Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from pandas import DataFrame

COSTS = {
    "training_seconds": "training (seconds)",
    "memory_gib": "peak memory of the host (GiB)",
    "parameters": "parameters trained",
    "trials": "settings tried before",
}
"""Column to the axis it is drawn on."""


class Cost(Study):
    """
    Accuracy against seconds, memory and parameters, as the records have them, and tuning trials.

    Seconds are of the wall clock, whatever else the machine did. Those of what an encoder guides
    are of the tuning alone: the encoder is trained once for all, and costs what its own row says.
    Memory is the host's, which every system takes; what was allocated on a GPU is a number of its
    own, missing where there was none, for the two neither add up nor stand on one axis.
    How many settings were tried before is in no record but in the files of the search, below the
    results (`recbench.runs.tried`); where they tell of no trial, the number is missing, not zero.
    """

    question = "What does a point of HitRatio cost in time, memory, parameters and trials?"
    place = "the review of iLoRA: training cost beside accuracy"
    models = ("popularity", "ease", "sasrec", "llara", "ilora")
    note = (
        "Trials are the settings of the model, with its language model, in the files of searches "
        "below the results, each once; a dash: no file tells of any, which is not to say that "
        "there was none."
    )

    def cells(self, asked: Asked) -> list[Experiment]:
        """Return every model with every seed."""
        return list(asked.of_all_models())

    def data(self, runs: Sequence[Run], asked: Asked) -> "DataFrame":
        """Return every system with what it cost, the mean over its trainings."""
        rows, results = only_table(runs).rows, results_folder(asked.results)
        return frame(
            point
            for row in rows
            for point in value(row, **cost(row), trials=trials_of(row.record, results))
        )

    def figure(self, data: "DataFrame") -> "Figure":
        """Draw the figure against each cost."""
        figure, all_axes = sheet(columns=2, heights=(2.4, 2.4), share_y=True)
        for axes, column in zip(all_axes, COSTS, strict=True):
            draw_against(axes, data, column)
            if column in ("memory_gib", "trials"):
                axes.set_xlim(left=0)
            else:
                axes.set_xscale("symlog", linthresh=1.0)  # some cost nothing
        for axes in all_axes[::2]:
            axes.set_ylabel(f"{data['figure'].iloc[0]} (share of questions)")
        legend(figure, all_axes[0])
        return figure


def draw_against(axes: "Axes", data: "DataFrame", column: str) -> None:
    """Draw every system's figure against one of `COSTS`."""
    for name, look in looks(list(data["system"])).items():
        some = data[data["system"] == name]
        intervals(axes, some[column], some, label=name, **look)
    untold = ", ".join(dict.fromkeys(map(model_of, data.loc[data[column].isna(), "system"])))
    axes.set_xlabel(f"{COSTS[column]}\nnot known: {untold}" if untold else COSTS[column])


def cost(row: Row) -> dict[str, Any]:
    """Return the mean of every cost over a row's trainings."""
    trained = [run.record.trained for run in row.runs if run.record.trained is not None]
    seconds = [one for run in row.runs if (one := run.record.training_seconds) is not None]
    memory = [one.peak_memory for one in trained]
    on_gpu = [one.device for one in memory if one.device is not None]
    return {
        "training_seconds": fmean(seconds) if seconds else None,
        "memory_gib": fmean(one.host for one in memory) / 2**30,
        "gpu_memory_gib": fmean(on_gpu) / 2**30 if on_gpu else None,
        "parameters": fmean(one.parameters_trained for one in trained),
    }
