"""
From records to tables.

A table holds the rows that answered the same question: equal dataset digest, protocol, split and
pack hash. What differs in one of these stands in a table of its own, with the reason. Training
seeds are averaged inside a row and nowhere else.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from recbench.errors import DataError
from recbench.evaluation.intervals import Difference, Figure
from recbench.runs.compare import compare, question, why_not
from recbench.runs.examples import EXAMPLES
from recbench.runs.record import RunRecord
from recbench.runs.store import Run

ALWAYS_NAMED = ("llm", "train_fraction", "train_dataset")
"""What a row's label says even where it tells it from no other row."""


@dataclass(frozen=True)
class Row:
    """
    One system on one question.

    Attributes
    ----------
    label
        The model and those of its settings that tell it from the table's other rows.
    runs
        One a training seed.
    metrics
        Means over the seeds. The ends of the intervals are averaged as well: the mean of several
        seeds is at least as sure as they are on average, so this can only be too wide. It covers
        the choice of examples, not that of seeds.
    to_best
        The paired difference to the table's first row in what the table is `ranked_by`; None for
        the first row itself and where stored examples are missing or damaged.
    damage
        Which stored examples cannot be read and why; empty where that is not why `to_best` is None.
    """

    label: str
    runs: tuple[Run, ...]
    metrics: dict[str, Figure]
    to_best: Difference | None = None
    damage: str = ""

    @property
    def record(self) -> RunRecord:
        """The record of the first seed."""
        return self.runs[0].record


@dataclass(frozen=True)
class Table:
    """
    Rows that may be compared, the best first.

    Attributes
    ----------
    rows
        At least one.
    apart
        Why this table is not part of the one before, empty where dataset or protocol say so
        already.
    """

    rows: tuple[Row, ...]
    apart: str = ""


def ranked_by(record: RunRecord) -> str:
    """
    Return the figure by which the rows of a table are ordered and compared.

    The first place among few candidates; where all items are ranked it says little, and the field
    goes by NDCG@10.
    """
    return "NDCG@10" if record.full_ranking else "HitRatio@1"


def leaderboard(runs: Sequence[Run]) -> list[Table]:
    """
    Make tables of runs.

    Parameters
    ----------
    runs
        Finished ones, of any datasets and protocols.

    Returns
    -------
    list of Table
        Sorted by dataset, protocol and pack; empty where there are no runs.
    """
    questions: dict[tuple[str, ...], list[Run]] = {}
    for run in sorted(runs, key=_place):
        questions.setdefault(question(run.record), []).append(run)
    tables: list[Table] = []
    for members in questions.values():
        record = members[0].record
        before = tables[-1].rows[0].record if tables else record
        alike = (before.dataset, before.protocol) == (record.dataset, record.protocol)
        tables.append(Table(_rows(members), why_not(before, record) if alike else ""))
    return tables


def _place(run: Run) -> tuple[str | int, ...]:
    record = run.record
    return record.dataset, record.protocol, *question(record), record.row, record.seed


def _rows(members: Sequence[Run]) -> tuple[Row, ...]:
    by_row: dict[str, list[Run]] = {}
    for run in members:
        by_row.setdefault(run.record.row, []).append(run)
    groups = [tuple(group) for group in by_row.values()]
    labels = _labels([group[0].record for group in groups])
    rows = [
        Row(label, group, _averaged(group)) for label, group in zip(labels, groups, strict=True)
    ]
    rows.sort(key=lambda row: (-_rank_value(row), row.label))
    return (rows[0], *(_with_difference(row, rows[0]) for row in rows[1:]))


def _rank_value(row: Row) -> float:
    name = ranked_by(row.record)
    return row.metrics[name].value if name in row.metrics else -1.0


def _with_difference(row: Row, best: Row) -> Row:
    if not all((run.folder / EXAMPLES).exists() for run in (*row.runs, *best.runs)):
        return row  # its figures stand without them
    try:
        return replace(row, to_best=compare(row.runs, best.runs, ranked_by(best.record)))
    except DataError as error:
        return replace(row, damage=str(error))


def _averaged(group: Sequence[Run]) -> dict[str, Figure]:
    names = dict.fromkeys(name for run in group for name in run.record.metrics)
    return {
        name: _mean([run.record.metrics[name] for run in group if name in run.record.metrics])
        for name in names
    }


def _mean(figures: Sequence[Figure]) -> Figure:
    value, low, high = np.mean([[one.value, one.low, one.high] for one in figures], axis=0).tolist()
    return Figure(value=value, low=low, high=high, n=min(one.n for one in figures))


def _labels(records: Sequence[RunRecord]) -> list[str]:
    """Name each row by its model, `ALWAYS_NAMED`, and what else tells it from its namesakes."""
    labels = []
    for record in records:
        namesakes = [_choices(other) for other in records if other.model == record.model]
        own = _choices(record)
        telling = [
            f"{name}={value}"
            for name, value in own.items()
            if name in ALWAYS_NAMED or any(other.get(name) != value for other in namesakes)
        ]
        labels.append(f"{record.model} ({', '.join(telling)})" if telling else record.model)
    return labels


def _choices(record: RunRecord) -> dict[str, Any]:
    learnt_from = record.training.model_dump(
        exclude_defaults=True, include={"fraction", "dataset", "protocol", "words"}
    )
    trained = {f"train_{name}": value for name, value in learnt_from.items()}
    return {**record.settings, **trained, "matching": record.matching}
