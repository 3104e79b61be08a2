"""
Runs on disk.

``results/<dataset>/<protocol>/<model>/<run id>/`` holds ``examples.parquet`` (one row an example
and draw), ``model/`` (safetensors), and ``record.json``, which is written last: where it stands,
the run is complete. A second run of the same row and seed finds the same folder, finished or to be
gone on with.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from recbench.atomic_write import atomic_file
from recbench.errors import DataError, UserError
from recbench.evaluation.evaluator import Judgement
from recbench.evaluation.outcome import Outcome
from recbench.questions.cold_start import ColdStart
from recbench.runs.record import SCHEMA_VERSION, RunRecord, Setup

if TYPE_CHECKING:
    import pyarrow as pa

RECORD = "record.json"
EXAMPLES = "examples.parquet"
MODEL = "model"
CHECKPOINTS = "checkpoints"


@dataclass(frozen=True)
class Run:
    """
    A finished run.

    Attributes
    ----------
    folder
        Where it lies.
    record
        What it says.
    reused
        Whether it was found finished, not made now.
    """

    folder: Path
    record: RunRecord
    reused: bool = False


def run_folder(results: Path, setup: Setup) -> Path:
    """Return the folder of a run, which need not exist."""
    return results / setup.dataset / setup.protocol / setup.model / setup.run_id


def finished(folder: Path) -> RunRecord | None:
    """
    Read the record of a run, or return None where the run is not complete.

    Raises
    ------
    DataError
        If the record is broken or of another schema version.
    """
    path = folder / RECORD
    if not path.exists():
        return None
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(value, dict) and value.get("schema_version") != SCHEMA_VERSION:
            raise DataError(
                f"{path}: schema version {value.get('schema_version')}, expected {SCHEMA_VERSION}; "
                "move it away, or read it with the recbench that wrote it"
            )
        return RunRecord.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise DataError(f"{path}: field '{field}': {first['msg']}") from None
    except ValueError as error:
        raise DataError(f"{path}: expected a JSON record: {error}") from None


def finish(folder: Path, record: RunRecord, judgement: Judgement, counts: ColdStart) -> Run:
    """
    Complete a run: examples first, the record last, then the checkpoints go.

    Parameters
    ----------
    folder
        Of this run; killed at any moment, it is either complete or can be run again.
    record, judgement, counts
        What to write.
    """
    write_examples(folder / EXAMPLES, judgement.outcome, judgement.answers, counts)
    _write_record(folder, record)
    shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
    return Run(folder, record)


def runs(results: Path, report: Callable[[str], None] | None = None) -> list[Run]:
    """
    Read every finished run below a results folder, sorted by path; none where there is no folder.

    Parameters
    ----------
    results
        The folder.
    report
        Told one line about each record that is broken, which is then left out. Without it the
        first such record raises DataError.
    """
    found = []
    for path in sorted(results.glob(f"*/*/*/*/{RECORD}")):
        try:
            record = finished(path.parent)
        except DataError as error:
            if report is None:
                raise
            report(str(error))
            continue
        if record is not None:
            found.append(Run(path.parent, record, reused=True))
    return found


def publish(run: Run, results: Path) -> Path:
    """
    Copy a run into a results folder that may be committed.

    The record, and the examples without ``answer``, so that no titles are published; no weights.

    Parameters
    ----------
    run
        A finished run with its examples.
    results
        The root that the copy goes below, at the run's usual place.

    Returns
    -------
    Path
        The copy's folder; one that stood there is overwritten.

    Raises
    ------
    UserError
        If the run's examples are missing; a DataError if they are damaged.
    """
    folder = run_folder(results, run.record)
    _write_table(folder / EXAMPLES, _titleless(_read_table(run.folder)))
    _write_record(folder, run.record)
    return folder


def write_examples(
    path: Path, outcome: Outcome, answers: list[str] | None, counts: ColdStart
) -> None:
    """
    Write the per-row table.

    Columns: ``example`` and ``draw`` (from 0), ``user`` (number in the dataset), ``rank`` (1 the
    best), ``scores`` (in the pack's order; null where all items were ranked), ``hit``, ``valid``,
    ``answer`` (null for a model that only scores) and ``answer_slot`` (negative for an invalid
    answer, see `recbench.evaluation.answers`); and those of `ColdStart`, the same in every draw of
    an example.
    """
    import pyarrow as pa

    rows = np.arange(len(outcome))
    columns = {
        "example": pa.array((rows // outcome.draws).astype(np.int32)),
        "draw": pa.array((rows % outcome.draws).astype(np.int32)),
        "user": pa.array(np.repeat(outcome.users, outcome.draws)),
        "rank": pa.array(outcome.rank),
        "scores": _lists(outcome.scores, len(outcome)),
        "hit": pa.array(outcome.hit),
        "valid": pa.array(outcome.valid),
        "answer": pa.nulls(len(rows), pa.string())
        if answers is None
        else pa.array(answers, pa.string()),
        "answer_slot": pa.array(outcome.answer_slot),
        **{name: np.repeat(values, outcome.draws) for name, values in asdict(counts).items()},
    }
    _write_table(path, pa.table(columns))


def _lists(scores: NDArray[np.float32] | None, rows: int) -> "pa.Array":
    import pyarrow as pa

    kind = pa.list_(pa.float32())
    if scores is None:
        return pa.nulls(rows, kind)
    flat = pa.array(scores.ravel(), pa.float32())
    return pa.FixedSizeListArray.from_arrays(flat, scores.shape[1]).cast(kind)


def read_outcome(run: Run) -> Outcome:
    """
    Read back what happened in a run, so that any metric can be worked out without its model.

    A run older than the column ``user`` is read as if each example were of a user of its own.

    Raises
    ------
    UserError
        If the run's examples are missing; a DataError if they are damaged or are not those of the
        record.
    """
    table = _read_table(run.folder)
    try:
        return _outcome(table, run.record)
    except (KeyError, ValueError) as error:
        raise _damaged(run.folder / EXAMPLES, error) from None


def read_cold_start(run: Run) -> ColdStart:
    """
    Read how much there was to go on in each example of a run.

    Raises
    ------
    UserError
        If the run is older than these counts or its examples are missing; a DataError if they are
        damaged.
    """
    table, names = _read_table(run.folder), [field.name for field in fields(ColdStart)]
    if not set(names) <= set(table.column_names):
        raise UserError(
            f"{run.folder / EXAMPLES} was written before counts were; {_again(run.folder)}"
        )
    return ColdStart(*(table[name].to_numpy()[:: run.record.draws] for name in names))


def _outcome(table: "pa.Table", record: RunRecord) -> Outcome:
    column = {name: table[name].combine_chunks() for name in table.column_names if name != "answer"}

    def numbers(name: str) -> NDArray[np.int32]:
        return column[name].to_numpy(zero_copy_only=False).astype(np.int32)

    rows = record.examples * record.draws
    users = np.arange(record.examples, dtype=np.int32)
    if "user" in column:
        users = numbers("user")[:: record.draws]
    flat = None if record.full_ranking else column["scores"].flatten().to_numpy()
    return Outcome(
        draws=record.draws,
        users=users,
        scores=None if flat is None else flat.reshape(rows, record.candidates),
        rank=numbers("rank"),
        answer_slot=numbers("answer_slot"),
        valid=numbers("valid").astype(bool),
        hit=numbers("hit").astype(bool),
        writes=record.writes,
    )


def _read_table(folder: Path) -> "pa.Table":
    from pyarrow import ArrowException, parquet

    path = folder / EXAMPLES
    if not path.exists():
        raise UserError(f"{path} is missing; {_again(folder)}")
    try:
        return parquet.read_table(path)
    except (ArrowException, OSError) as error:  # Arrow tells of a broken page by a plain OSError
        raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> DataError:
    reason = " ".join(f"{type(error).__name__}: {error}".split())
    return DataError(f"{path} cannot be read ({reason}); {_again(path.parent)}")


def _again(folder: Path) -> str:
    # Where a record stands, a run is found finished and would write no examples.
    return f"move {folder} away and run this cell again to have its examples"


def _titleless(table: "pa.Table") -> "pa.Table":
    return table.drop_columns([name for name in table.column_names if name == "answer"])


def _write_table(path: Path, table: "pa.Table") -> None:
    from pyarrow import parquet

    with atomic_file(path) as partial:
        parquet.write_table(table, partial, compression="zstd")


def _write_record(folder: Path, record: RunRecord) -> None:
    with atomic_file(folder / RECORD) as partial:
        partial.write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")
