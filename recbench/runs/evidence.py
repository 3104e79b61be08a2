"""
What a record says is checked before anyone reads it.

A figure that was edited, a folder that was copied under another name, another run's table, settings
that are not those of the row: each is named, and the run is left out. Nothing but the run's own
folder is needed; `recbench.runs.verify` also asks the data. What was made up as a whole, table,
figures and digests, cannot be told from a run in this way: only running it again can.
"""

import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from recbench.errors import DataError
from recbench.evaluation.evaluator import summary
from recbench.evaluation.metrics import named_as_own
from recbench.registry import is_own, listed
from recbench.runs.examples import read_outcome, sha256
from recbench.runs.identity import row_of, run_id, training_id_of
from recbench.runs.record import FIGURE_VERSION, RunRecord
from recbench.runs.record_parts import USUAL
from recbench.statistics.intervals import Figure

RECORD = "record.json"

ROUNDING = 1e-9
"""Of a figure that is worked out again on another machine."""

_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\U000e0100-\U000e01ef]"
)
"""What shows nothing though it can be printed: with it two names would look like one."""

Check = Callable[[Path, RunRecord], None]
"""Raises DataError where a run's folder and record are not what they say."""


def check_words(folder: Path, record: RunRecord) -> None:
    """Check that what a table prints is one line: it could otherwise hold rows of its own."""
    names = [text for field, text in record.words.items() if field != "caption"]
    if not all(text.isprintable() for text in (*names, record.caption, *record.metrics)):
        raise refused(folder, "a name or its caption holds signs that cannot be printed")
    if any(map(_UNSEEN.search, (*names, *record.metrics))):
        raise refused(folder, "a name holds letters that nobody sees")


def check_row(folder: Path, record: RunRecord) -> None:
    """Check that the row and the run's name are those of the settings, the question and seed."""
    if record.row != (row := row_of(record)):
        raise refused(folder, f"its row is {record.row[:12]}, its settings are of {row[:12]}")
    if record.run_id != (named := run_id(record.row, record.seed)):
        raise refused(folder, f"its run id is {record.run_id}, its row and seed are of {named}")


def check_place(folder: Path, record: RunRecord) -> None:
    """Check that the folder is named as the run is; links are not followed."""
    if not record.belongs_into(found := Path(os.path.abspath(folder)).parts[-4:]):
        raise refused(folder, f"it belongs into {'/'.join(record.place)}, not {Path(*found)}")


def check_training(folder: Path, record: RunRecord) -> None:
    """Check that the training that was asked is one of this model, these settings and this seed."""
    trained = record.trained
    if trained is None:
        return
    if trained.seed != record.seed:
        raise refused(folder, f"its seed is {record.seed}, its training's is {trained.seed}")
    if trained.training_id != (named := training_id_of(record)):
        raise refused(folder, f"its training is {trained.training_id}, its settings are of {named}")


def check_examples(folder: Path, record: RunRecord) -> None:
    """Check that the table is the one that was recorded, and agrees with itself."""
    if (found := sha256(folder)) != record.examples_sha256:
        raise refused(folder, f"its examples have the SHA-256 {found[:12]}, not as recorded")
    rank = read_outcome(folder, record).rank
    if rank is not None and record.ranked is not None and (rank > record.ranked).any():
        raise refused(folder, f"a rank is larger than the {record.ranked} items that it ranked")


def check_figures(folder: Path, record: RunRecord) -> None:
    """
    Work every figure of recbench's own out again.

    Intervals are compared where this recbench makes them as the record's did (`of_values_alone`).
    What a plug-in gave is left alone: it may have been mended since, and tables work it out from
    the examples anyway.
    """
    if (version := record.provenance.figure_version) > FIGURE_VERSION:
        made = f"its figures are of version {version}, and this recbench makes {FIGURE_VERSION}"
        raise refused(folder, f"{made}: update recbench")
    own = _own_figures(folder, record)
    if lacking := own.keys() - record.metrics.keys():
        raise refused(folder, f"it lacks the figure {min(lacking)}")
    others = record.metrics.keys() - own.keys()
    if strange := [name for name in others if named_as_own(name)]:
        raise refused(folder, f"its examples give no {min(strange)}")
    check_same_figures(folder, record, own)


def check_same_figures(folder: Path, record: RunRecord, own: Mapping[str, Figure]) -> None:
    """Compare recorded figures with those that the examples give."""
    exact = not of_values_alone(record)
    for name, recorded in record.metrics.items():
        if name in own and not _alike(own[name], recorded, exact):
            given = f"its examples give {_written(own[name])}"
            raise refused(folder, f"its {name} is {_written(recorded)}, {given}")


def of_values_alone(record: RunRecord) -> str:
    """Say why the intervals of a record are not compared with any; empty where they are."""
    if (version := record.provenance.figure_version) == FIGURE_VERSION:
        return ""
    return f"of values alone: its intervals are of figure version {version}"


def of_today(folder: Path, record: RunRecord) -> RunRecord:
    """Return a record whose intervals are those of this recbench, of which any may be shown."""
    if not of_values_alone(record):
        return record
    return record.model_copy(update={"metrics": record.metrics | _own_figures(folder, record)})


def _own_figures(folder: Path, record: RunRecord) -> dict[str, Figure]:
    ours = {name for name, claimed in listed("metrics").items() if is_own(claimed)}
    return summary(read_outcome(folder, record), _nobody, ours)


def check_record(folder: Path, record: RunRecord) -> None:
    """Check that no field was changed since the record was written."""
    if record.record_sha256 != record.own_digest:
        raise refused(folder, "it was changed after it was written")


def check_outside(folder: Path, record: RunRecord) -> None:
    """Check that what came from outside is captioned so, and answers as it says."""
    outside = record.outside
    if outside is None:
        return
    if record.caption != outside.caption:
        raise refused(folder, f"its caption is {record.caption!r}, expected {outside.caption!r}")
    if (record.writes, record.ranks) != (outside.given == "text", outside.given != "text"):
        raise refused(folder, f"of {outside.given} it cannot have what it says it has")
    if record.settings or record.ingredients or record.training != USUAL:
        raise refused(folder, "it has settings, ingredients or a training, which nobody has seen")
    if record.no_result:
        raise refused(folder, f"a file cannot be {record.no_result}")


CHECKS: dict[str, Check] = {
    "words": check_words,
    "row": check_row,
    "place": check_place,
    "training": check_training,
    "outside": check_outside,
    "examples": check_examples,
    "figures": check_figures,
    "record": check_record,
}
"""All that a run's folder can answer for; the last finds any change, the others say which."""


def check_run(folder: Path, record: RunRecord) -> None:
    """
    Check all of a run that its folder can answer for.

    Raises
    ------
    DataError
        With the first thing that is not so.
    """
    for check in CHECKS.values():
        check(folder, record)


def check_apart(folder: Path, record: RunRecord, others: Iterable[RunRecord]) -> None:
    """
    Check that a run is none of those that are counted already, under another name.

    And that it goes with them: what is averaged answers in one way.

    Parameters
    ----------
    folder, record
        The run.
    others
        Runs of the same row.

    Raises
    ------
    DataError
        If one has the same seed; or the same model under another seed, of a training that is said
        to be random, or the same scores; or answers in another way, so that a figure of both would
        be of two things (``HitRatio@1`` of a text and of a ranking).
    """
    for other in others:
        if other.seed == record.seed:
            twice = "" if other.dataset == record.dataset else ", the same data by another name"
            raise refused(
                folder, f"its row and seed are those of another run of {other.dataset}{twice}"
            )
        same = _learnt(other) == _learnt(record), _scores_as(record, other)
        if record.random_training and any(same):
            what = "model" if same[0] else "scores"
            raise refused(
                folder,
                f"it has the {what} of seed {other.seed}: it is a copy, or its training is not "
                "random and must say so",
            )
        if not answers_alike(record, other):
            raise refused(folder, f"it answers in another way than seed {other.seed} of its row")


def answers_alike(one: RunRecord, other: RunRecord) -> bool:
    """Tell whether two runs both write, and both rank, or do not."""
    return (one.writes, one.ranks) == (other.writes, other.ranks)


def other_system(record: RunRecord, other: RunRecord) -> str:
    """
    Say of a run from outside why it is not of the system of another of its row; empty if it may be.

    A name was given to both, and each by its own maker; what was said of both decides.
    """
    if record.outside is None or other.outside is None:
        return ""
    said = record.outside.about, other.outside.about
    for field in ("model", "code"):
        own, theirs = (getattr(one, field) for one in said)
        if own != theirs:
            return f"whose {field} is {theirs!r}, not {own!r}"
    if record.random_training != other.random_training:
        return f"whose training is {'random' if other.random_training else 'not random'}"
    return ""


def _learnt(record: RunRecord) -> str:
    """Name what answered: the weights, or of what came from outside the answers themselves."""
    if record.trained is not None:
        return record.trained.weights
    assert record.outside is not None  # it is of the other kind
    return record.outside.answers


def _scores_as(one: RunRecord, other: RunRecord) -> bool:
    # Ranks alone, which are all that is kept of a full ranking, and words, which are all of what
    # only writes, two trainings may well share.
    scored = one.ranks and not one.full_ranking
    return scored and one.examples_sha256 == other.examples_sha256


def differing(a: Figure, b: Figure, exact: bool) -> str:
    """Name the first field in which two figures differ, their ends only where `exact`; or none."""
    fields = ("value", "n", "low", "high") if exact else ("value", "n")
    # What is no number is as no other is.
    return next((f for f in fields if not abs(getattr(a, f) - getattr(b, f)) <= ROUNDING), "")


def _alike(a: Figure, b: Figure, exact: bool) -> bool:
    within = 0 <= b.low <= b.value + ROUNDING and b.value - ROUNDING <= b.high <= 1
    return within and not differing(a, b, exact)


def _written(one: Figure) -> str:
    return f"{one.value:.4f} [{one.low:.4f}, {one.high:.4f}] of {one.n}"


def refused(folder: Path, why: str) -> DataError:
    """Say why a record is not to be trusted, and what to do about it."""
    return DataError(f"{folder / RECORD} is not to be trusted: {why}; move {folder} away")


def _nobody(_: str) -> None:
    """Hear of broken plug-ins, which whoever made the run was told of."""
