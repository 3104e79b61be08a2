"""From the runs of one row to the values that its figures are made of."""

from collections.abc import Iterable, Sequence

import numpy as np

from recbench.evaluation.metrics import at_cutoffs, constant, figures, tells
from recbench.runs.examples import read_outcome
from recbench.runs.record import RunRecord
from recbench.runs.store import Run
from recbench.statistics.values import SystemValues


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
    elif a.protocol_version != b.protocol_version:
        reasons.append("another version of the protocol")
    elif not reasons and a.limit != b.limit:
        return "another --limit"
    elif not reasons and a.digests.split != b.digests.split:
        reasons.append("another split")
    if a.digests.pack != b.digests.pack:
        reasons.append("another candidate pack")
    return ", ".join(reasons)


def systems(runs: Sequence[Run], cutoffs: Iterable[int] = ()) -> dict[str, SystemValues]:
    """
    Return the values of every figure of one row.

    Parameters
    ----------
    runs
        One a training seed.
    cutoffs
        K of HitRatio@K and NDCG@K that are wanted besides, each at least 1.

    Returns
    -------
    dict of str to SystemValues
        The ones that all runs have, but for those that say nothing (`tells`).

    Raises
    ------
    DataError
        If examples are missing or damaged.
    """
    outcomes = [read_outcome(run.folder, run.record) for run in runs]
    record, first = runs[0].record, outcomes[0]
    values = [figures(outcome) | at_cutoffs(outcome, cutoffs) for outcome in outcomes]
    return {
        name: SystemValues(
            values=np.stack([one[name] for one in values]),
            draws=first.draws,
            users=first.users,
            seeds=tuple(run.record.seed for run in runs),
            random_training=record.random_training,
            constant=constant(name, first),
        )
        for name in values[0]
        if tells(name, record.choices) and all(name in one for one in values)
    }


def matched(a: Sequence[Run], b: Sequence[Run]) -> bool:
    """
    Tell whether the seeds of two rows are matched.

    They are where both have the same seeds, and each begins with the same fitted part: both the
    same encoder, or the one the encoder of the other.
    """
    own, other = ({run.record.seed: _fitted(run.record) for run in runs} for runs in (a, b))
    return own.keys() == other.keys() and all(own[seed] & other[seed] for seed in own)


def _fitted(record: RunRecord) -> set[str]:
    if record.trained is None:
        return set()
    return {record.trained.weights, *record.trained.parts.values()}
