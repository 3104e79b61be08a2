"""What users were given of a model's experts, as the runs' tables keep it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recbench.runs.examples import read_outcome
from recbench.runs.leaderboard import Row, Table
from recbench.runs.sheet import Grid, Sheet
from recbench.runs.text import question_line

LOW, HIGH = 5, 95
"""Percentiles of the users between whom most of them are."""


@dataclass(frozen=True)
class ExpertWeights:
    """
    The weights of one row's experts, in its first training.

    Attributes
    ----------
    row
        Of the table.
    weights
        float32 [examples, K], at least 0; those of an example add up to 1.
    """

    row: Row
    weights: NDArray[np.float32]

    @property
    def spread(self) -> NDArray[np.float64]:
        """The mean weight of each expert and its percentiles `LOW` and `HIGH`, [3, K]."""
        of_rows = self.weights.astype(np.float64)
        return np.vstack([of_rows.mean(axis=0), np.percentile(of_rows, (LOW, HIGH), axis=0)])


def expert_weights(table: Table) -> list[ExpertWeights]:
    """
    Return the weights of all rows of a table whose models have given experts to users.

    Raises
    ------
    DataError
        If examples are missing or damaged.
    """
    found = (
        (row, read_outcome(row.runs[0].folder, row.record).expert_weights) for row in table.rows
    )
    return [ExpertWeights(row, weights) for row, weights in found if weights is not None]


def experts_sheet(table: Table, found: list[ExpertWeights]) -> Sheet:
    """Return what a page says of them, a line each."""
    lines = [
        [one.row.label, str(expert), *(f"{value:.3f}" for value in values)]
        for one in found
        for expert, values in enumerate(one.spread.T, 1)
    ]
    said = (
        "The weight of each expert over all examples, of the first training of each row: experts "
        "of two trainings do not correspond. Equal weights make one LoRA of all."
    )
    headers = ["model", "expert", "mean weight", f"{LOW}th percentile", f"{HIGH}th percentile"]
    return Sheet((Grid(headers, lines), said), question_line(table.record), "; weights of experts")
