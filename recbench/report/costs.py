"""What the trainings of a row took, beside what they gave."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from recbench.runs.leaderboard import Row, Table, ranked_by
from recbench.runs.notes import seeds_cell
from recbench.runs.record import Trained
from recbench.runs.sheet import Grid, Sheet
from recbench.runs.text import DASH, figure_cell
from recbench.statistics.intervals import Figure

NOTE = (
    "Seconds: the mean over trainings, by the clock, so that what the machine did besides counts; "
    "of a language model those of the tuning alone: an encoder that guides it is trained once for "
    "all, and costs what its own row says. "
    "Memory: the largest resident set of their processes, and the most that was allocated on a GPU."
)


@dataclass(frozen=True)
class Cost:
    """
    One row of a table.

    Attributes
    ----------
    number
        Its place in the leaderboard, from 1.
    row
        The row.
    figure
        What the table is ranked by; None where the row does not have it.
    seconds
        Of one training, without its encoder's; None where nothing is trained.
    host, device
        Peak memory, MiB; the second is None where there was no GPU.
    hardware
        What the trainings ran on, all of it.
    """

    number: int
    row: Row
    figure: Figure | None
    seconds: float | None
    host: float
    device: float | None
    hardware: str


def costs(table: Table) -> list[Cost]:
    """Return what each row of a table took, in its order; what came from outside is left out."""
    return [
        _cost(number, row, trained)
        for number, row in enumerate(table.rows, 1)
        if (trained := [run.record.trained for run in row.runs if run.record.trained is not None])
    ]


def _cost(number: int, row: Row, trained: Sequence[Trained]) -> Cost:
    found = row.estimates.get(ranked_by(row.record))
    seconds = [one for run in row.runs if (one := run.record.training_seconds) is not None]
    devices = [one.peak_memory.device for one in trained if one.peak_memory.device is not None]
    return Cost(
        number=number,
        row=row,
        figure=None if found is None else found.figure,
        seconds=fmean(seconds) if seconds else None,
        host=max(one.peak_memory.host for one in trained) / 2**20,
        device=max(devices) / 2**20 if devices else None,
        hardware=", ".join(sorted({one.provenance.device.hardware for one in trained})),
    )


def costs_sheet(found: list[Cost], figure: str) -> Sheet:
    """Return what a page says of them, a line a row; `figure` is what the table is ranked by."""
    headers = ["no.", "model", "seeds", figure, "training, seconds", "memory, MiB", "trained on"]
    lines = [
        [
            *(str(one.number), one.row.label, seeds_cell(one.row), figure_cell(one.figure)),
            *(_seconds(one.seconds), f"{one.host:.0f}", one.hardware),
        ]
        for one in found
    ]
    if any(one.device is not None for one in found):
        headers.append("GPU memory, MiB")
        for one, line in zip(found, lines, strict=True):
            line.append(DASH if one.device is None else f"{one.device:.0f}")
    return Sheet((Grid(headers, lines), NOTE))


def _seconds(value: float | None) -> str:
    if value is None:
        return DASH
    return f"{value:.1f}" if value >= 1 else f"{value:.4f}"
