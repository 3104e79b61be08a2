"""
The per-row table of a run, ``examples.parquet``: whatever a figure is made from.

One row an example and draw, by example and then by draw. Columns: ``example`` and ``draw`` (from
0), ``user`` (number in the dataset), ``rank`` (1 the best), ``target_slot``, ``answer_slot``
(negative for an invalid answer, see `recbench.evaluation.answers`), ``scores`` (in the pack's
order) and ``title_tokens``, as in `recbench.evaluation.outcome.Outcome`; ``answer`` (as written);
and those of `ColdStart`, the same in every draw of an example. What a run does not have is null.
"""

import hashlib
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from recbench.atomic_write import atomic_file
from recbench.errors import DataError
from recbench.evaluation.outcome import Outcome
from recbench.questions.cold_start import ColdStart
from recbench.runs.record import Setup

if TYPE_CHECKING:
    import pyarrow as pa

EXAMPLES = "examples.parquet"


def write_examples(
    folder: Path, outcome: Outcome, answers: list[str] | None, counts: ColdStart
) -> str:
    """Write the table into a run's folder, aside first; return its SHA-256."""
    import pyarrow as pa

    rows = np.arange(len(outcome))
    columns = {
        "example": pa.array((rows // outcome.draws).astype(np.int32)),
        "draw": pa.array((rows % outcome.draws).astype(np.int32)),
        "user": pa.array(np.repeat(outcome.users, outcome.draws)),
        "rank": pa.array(outcome.rank),
        "target_slot": _numbers(outcome.target_slot, len(rows)),
        "answer_slot": _numbers(outcome.answer_slot, len(rows)),
        "scores": _lists(outcome.scores, len(rows), pa.float32()),
        "title_tokens": _lists(outcome.title_tokens, len(rows), pa.int32()),
        "answer": pa.nulls(len(rows), pa.string())
        if answers is None
        else pa.array(answers, pa.string()),
        **{name: np.repeat(values, outcome.draws) for name, values in asdict(counts).items()},
    }
    return _write(folder / EXAMPLES, pa.table(columns))


def copy_without_answers(source: Path, target: Path) -> str:
    """Copy a run's table but for what was written, so that no titles are published."""
    import pyarrow as pa

    table = _read(source)
    place = table.column_names.index("answer")
    silent = pa.nulls(table.num_rows, pa.string())
    return _write(target / EXAMPLES, table.set_column(place, "answer", silent))


def read_outcome(folder: Path, setup: Setup) -> Outcome:
    """
    Read back what happened in a run, so that any metric can be worked out without its model.

    Parameters
    ----------
    folder
        Of the run.
    setup
        What its record says of its shape.

    Raises
    ------
    DataError
        If the table is missing or damaged, or is not that of the record.
    """
    table = _read(folder)
    try:
        return _outcome(table, setup)
    except (KeyError, ValueError) as error:
        raise damaged(folder / EXAMPLES, error) from None


def read_cold_start(folder: Path, setup: Setup) -> ColdStart:
    """
    Read how much there was to go on in each example of a run.

    Raises
    ------
    DataError
        If the table is missing or damaged.
    """
    table, names = _read(folder), [field.name for field in fields(ColdStart)]
    try:
        return ColdStart(*(table[name].to_numpy()[:: setup.draws] for name in names))
    except KeyError as error:
        raise damaged(folder / EXAMPLES, error) from None


def sha256(folder: Path) -> str:
    """
    Return the SHA-256 of a run's table.

    Raises
    ------
    DataError
        If it is missing.
    """
    path = folder / EXAMPLES
    if not path.is_file():
        raise _missing(path)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def damaged(path: Path, error: Exception | str) -> DataError:
    """Say that a file of a run is not to be trusted, and what helps."""
    words = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
    return DataError(f"{path} cannot be read ({' '.join(words.split())}); {_again(path.parent)}")


def _missing(path: Path) -> DataError:
    return DataError(f"{path} is missing; {_again(path.parent)}")


def _again(folder: Path) -> str:
    # Where a record stands, a run is found finished and would write no examples.
    return f"move {folder} away and run this cell again to have its examples"


def _outcome(table: "pa.Table", setup: Setup) -> Outcome:
    rows = setup.examples * setup.draws
    if table.num_rows != rows:
        raise ValueError(f"{table.num_rows} rows, expected {rows}")

    def numbers(name: str) -> NDArray[np.int32] | None:
        column = table[name].combine_chunks()
        return None if column.null_count == rows and rows else column.to_numpy().astype(np.int32)

    def lists(name: str) -> NDArray[np.generic] | None:
        column = table[name].combine_chunks()
        if column.null_count == rows and rows:
            return None
        flat: NDArray[np.generic] = column.flatten().to_numpy()
        return flat.reshape(rows, setup.candidates)

    rank = table["rank"].to_numpy().astype(np.int32)
    users = table["user"].to_numpy()[:: setup.draws].astype(np.int32)
    if setup.full_ranking:
        return Outcome(draws=setup.draws, users=users, rank=rank, writes=setup.writes)
    scores, tokens = lists("scores"), lists("title_tokens") if setup.writes else None
    return Outcome(
        draws=setup.draws,
        users=users,
        rank=rank,
        writes=setup.writes,
        scores=None if scores is None else scores.astype(np.float32, copy=False),
        target_slot=numbers("target_slot"),
        answer_slot=numbers("answer_slot"),
        title_tokens=None if tokens is None else tokens.astype(np.int32, copy=False),
    )


def _numbers(values: NDArray[np.int32] | None, rows: int) -> "pa.Array":
    import pyarrow as pa

    return pa.nulls(rows, pa.int32()) if values is None else pa.array(values)


def _lists(values: NDArray[np.generic] | None, rows: int, kind: "pa.DataType") -> "pa.Array":
    import pyarrow as pa

    if values is None:
        return pa.nulls(rows, pa.list_(kind))
    flat = pa.array(values.ravel(), kind)
    return pa.FixedSizeListArray.from_arrays(flat, values.shape[1]).cast(pa.list_(kind))


def _read(folder: Path) -> "pa.Table":
    from pyarrow import ArrowException, parquet

    path = folder / EXAMPLES
    if not path.exists():
        raise _missing(path)
    try:
        return parquet.read_table(path)
    except (ArrowException, OSError) as error:  # Arrow tells of a broken page by a plain OSError
        raise damaged(path, error) from None


def _write(path: Path, table: "pa.Table") -> str:
    from pyarrow import parquet

    with atomic_file(path) as partial:
        parquet.write_table(table, partial, compression="zstd")
    return sha256(path.parent)
