"""What must be known of rows before they are compared, wherever they are."""

from collections.abc import Sequence

from recbench.runs.leaderboard import Row, ranked_by
from recbench.statistics.intervals import caution


def notes(rows: Sequence[Row]) -> list[str]:
    """Say of which rows something must be known; one line for all that share it."""
    said: dict[str, list[str]] = {}
    for row in rows:
        for note in notes_of(row):
            said.setdefault(note, []).append(row.label)
    return [f"{', '.join(labels)}: {note}" for note, labels in said.items()]


def notes_of(row: Row) -> list[str]:
    """Return what must be known of one row."""
    found = row.estimates.get(ranked_by(row.record))
    narrow = "" if found is None else caution(found.figure.value, found.users)
    return [
        note
        for note in (
            row.record.no_result,
            row.record.caption,
            "" if all(run.record.audit for run in row.runs) else "not audited",
            f"runs of several {row.mixed}" if row.mixed else "",
            f"the interval, and those of its differences, may be too narrow: {narrow}"
            if narrow
            else "",
            "a single training is judged, as it is: nothing is said of another seed"
            if given_training(row)
            else "",
        )
        if note
    ]


def given_training(row: Row) -> bool:
    """Whether a single training of a random kind is all there is of a row."""
    return row.record.random_training and len(row.runs) == 1


def seeds_cell(row: Row) -> str:
    """Say how many trainings a row stands on, and what it can say of others."""
    if not row.record.random_training:
        return "any"
    return "1 (this training)" if given_training(row) else str(len(row.runs))
