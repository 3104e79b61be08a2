"""What the methods of a study return, held to what it says of them: others may have written it."""

from collections.abc import Sequence
from typing import Any

from recbench.errors import PluginError
from recbench.request import Experiment
from recbench.studies.points import COMMON


def check_cells(found: Any) -> Sequence[Experiment]:
    """Return the cells; a `PluginError` where they are none."""
    if isinstance(found, list | tuple) and all(isinstance(one, Experiment) for one in found):
        return found
    raise PluginError("its cells() must return a list of Experiments")


def check_data(found: Any) -> Any:
    """Return the points; a `PluginError` where they are none, or lack a column of every study."""
    import pandas as pd

    if not isinstance(found, pd.DataFrame):
        raise PluginError("its data() must return a DataFrame: recbench.studies.points.frame")
    if lacking := [name for name in ("kind", *COMMON) if name not in found.columns]:
        raise PluginError(
            f"its data() lacks the column {lacking[0]}; make it with recbench.studies.points.frame"
        )
    return found


def check_text(found: Any, what: str) -> str:
    """Return what is to be printed; a `PluginError` where it is no text."""
    if isinstance(found, str):
        return found
    raise PluginError(f"its {what} must be a text, not {found!r}")


def check_figure(found: Any) -> Any:
    """Return the figure; a `PluginError` where it is none."""
    from matplotlib.figure import Figure

    if isinstance(found, Figure):
        return found
    raise PluginError("its figure() must return a matplotlib Figure: recbench.studies.drawing")
