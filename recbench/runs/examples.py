"""
The per-row table of a run, ``examples.parquet``: whatever a figure is made from.

One row an example and draw, by example and then by draw. Columns: ``example`` and ``draw`` (from
0), ``user`` (number in the dataset), ``rank`` (1 the best), ``target_slot``, ``answer_slot``
(negative for an invalid answer, see `recbench.evaluation.answers`), ``scores`` (in the pack's
order) and ``title_tokens``, as in `recbench.evaluation.outcome.Outcome`; ``answer`` (as written);
and those of `ColdStart`, the same in every draw of an example. What a run does not have is null:
ranks, scores and tokens of a model that only writes. ``expert_weights``, the same in every draw
too, stand only where a model has given experts to users.
"""

from collections.abc import Iterator
from dataclasses import asdict, fields
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recbench.atomic_write import atomic_file
from recbench.errors import DataError
from recbench.evaluation.answers import SHARED_TITLE
from recbench.evaluation.outcome import Outcome, are_weights
from recbench.evaluation.ranks import target_ranks, top_slots
from recbench.file_digests import file_digest
from recbench.questions.cold_start import ColdStart
from recbench.runs.record import Setup

if TYPE_CHECKING:
    import pyarrow as pa

EXAMPLES = "examples.parquet"

ROWS_AT_ONCE = 1 << 20
"""Rows of a piece in which the table is written: Parquet's own number, the files are the same."""

VALUES_AT_ONCE = 2**31 - 1
"""Most values in the lists of a piece: Arrow finds those of a row by 32-bit numbers."""

_COUNTS = tuple(field.name for field in fields(ColdStart))

REQUIRED = ("example", "draw", "user", *_COUNTS)
"""Columns that every run has; of the others it has all values or none."""

COLUMNS = {
    **dict.fromkeys((*REQUIRED, "rank", "target_slot", "answer_slot"), "int32"),
    "scores": "list<item: float>",
    "title_tokens": "list<item: int32>",
    "answer": "string",
}
"""Name of each column to its Arrow type."""

WEIGHTS, WEIGHTS_TYPE = "expert_weights", "list<item: float>"
"""The column that most runs are without, and its type."""


def write_examples(
    folder: Path, outcome: Outcome, answers: list[str] | None, counts: ColdStart
) -> str:
    """Write the table into a run's folder, aside first and piece by piece; return its SHA-256."""
    lists = outcome.scores, outcome.title_tokens, outcome.expert_weights
    longest = max((values.shape[1] for values in lists if values is not None), default=0)
    most = max(1, min(ROWS_AT_ONCE, VALUES_AT_ONCE // max(1, longest)))
    starts = range(0, max(1, len(outcome)), most)
    pieces = (np.arange(s, min(s + most, len(outcome))) for s in starts)
    return _write(folder / EXAMPLES, (_piece(outcome, answers, counts, rows) for rows in pieces))


def _piece(
    outcome: Outcome, answers: list[str] | None, counts: ColdStart, rows: NDArray[np.int64]
) -> "pa.Table":
    """Return some rows, which follow each other, of the table."""
    import pyarrow as pa

    example, own = rows // outcome.draws, slice(rows[0], rows[-1] + 1) if len(rows) else slice(0)
    columns = {
        "example": pa.array(example.astype(np.int32)),
        "draw": pa.array((rows % outcome.draws).astype(np.int32)),
        "user": pa.array(outcome.users[example]),
        "rank": _numbers(outcome.rank, own, len(rows)),
        "target_slot": _numbers(outcome.target_slot, own, len(rows)),
        "answer_slot": _numbers(outcome.answer_slot, own, len(rows)),
        "scores": _lists(outcome.scores, own, len(rows), pa.float32()),
        "title_tokens": _lists(outcome.title_tokens, own, len(rows), pa.int32()),
        "answer": pa.nulls(len(rows), pa.string())
        if answers is None
        else pa.array(answers[own], pa.string()),
        **{name: values[example] for name, values in asdict(counts).items()},
    }
    if outcome.expert_weights is not None:
        columns[WEIGHTS] = _lists(outcome.expert_weights, example, len(rows), pa.float32())
    return pa.table(columns)


def copy_without_answers(source: Path, target: Path) -> str:
    """Copy a run's table but for what was written, so that no titles are published."""
    return _write(target / EXAMPLES, map(_without_answers, _pieces(source)))


def _without_answers(table: "pa.Table") -> "pa.Table":
    import pyarrow as pa

    place = table.column_names.index("answer")
    silent = pa.nulls(table.num_rows, pa.string())
    return table.set_column(place, "answer", silent)


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
    except (KeyError, ValueError, TypeError, NotImplementedError) as error:  # Arrow's are of these
        raise damaged(folder / EXAMPLES, error) from None


def read_cold_start(folder: Path, setup: Setup) -> ColdStart:
    """
    Read how much there was to go on in each example of a run.

    Raises
    ------
    DataError
        If the table is missing or damaged.
    """
    table = _read(folder)
    try:
        return ColdStart(*(table[name].to_numpy()[:: setup.draws] for name in _COUNTS))
    except KeyError as error:
        raise damaged(folder / EXAMPLES, error) from None


def read_answers(folder: Path) -> list[str] | None:
    """
    Read what was written, one text a row; None of a model that only scores, or a published copy.

    Raises
    ------
    DataError
        If the table is missing or damaged.
    """
    table = _read(folder)
    try:
        return None if _is_null(table, "answer") else table["answer"].to_pylist()
    except UnicodeDecodeError as error:
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
    return file_digest(path)


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
    """Return what the columns hold; ValueError where they are not those of a run of this shape."""
    _check_columns(table, setup)
    _check_numbers(table, setup)
    found = {
        name: _matrix(table, name, setup.candidates)
        if COLUMNS[name].startswith("list")
        else table[name].to_numpy()
        for name, is_kept in _kept(setup).items()
        if is_kept
    }
    users = table["user"].to_numpy()[:: setup.draws]
    outcome = Outcome(
        draws=setup.draws,
        users=users,
        writes=setup.writes,
        expert_weights=_expert_weights(table, setup.draws),
        **found,
    )
    _check_slots(outcome, setup.candidates)
    _check_ranks(outcome, setup.candidates)
    return outcome


def _kept(setup: Setup) -> dict[str, bool]:
    """Tell which columns a run fills, of those that depend on how and what it was asked."""
    of_pack = not setup.full_ranking
    return {
        "rank": setup.ranks,
        "scores": setup.ranks and of_pack,
        "title_tokens": setup.ranks and setup.writes and of_pack,
        "target_slot": of_pack,
        "answer_slot": of_pack,
    }


RULES = {
    "rank": "ranks are kept of all but what only writes",
    "scores": "scores are kept of a pack that is ranked, and of a full ranking none",
    "title_tokens": "tokens are kept of titles that are ranked",
    "target_slot": "slots are kept of a pack, and of a full ranking none",
    "answer_slot": "slots are kept of a pack, and of a full ranking none",
}
"""What a column must fulfil that is filled, or is not, against `_kept`."""


def _check_columns(table: "pa.Table", setup: Setup) -> None:
    """Check types, and that what a run of this kind keeps is there and nothing else."""
    if not setup.ranks and (setup.full_ranking or not setup.writes):
        raise ValueError("it can have answered nothing of what was asked")
    rows = setup.examples * setup.draws
    if table.num_rows != rows:
        raise ValueError(f"{table.num_rows} rows, expected {rows}")
    for name, kind in COLUMNS.items():
        _check_type(table, name, kind)
        nulls = table[name].null_count
        if nulls and (name in REQUIRED or nulls < rows):
            raise ValueError(f"column {name} lacks {nulls} of {rows} values")
    for name, is_kept in _kept(setup).items():
        if rows and is_kept == _is_null(table, name):
            raise ValueError(RULES[name])


def _check_type(table: "pa.Table", name: str, kind: str) -> None:
    found = str(table.schema.field(name).type).replace("element: ", "item: ")
    if found != kind:
        raise ValueError(f"column {name} of type {found}, expected {kind}")


def _check_numbers(table: "pa.Table", setup: Setup) -> None:
    """Check that rows stand by example and then by draw, and all draws of one are one user's."""
    users, numbers = table["user"].to_numpy(), np.arange(len(table))
    if (table["example"].to_numpy() != numbers // setup.draws).any():
        raise ValueError(f"the examples are not numbered by {setup.draws} draws")
    if (table["draw"].to_numpy() != numbers % setup.draws).any():
        raise ValueError(f"the draws are not numbered from 0 to {setup.draws - 1}")
    if (users != np.repeat(users[:: setup.draws], setup.draws)).any():
        raise ValueError("the draws of an example are of several users")


def _check_slots(outcome: Outcome, candidates: int) -> None:
    """Check the places of targets and answers, where a pack was asked."""
    target, answer = outcome.target_slot, outcome.answer_slot
    if target is None or answer is None:
        return
    if ((target < 0) | (target >= candidates)).any():
        raise ValueError(f"a target is in no slot of {candidates}")
    if ((answer < SHARED_TITLE) | (answer >= candidates)).any():
        raise ValueError(f"an answer names no slot of {candidates}")


def _check_ranks(outcome: Outcome, candidates: int) -> None:
    """Check that ranks follow from the scores, and of what only ranks the answers too."""
    rank, scores = outcome.rank, outcome.scores
    target, answer = outcome.target_slot, outcome.answer_slot
    if rank is None:
        return
    if ((rank < 1) | (rank > candidates)).any():
        raise ValueError(f"a rank is not among 1 to {candidates}")
    if outcome.title_tokens is not None and (outcome.title_tokens < 1).any():
        raise ValueError("a title has no token")
    if scores is None or target is None or answer is None:
        return
    if not np.isfinite(scores).all():
        raise ValueError("a score is not finite")
    if (rank != target_ranks(scores, target)).any():
        raise ValueError("its ranks are not those of its scores")
    if not outcome.writes and (answer != top_slots(scores, target)).any():
        raise ValueError("its answers are not those of its scores")


def _expert_weights(table: "pa.Table", draws: int) -> NDArray[np.float32] | None:
    """Return [examples, K]; ValueError where they are none, or differ between draws."""
    if WEIGHTS not in table.column_names:
        return None
    _check_type(table, WEIGHTS, WEIGHTS_TYPE)
    width = len(table[WEIGHTS][0].as_py() or []) if len(table) else 0
    found = _matrix(table, WEIGHTS, width)
    weights: NDArray[np.float32] = found[::draws]
    if not are_weights(weights) or (found != np.repeat(weights, draws, axis=0)).any():
        raise ValueError("its expert weights are none")
    return weights


def _is_null(table: "pa.Table", name: str) -> bool:
    return bool(table[name].null_count == table.num_rows)


def _matrix(table: "pa.Table", name: str, width: int) -> NDArray[Any]:
    """Return [rows, width]; ValueError where a list is of another length."""
    import pyarrow.compute as pc

    column = table[name]
    same = pc.fill_null(pc.equal(pc.list_value_length(column), width), False)
    if not pc.all(same, min_count=0).as_py():
        raise ValueError(f"a row of {name} has not {width} values")
    # Chunk by chunk: one list array of all rows could not count their values (`VALUES_AT_ONCE`).
    whole = np.empty((len(column), width), column.type.value_type.to_pandas_dtype())
    start = 0
    for chunk in column.chunks:
        whole[start : start + len(chunk)] = chunk.flatten().to_numpy().reshape(len(chunk), width)
        start += len(chunk)
    return whole


def _numbers(values: NDArray[np.int32] | None, own: slice, rows: int) -> "pa.Array":
    import pyarrow as pa

    return pa.nulls(rows, pa.int32()) if values is None else pa.array(values[own])


def _lists(
    values: NDArray[np.generic] | None,
    own: slice | NDArray[np.int64],
    rows: int,
    kind: "pa.DataType",
) -> "pa.Array":
    import pyarrow as pa

    if values is None:
        return pa.nulls(rows, pa.list_(kind))
    flat = pa.array(values[own].ravel(), kind)
    return pa.FixedSizeListArray.from_arrays(flat, values.shape[1]).cast(pa.list_(kind))


def _read(folder: Path) -> "pa.Table":
    """Read a table whole, in the pieces in which it was written."""
    import pyarrow as pa

    return pa.concat_tables(_pieces(folder))


def _pieces(folder: Path) -> "Iterator[pa.Table]":
    """Read a table as it was written, piece by piece."""
    from pyarrow import ArrowException, parquet

    path = folder / EXAMPLES
    if not path.exists():
        raise _missing(path)
    try:
        with parquet.ParquetFile(path) as file:
            for number in range(file.num_row_groups):
                yield file.read_row_group(number)
            if not file.num_row_groups:
                yield file.schema_arrow.empty_table()
    # Arrow tells of a broken page by a plain OSError, and a name may be no text.
    except (ArrowException, OSError, UnicodeDecodeError) as error:
        raise damaged(path, error) from None


def _write(path: Path, pieces: "Iterator[pa.Table]") -> str:
    """Write pieces, at least one, as they come."""
    from pyarrow import parquet

    first = next(pieces)
    with (
        atomic_file(path) as partial,
        parquet.ParquetWriter(partial, first.schema, compression="zstd") as writer,
    ):
        for piece in chain([first], pieces):
            writer.write_table(piece)
    return sha256(path.parent)
