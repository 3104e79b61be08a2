"""The table of a run from outside, held to what its answers give when they are judged again."""

from pathlib import Path

import numpy as np

from recbench.evaluation.outcome import Outcome
from recbench.runs.evidence import refused
from recbench.runs.examples import read_answers, read_outcome
from recbench.runs.record import RunRecord

COLUMNS = {
    "scores": "scores",
    "rank": "ranks",
    "answer_slot": "answers",
}
"""What of a table follows from the answers, and what a message calls it."""


def check_table(folder: Path, record: RunRecord, again: Outcome, given: list[str] | None) -> None:
    """
    Compare a table with what the answers give.

    Parameters
    ----------
    folder, record
        A run of kind external.
    again
        What its answers come to.
    given
        Their texts, if they are texts.

    Raises
    ------
    DataError
        If the table holds something else.
    """
    table = read_outcome(folder, record)
    for column, what in COLUMNS.items():
        own, other = getattr(table, column), getattr(again, column)
        if (own is None) != (other is None) or not np.array_equal(own, other):
            raise refused(folder, f"the {what} in its table are not those of its file of answers")
    if table.expert_weights is not None:
        raise refused(folder, "its table holds weights of experts, which no file gives")
    texts = read_answers(folder)
    if texts is not None and texts != given:
        raise refused(folder, "the texts in its table are not those of its file of answers")
