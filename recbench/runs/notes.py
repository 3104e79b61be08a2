"""What must be known of rows before they are compared, wherever they are."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from recbench.runs.leaderboard import Row, ranked_by
from recbench.runs.published import other_data
from recbench.runs.record import RunRecord
from recbench.runs.store import origin
from recbench.statistics.intervals import Estimate, caution
from recbench.statistics.values import ENOUGH_TRAININGS


def notes(rows: Sequence[Row], figure: str | None = None) -> list[str]:
    """
    Say of which rows something must be known where a figure of theirs is compared.

    None is the one that their table is `ranked_by`.
    """
    return _said_once(
        (row.label, note) for row in rows for note in notes_of(row, estimate_of(row, figure))
    )


def notes_by_part(parts: Iterable[tuple[str, Row, Estimate | None]]) -> list[str]:
    """Say likewise of rows whose figure is shown part by part, each by the words for it."""
    shown = list(parts)
    figures = [
        (f"{row.label} {part}", found.figure.value, found.users)
        for part, row, found in shown
        if found is not None
    ]
    return notes_of_figures([row for _, row, _ in shown], figures)


def notes_of_figures(rows: Iterable[Row], figures: Iterable[tuple[str, float, float]]) -> list[str]:
    """
    Say what must be known of rows, whichever figure of theirs is shown, and of those that are.

    Parameters
    ----------
    rows
        All that have a part in what is shown.
    figures
        Of each that is shown with an interval: whose it is, its value and its effective users.
    """
    return [
        *_said_once((row.label, note) for row in rows for note in _of_row(row)),
        *_said_once(
            (whose, note) for whose, value, users in figures for note in _narrow(value, users)
        ),
    ]


def unshown_note(rows: int) -> str:
    """Say that rows were left out of what is compared; empty where none was."""
    if not rows:
        return ""
    more = "1 more row was" if rows == 1 else f"{rows} more rows were"
    return (
        f"{more} asked the same and left out here: with them as well, intervals would be wider, "
        "and fewer rows told apart."
    )


def question_name(record: RunRecord) -> str:
    """Name what was asked, where rows that were asked other things stand beside it."""
    return f"{record.dataset} under {record.protocol}"


def named_apart(rows: Sequence[Row]) -> list[Row]:
    """Return rows, named with what they were asked where others were asked other things."""
    asked = [question_name(row.record) for row in rows]
    if len(set(asked)) < 2:
        return list(rows)
    return [
        replace(row, label=f"{row.label} on {what}") for row, what in zip(rows, asked, strict=True)
    ]


def _said_once(notes: Iterable[tuple[str, str]]) -> list[str]:
    """Write pairs of whose a note is and the note; one line for all that share it."""
    said: dict[str, dict[str, None]] = {}
    for whose, note in notes:
        said.setdefault(note, {})[whose] = None
    return [f"{', '.join(whose)}: {note}" for note, whose in said.items()]


def notes_of(row: Row, found: Estimate | None) -> list[str]:
    """Return what must be known of one row, of which an estimate is shown; None where it is not."""
    narrow = [] if found is None else _narrow(found.figure.value, found.users)
    return [*_of_row(row), *narrow]


def estimate_of(row: Row, figure: str | None = None) -> Estimate | None:
    """Return a row's estimate of a figure, by default of what its table is `ranked_by`."""
    return row.estimates.get(figure or ranked_by(row.record))


def _narrow(value: float, users: float) -> list[str]:
    narrow = caution(value, users)
    words = "the interval, and those of its differences, may be too narrow"
    return [f"{words}: {narrow}"] if narrow else []


def _of_row(row: Row) -> list[str]:
    """Return what must be known of a row, whichever of its figures is shown."""
    return [
        note
        for note in (
            row.record.no_result,
            *_captions(row),
            "" if all(run.record.audit for run in row.runs) else "not audited",
            f"runs of several {row.mixed}" if row.mixed else "",
            _imported(row),
            _of_few(len(row.runs)) if given_training(row) else "",
            data_note(row.record),
        )
        if note
    ]


def _imported(row: Row) -> str:
    """Say how many runs of a row others have made; empty for none."""
    count = sum(origin(run.folder) is not None for run in row.runs)
    verb = "was" if count == 1 else "were"
    return f"{count} of {len(row.runs)} runs {verb} imported" if count else ""


def _captions(row: Row) -> list[str]:
    """Return what the runs of a row say, with the seeds of each where they differ in it."""
    seeds: dict[str, list[str]] = {}
    for run in row.runs:
        seeds.setdefault(run.record.caption, []).append(str(run.record.seed))
    if len(seeds) == 1:
        return list(seeds)
    return [f"{said} (seed {', '.join(of)})" for said, of in seeds.items() if said]


def data_note(record: RunRecord) -> str:
    """Say that a figure is of other data than their name says; empty where that is not known."""
    known = other_data(record)
    return f"{known}: figures are not comparable with those of others" if known else ""


def given_training(row: Row) -> bool:
    """Whether a row has too few trainings of a random kind for them to be a sample."""
    return row.record.random_training and len(row.runs) < ENOUGH_TRAININGS


def _of_few(trainings: int) -> str:
    judged = "a single training is judged, as it is" if trainings == 1 else "two are no sample"
    return f"{judged}: nothing is said of another seed"


def seeds_cell(row: Row) -> str:
    """Say how many trainings a row stands on, and what it can say of others."""
    if not row.record.random_training:
        return "any"
    return trainings_cell(len(row.runs)) if given_training(row) else str(len(row.runs))


def trainings_cell(trainings: int) -> str:
    """Say that so few trainings are judged as these."""
    return "1 (this training)" if trainings == 1 else f"{trainings} (these trainings)"
