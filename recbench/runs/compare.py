"""What the differences between rows are worth, pair by pair, and what makes them doubtful."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recbench.errors import UserError, unknown
from recbench.evaluation.metrics import check_cutoffs, cutoff_of
from recbench.runs.leaderboard import Row, ranked_by, row_named, rows_beside, rows_of
from recbench.runs.store import Run
from recbench.runs.systems import matched, systems, why_not
from recbench.statistics.best import ALPHA, Pair, all_pairs, differences
from recbench.statistics.power import Design, VarianceParts, smallest_difference, split
from recbench.statistics.values import SystemValues


@dataclass(frozen=True)
class Compared:
    """
    Two rows.

    Attributes
    ----------
    a, b
        The rows; the difference is the first less the second.
    pair
        The difference, its simultaneous interval and adjusted p.
    matched
        Whether their seeds are matched, since they share what was fitted from each.
    discordant
        Users on whose mean values the two differ.
    parts
        Of the variance of the difference, by what makes it smaller, with as many seeds as the row
        with fewer of them.
    smallest
        True difference that is found with 80% power, with so many pairs.
    """

    a: Row
    b: Row
    pair: Pair
    matched: bool
    discordant: int
    parts: VarianceParts
    smallest: float


@dataclass(frozen=True)
class Comparison:
    """
    Rows that were asked the same, two by two.

    Attributes
    ----------
    metric
        The figure that is compared.
    rows
        The best first, with an estimate of `metric`.
    pairs
        Every two of them, or every other one with the baseline.
    unshown
        Rows that were asked the same and are none of these.
    """

    metric: str
    rows: tuple[Row, ...]
    pairs: tuple[Compared, ...]
    unshown: int = 0


def compare(
    runs: Sequence[Run],
    metric: str | None = None,
    baseline: str | None = None,
    there: Sequence[Run] = (),
) -> Comparison:
    """
    Compare rows two by two.

    Parameters
    ----------
    runs
        Of at least two rows, all asked the same.
    metric
        A figure that all have on every row of the pack, HitRatio and NDCG of any K; None for what
        the table is ranked by.
    baseline
        Label or model of the row that the others are compared with; None for all pairs. Chosen
        before looking, it leaves fewer pairs to correct for.
    there
        All runs that these were chosen from, as far as they are known.

    Raises
    ------
    UserError
        If they answer different questions (with the reason), are of one row or one user, do not
        have the figure, it says nothing of so few candidates, or there is no such baseline.
    """
    check_alike(runs)
    figure = metric or ranked_by(runs[0].record)
    if (k := cutoff_of(figure)) is not None:
        check_cutoffs([k], runs[0].record.choices)
    rows = rows_of(runs, () if k is None else (k,))
    if len(rows) < 2:
        raise UserError(f"{rows[0].label} is one row; name another to compare it with")
    asked = [_system(row, figure) for row in rows]
    if len(np.unique(asked[0].users)) < 2:
        raise UserError("all test rows are of one user, from whom nothing can be told of others")
    found = differences(asked, lambda a, b: matched(rows[a].runs, rows[b].runs))
    base = None if baseline is None else row_named(rows, baseline)
    if baseline is not None and base is None:
        raise unknown("row", baseline, [row.label for row in rows])
    pairs = all_pairs(found, baseline=base)
    each = tuple(_compared(rows, asked, pair, len(pairs)) for pair in pairs)
    return Comparison(figure, tuple(rows), each, rows_beside(runs, there))


def check_alike(runs: Sequence[Run]) -> None:
    """Refuse runs that answer different questions, with a UserError that says in what."""
    for run in runs[1:]:
        if reason := why_not(runs[0].record, run.record):
            raise UserError(
                f"{runs[0].folder} and {run.folder} cannot be compared: {reason}; choose by "
                "--dataset, --protocol, --draws or --pack-seed"
            )


def _system(row: Row, metric: str) -> SystemValues:
    k = cutoff_of(metric)
    found = systems(row.runs, () if k is None else (k,))
    if metric not in found:
        raise unknown(f"figure of {row.label}", metric, found)
    return found[metric]


def _compared(
    rows: Sequence[Row], asked: Sequence[SystemValues], pair: Pair, pairs: int
) -> Compared:
    a, b = rows[pair.a], rows[pair.b]
    one, other = asked[pair.a], asked[pair.b]
    same = matched(a.runs, b.runs)
    trainings = [len(row.runs) for row in (a, b) if row.record.random_training]
    design = Design.of(one.users, one.draws, min(trainings, default=1))
    apart = np.abs(_of_users(one) - _of_users(other)) > 1e-9
    return Compared(
        a=a,
        b=b,
        pair=pair,
        matched=same,
        discordant=int(apart.sum()),
        parts=split(one, other, same).of(design),
        smallest=smallest_difference(pair.difference.se, pair.difference.df, ALPHA / pairs),
    )


def _of_users(system: SystemValues) -> NDArray[np.float64]:
    """Return the sum of each user's values over its examples, float64 [users]."""
    one = system.crossed
    shares = one.residuals.mean(axis=0) + one.by_seed.mean() * one.shares
    return np.asarray(shares)
