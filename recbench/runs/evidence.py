"""
What a record says is checked before anyone reads it.

A figure that was edited, a folder that was copied under another name, another run's table, settings
that are not those of the row: each is named, and the run is left out. Nothing but the run's own
folder is needed; `recbench.runs.verify` also asks the data.
"""

from pathlib import Path

from recbench.errors import DataError
from recbench.evaluation.evaluator import summary
from recbench.evaluation.outcome import Outcome
from recbench.runs.examples import read_outcome, sha256
from recbench.runs.record import FIGURE_VERSION, RunRecord, row_of, run_id
from recbench.statistics.intervals import Figure

RECORD = "record.json"

ROUNDING = 1e-9
"""Of a figure that is worked out again on another machine."""


def check_names(folder: Path, record: RunRecord) -> None:
    """
    Check that a record is where it belongs and names what it says.

    Raises
    ------
    DataError
        If the row is not that of its settings, or the folder not that of its row and seed.
    """
    if record.row != (row := row_of(record)):
        raise _refused(folder, f"its row is {record.row[:12]}, its settings are of {row[:12]}")
    if record.run_id != (named := run_id(record.row, record.seed)):
        raise _refused(folder, f"its run id is {record.run_id}, its row and seed are of {named}")
    belongs = (record.dataset, record.protocol, record.model, record.run_id)
    if (found := folder.resolve().parts[-4:]) != belongs:
        raise _refused(folder, f"it belongs into {'/'.join(belongs)}, not {'/'.join(found)}")


def check_content(folder: Path, record: RunRecord) -> None:
    """
    Check that a record's examples are its own, and its figures are those of its examples.

    Raises
    ------
    DataError
        If they are not, or examples are missing.
    """
    if (found := sha256(folder)) != record.examples_sha256:
        raise _refused(folder, f"its examples have the SHA-256 {found[:12]}, not as recorded")
    outcome = read_outcome(folder, record)
    check_figures(folder, record, outcome)


def check_figures(folder: Path, record: RunRecord, outcome: Outcome) -> None:
    """
    Work every figure out again; what a plug-in that is not here gave is left alone.

    Raises
    ------
    DataError
        If one is not as recorded. Intervals are compared where this recbench makes them alike.
    """
    own = summary(outcome, lambda _: None)
    if lacking := own.keys() - record.metrics.keys():
        raise _refused(folder, f"it lacks the figure {min(lacking)}")
    exact = record.provenance.figure_version == FIGURE_VERSION
    for name in own.keys() & record.metrics.keys():
        if not _alike(own[name], record.metrics[name], exact):
            raise _refused(
                folder,
                f"its {name} is {record.metrics[name].value:.4f}, "
                f"its examples give {own[name].value:.4f}",
            )


def _alike(a: Figure, b: Figure, exact: bool) -> bool:
    pairs = [(a.value, b.value), *([(a.low, b.low), (a.high, b.high)] if exact else [])]
    return a.n == b.n and all(abs(one - other) <= ROUNDING for one, other in pairs)


def _refused(folder: Path, why: str) -> DataError:
    return DataError(f"{folder / RECORD} is not to be trusted: {why}; move {folder} away")
