"""
The two divisions, as MLPerf has them: ``closed`` under rules that all keep to, ``open`` for all.

``closed`` asks for the protocol as it stands, its own training rows, and defaults, a preset or
settings from a search of at most `TRIALS` trials, equally many of every model. That is checked as
far as records can show it; that the search is all there was, nobody can.
"""

from collections.abc import Sequence
from pathlib import Path

from recbench.defaults import PACK_SEED
from recbench.errors import DataError, RecbenchError, UserError
from recbench.models import recommender_class
from recbench.questions.protocols import protocol
from recbench.questions.protocols.choice import means
from recbench.runs.published import other_data
from recbench.runs.record import RunRecord
from recbench.runs.remade_question import Questions
from recbench.runs.store import read_record
from recbench.runs.tried import Tried, compared, read_tried
from recbench.runs.verify import Check, Verified
from recbench.submission.manifest import Division, place_of

TRIALS = 27
"""Settings that the search for a model may try: as many as were tried for those of recbench."""

DIVISION = "division"

OF_DATA = ("question", "learnt")
"""Checks without which a run of the closed division may be of any question."""

SEEDS = 3
"""Trainings of a row whose training is random, at least."""


def check_division(
    division: Division, records: Sequence[RunRecord], search: Path | None = None
) -> None:
    """
    Check that runs may be submitted in a division.

    Parameters
    ----------
    division
        ``"open"`` takes all.
    records
        Of the runs.
    search
        The settings that were tried, as ``tools/search.py`` writes them; None where there was none.

    Raises
    ------
    UserError
        With the first run that is not taken, and why.
    DataError
        For a file of a search that cannot be read, or in which models were not tried equally often.
    """
    tried = {} if search is None else read_search(search)
    for record in records:
        if record.limit is not None:
            raise UserError(f"{place_of(record)} is {record.no_result}; run it without --limit")
    if division == "open":
        return
    for record in records:
        if why := _why_not(record, tried):
            raise _not_closed(record, why)
    rows: dict[str, list[RunRecord]] = {}
    for record in records:
        rows.setdefault(record.row, []).append(record)
    for row in rows.values():
        seeds = sorted(record.seed for record in row)
        if row[0].random_training and (len(seeds) < SEEDS or seeds != [*range(len(seeds))]):
            said = ", ".join(map(str, seeds))
            raise _not_closed(row[0], f"a row has the seeds 0 to {SEEDS - 1} at least, this {said}")


def with_division(found: Verified, division: Division, questions: Questions) -> Verified:
    """
    Check of a run of the closed division that all is checked which its data at hand can tell.

    Parameters
    ----------
    found
        What was checked of the run before.
    division
        In which it is submitted; of the open one nothing is asked.
    questions
        Makes the question again, as it did for those checks.
    """
    left = [one for one in found.checks if one.name in OF_DATA and one.result == "not checked"]
    if division == "open" or found.failed or not left:
        return found
    if not questions.can_be_made(read_record(Path(found.folder))):
        return found
    why = (
        "the closed division asks for it where the data are at hand, and its "
        f"{left[0].name} cannot be told: {left[0].why}"
    )
    last = Check(name=DIVISION, result="failed", why=why)
    return found.model_copy(update={"checks": (*found.checks, last)})


def read_search(file: Path) -> Tried:
    """
    Read the settings that were tried.

    Raises
    ------
    DataError
        For a file that `recbench.runs.tried.read_tried` does not read, or models of which some were
        tried more often than others, or more than `TRIALS` times.
    """
    found = read_tried(file)
    times = {model: len(settings) for model, settings in found.items()}
    if len(set(times.values())) != 1 or max(times.values()) > TRIALS:
        said = ", ".join(f"{model} {count}" for model, count in sorted(times.items())) or "none"
        raise DataError(
            f"{file}: expected at most {TRIALS} trials, the same number of every model, found "
            f"{ascii(said)[1:-1][:200]}"
        )
    return found


def _not_closed(record: RunRecord, why: str) -> UserError:
    return UserError(f"{place_of(record)} is of the open division, not the closed one: {why}")


def _why_not(record: RunRecord, tried: Tried) -> str:
    """Say why a run cannot be of the closed division; empty for nothing."""
    card, asked = record.protocol.partition(",")[0], record.protocol
    if record.kind == "external":
        return "nobody has seen the training of what came from a file"
    if record.no_result:
        return f"it is {record.no_result}"
    if why := other_data(record):
        return why
    if (record.training.fraction, record.training.dataset) != (1, None):
        return "it did not learn from all training rows of its protocol, and from those alone"
    if not means(card, asked.removesuffix(",candidates=all")):
        return f"it asks {asked}, not {card} as it stands or with all candidates"
    if record.protocol_version != (version := _version(card)):
        return f"it asks version {record.protocol_version} of {card}, which today is {version}"
    if record.pack_seed != PACK_SEED:
        return f"its candidates are of pack seed {record.pack_seed}, expected {PACK_SEED}"
    if record.matching != "exact":
        return f"its answers are matched by {record.matching}, expected exact"
    if record.audit is None:
        return "it was not audited"
    if _is_default(record):
        return ""
    if record.model not in tried:
        return "its settings are neither defaults nor a preset, and no --search holds its model"
    if not _was_tried(record, tried):
        return "its settings are neither defaults nor a preset, and were not tried in the search"
    return ""


def _version(card: str) -> int:
    """Return the version of a protocol as it stands: of no other can a question be made again."""
    try:
        return protocol(card).version
    except RecbenchError as error:
        raise UserError(f"the version of {card} cannot be told: {error}") from None


def _was_tried(record: RunRecord, tried: Tried) -> bool:
    """Tell whether a search tried a run's settings, all of them: what is not named is a default."""
    kind = recommender_class(record.model).settings_class
    found = [compared(kind, settings) for settings in tried[record.model]]
    return compared(kind, record.settings) in found


def _is_default(record: RunRecord) -> bool:
    """Tell whether nothing was set but the language model, which is a choice of the system."""
    given = {name: value for name, value in record.settings.items() if name == "llm"}
    try:
        usual = recommender_class(record.model).settings_class.build(given, record.preset)
    except RecbenchError as error:
        raise UserError(f"the defaults of {record.model} cannot be told: {error}") from None
    return usual.identity() == record.settings
