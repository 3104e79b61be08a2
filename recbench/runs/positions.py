"""
How often a written answer is right by the place of the target among the candidates.

Who reads its candidates in a list may like some places better than others: then its figure is one
of the order that was drawn, too. Who scores each candidate by itself cannot, so this is asked of
what was written alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recbench.evaluation.outcome import Outcome
from recbench.runs.examples import read_outcome
from recbench.runs.leaderboard import Row, Table
from recbench.runs.notes import notes_by_part
from recbench.runs.sheet import Grid, Sheet
from recbench.runs.text import figure_cell, question_line
from recbench.statistics.intervals import Estimate, estimate
from recbench.statistics.values import SystemValues

FIGURE = "HitRatio@1"


@dataclass(frozen=True)
class Place:
    """
    What is known of one place.

    Attributes
    ----------
    slot
        From 1, in the order shown.
    rows
        Test rows and draws whose target stood there, at least 1.
    estimate
        HitRatio@1 of these; each of them counts once, users and seeds as in any table.
    """

    slot: int
    rows: int
    estimate: Estimate


@dataclass(frozen=True)
class PositionCurve:
    """The places of one row, those where no target stood left out."""

    row: Row
    places: tuple[Place, ...]


def position_curves(table: Table) -> list[PositionCurve]:
    """
    Part the rows of what wrote by the place of the target; none where all items were ranked.

    Raises
    ------
    DataError
        If examples are missing or damaged.
    """
    if table.record.full_ranking:
        return []
    return [_curve(row) for row in table.rows if row.record.writes]


def _curve(row: Row) -> PositionCurve:
    outcomes = [read_outcome(run.folder, run.record) for run in row.runs]
    seeds = tuple(run.record.seed for run in row.runs)
    found = places(outcomes, row.record.candidates, seeds, row.record.random_training)
    return PositionCurve(row, found)


def places(
    outcomes: Sequence[Outcome], candidates: int, seeds: tuple[int, ...], random_training: bool
) -> tuple[Place, ...]:
    """
    Part rows by the place of the target.

    Parameters
    ----------
    outcomes
        With slots, one a training; all were asked the same.
    candidates
        C, of each row.
    seeds, random_training
        As in `recbench.statistics.values.SystemValues`.
    """
    first = outcomes[0]
    hits = np.stack([one.hit for one in outcomes]).astype(np.float64)
    slots = first.target_slot
    assert slots is not None  # no full ranking
    users = np.repeat(first.users, first.draws)
    found = []
    for slot in range(candidates):
        inside = slots == slot
        # Draws of one example may share a place: each is a row of its user, as examples are.
        here = SystemValues(hits[:, inside], 1, users[inside], seeds, random_training)
        if (made := estimate(here) if inside.any() else None) is not None:
            found.append(Place(slot + 1, int(inside.sum()), made))
    return tuple(found)


def positions_sheet(table: Table, curves: list[PositionCurve]) -> Sheet:
    """Return what a page says of the places of a table's rows, a line each."""
    lines = [
        [curve.row.label, str(one.slot), str(one.rows), figure_cell(one.estimate.figure)]
        for curve in curves
        for one in curve.places
    ]
    return Sheet(
        (
            Grid(["model", "place of the target", "rows and draws", FIGURE], lines),
            *notes_by_part(
                (f"at place {one.slot}", curve.row, one.estimate)
                for curve in curves
                for one in curve.places
            ),
            "95% intervals over users and training seeds, each place by itself: of many, some "
            "stand apart by chance.",
        ),
        question_line(table.record),
        f"; {FIGURE} by the target's place",
    )
