"""What a difference between two rows is worth: a paired test over the examples they share."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recbench.errors import UserError, unknown
from recbench.evaluation.intervals import Difference, paired_difference
from recbench.evaluation.metrics import figures
from recbench.runs.examples import read_outcome
from recbench.runs.record import RunRecord
from recbench.runs.store import Run


def question(record: RunRecord) -> tuple[str, str, str, str]:
    """
    Return dataset digest, protocol, split digest, pack hash: rows are compared where all are equal.

    The split is what the protocol's card came to: a card may change under its name, and other
    histories or training rows may have the very same candidates.
    """
    return record.digests.dataset, record.protocol, record.digests.split, record.digests.pack


def why_not(a: RunRecord, b: RunRecord) -> str:
    """Say why two records answer different questions; empty where they answer the same."""
    reasons = []
    if a.digests.dataset != b.digests.dataset:
        reasons.append("another dataset" if a.dataset != b.dataset else "another dataset digest")
    if a.protocol != b.protocol:
        reasons.append("another protocol")
    elif not reasons and a.digests.split != b.digests.split:
        reasons.append("another split")
    if a.digests.pack != b.digests.pack:
        reasons.append("another candidate pack")
    return ", ".join(reasons)


def compare(a: Sequence[Run], b: Sequence[Run], metric: str = "HitRatio@1") -> Difference:
    """
    Compare two rows.

    Parameters
    ----------
    a, b
        The runs of each row, at least one; their values are averaged over the training seeds first.
    metric
        A figure that both have on every row of the pack.

    Returns
    -------
    Difference
        a - b over examples, see `recbench.evaluation.intervals.paired_difference`.

    Raises
    ------
    UserError
        If they answer different questions (with the reason), a row does not have the figure, or a
        run's examples are missing.
    """
    reason = next((why for x in a for y in b if (why := why_not(x.record, y.record))), "")
    if reason:
        raise UserError(f"{a[0].folder} and {b[0].folder} cannot be compared: {reason}")
    draws = a[0].record.draws
    users = row_users((*a, *b))
    return paired_difference(row_values(a, metric), row_values(b, metric), draws, users)


def row_values(runs: Sequence[Run], metric: str) -> NDArray[np.float64]:
    """Return float64 [examples * draws]: a figure's values, averaged over the runs of one row."""
    return np.mean([_values(run, metric) for run in runs], axis=0)


def row_users(runs: Sequence[Run]) -> NDArray[np.int32]:
    """Return int32 [examples]: whose each is, of runs that were asked the same."""
    return min(
        (read_outcome(run.folder, run.record).users for run in runs),
        key=lambda users: len(np.unique(users)),
    )


def _values(run: Run, metric: str) -> NDArray[np.float64]:
    found = figures(read_outcome(run.folder, run.record))
    if metric not in found:
        raise unknown(f"figure of {run.record.model}", metric, found)
    return found[metric]
