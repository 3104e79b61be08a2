"""
What the figures of all studies share: colours, sizes, intervals, files.

Colours are those of Okabe and Ito (2008), which the colour-blind tell apart; every system has a
marker of its own besides. Sizes are those of print: a figure is as wide as a page of text and its
letters are of 8 points. Nothing of matplotlib's global state is changed, and a figure depends on
none of it: the same data give the same bytes.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np

from recbench.studies.points import DIFFERENCE, FEW
from recbench.studies.returned import check_figure
from recbench.studies.study import Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage
    from pandas import DataFrame

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9", "#000000", "#7F7F7F")
MARKERS = ("o", "s", "D", "^", "v", "P", "X", "*")

WIDTH = 6.9
"""Inches, of a page of text."""

STYLE = {
    "font.size": 8.0,
    "axes.titlesize": 8.0,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.5,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "lines.markersize": 4.5,
    "lines.linewidth": 1.1,
    "svg.hashsalt": "recbench",
    "svg.fonttype": "path",
}


@contextmanager
def styled() -> Iterator[None]:
    """Draw inside this block as all studies do, whatever the user's matplotlib is set to."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        yield


def sheet(
    columns: int = 1, heights: Sequence[float] = (2.8,), share_y: bool = False
) -> tuple["Figure", list["Axes"]]:
    """
    Return an empty figure and its axes, row by row.

    Parameters
    ----------
    columns
        Of axes.
    heights
        Of each row of axes, inches.
    share_y
        Whether all have the same vertical axis.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, sum(heights) + 0.6), layout="constrained")
    shape: dict[str, Any] = {"squeeze": False, "sharey": share_y, "height_ratios": heights}
    axes = figure.subplots(len(heights), columns, **shape)
    return figure, list(axes.ravel())


def looks(names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Give each of up to 64 names a colour and a marker, no two the same, in the order given."""
    return {
        name: {"color": COLOURS[i % len(COLOURS)], "marker": MARKERS[(i + i // 8) % len(MARKERS)]}
        for i, name in enumerate(dict.fromkeys(names))
    }


def intervals(axes: "Axes", x: Any, points: "DataFrame", upright: bool = True, **look: Any) -> None:
    """
    Draw points with their intervals; one without an interval is hollow.

    Parameters
    ----------
    axes
        To draw on.
    x
        Places of the points, on the horizontal axis where `upright`, else on the vertical one.
    points
        Of `recbench.studies.points`.
    upright
        Whether figures are read on the vertical axis.
    **look
        As for ``Axes.errorbar``.
    """
    at, known = np.asarray(x, dtype=float), points["low"].notna().to_numpy()
    line: dict[str, Any] = {"linestyle": "none", "capsize": 2.0, "elinewidth": 1.0, **look}
    for some, hollow in ((known, {}), (~known, {"markerfacecolor": "white"})):
        if some.any():
            value, low, high = (points.loc[some, one] for one in ("value", "low", "high"))
            ends = (
                np.stack([value - low, high - value]).clip(0.0) if not hollow else None
            )  # rounding
            places = (at[some], value, ends, None) if upright else (value, at[some], None, ends)
            axes.errorbar(*places, **line | hollow)
            line["label"] = None  # once is enough


def heat_map(
    axes: "Axes",
    points: "DataFrame",
    down: str,
    across: str,
    ends: tuple[float, float],
    colours: str = "cividis",
) -> "AxesImage":
    """
    Draw values as a matrix of colours.

    Parameters
    ----------
    axes
        To draw on.
    points
        One a place of the matrix.
    down, across
        Columns that say where each stands; places are in the order in which they come.
    ends
        Values of the first and the last colour.
    colours
        Name of matplotlib's; the default and ``"PuOr"`` suit the colour-blind and print.
    """
    whole = points.pivot(index=down, columns=across, values="value")
    whole = whole.loc[points[down].unique(), points[across].unique()]
    image = axes.imshow(whole, cmap=colours, vmin=ends[0], vmax=ends[1], aspect="auto")
    for names, ticks in ((whole.columns, axes.set_xticks), (whole.index, axes.set_yticks)):
        ticks(range(len(names)), [f"{name:g}" for name in names])
    axes.grid(visible=False)
    return image


def beside(number: int, count: int, width: float = 0.7) -> float:
    """Return how far the `number`-th of `count` things stands from the middle of its place."""
    return 0.0 if count < 2 else width * (number / (count - 1) - 0.5)


def named_places(axes: "Axes", names: Sequence[str], upright: bool = True) -> None:
    """Write names at 0, 1, 2, ... of the axis that figures are not read on."""
    places = range(len(names))
    if upright:
        axes.set_xticks(places, names)
        axes.set_xlim(-0.6, len(names) - 0.4)
        axes.grid(visible=False, axis="x")
    else:
        axes.set_yticks(places, names)
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.grid(visible=False, axis="y")


def legend(figure: "Figure", axes: "Axes", columns: int = 4) -> None:
    """Write what colours and markers mean, below all axes."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(columns, len(labels)))


def drawn(study: Study, data: "DataFrame") -> "Figure":
    """Draw a study's data, with its question and what the intervals are of; inside `styled`."""
    figure: Figure = check_figure(study.figure(data))
    said = f"{fill(study.question, 110)}\n{fill(doubt(data), 110)}"
    figure.suptitle(said, x=0.01, ha="left", fontsize=8.0)
    return figure


def doubt(data: "DataFrame") -> str:
    """Say what the intervals of some data are of."""
    if not data["seeds"].isin(FEW).any():
        return f"Intervals: 95%, over users and training seeds{_at_once(data)}."
    return (
        "Intervals: 95%, over users, and over training seeds where there are three or more; of "
        f"one or two seeds they are of these trainings, without tests{_at_once(data)}."
    )


def _at_once(data: "DataFrame") -> str:
    """Say of several differences that their intervals hold together."""
    several = (data["kind"].eq(DIFFERENCE) & data["low"].notna()).sum() > 1
    said = "; those of differences hold all at once (Bonferroni), unless something else is said"
    return said if several else ""


def save(figure: "Figure", folder: Path) -> None:
    """Write ``figure.svg`` and ``figure.png`` into a folder; the same figure, the same bytes."""
    _without_formulas(figure)
    figure.savefig(folder / "figure.svg", metadata={"Date": None})
    figure.savefig(folder / "figure.png", dpi=200)


def _without_formulas(figure: "Figure") -> None:
    """Let a dollar in a name be a dollar; only the powers at logarithmic axes are mathematics."""
    from matplotlib.text import Text

    axes = [axis for one in figure.axes for axis in (one.xaxis, one.yaxis)]
    powers = {
        label
        for axis in axes
        if axis.get_scale() != "linear"
        for label in axis.get_ticklabels(which="both")
    }
    for text in set(figure.findobj(Text)) - powers:
        text.set_parse_math(False)
