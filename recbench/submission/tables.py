"""Tables of runs that somebody sent: a small file may hold a table that no memory takes."""

from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from recbench.errors import DataError
from recbench.runs.examples import COLUMNS, EXAMPLES, WEIGHTS
from recbench.runs.record import RunRecord

MOST_VALUES = 2**28
"""In all columns: 300,000 rows of 20 draws of 20 candidates are not half of that."""

_MOST_TEXT = 2**30
"""Bytes of all that was written."""

_ROWS_AT_ONCE = 2**16


def check_table(folder: Path, record: RunRecord) -> None:
    """
    Check, from what a table says of itself, that it can be read.

    Raises
    ------
    DataError
        If it is no Parquet file, has columns that no run has, which would be passed on unseen, or
        other rows than its record says, or is too large.
    """
    path = folder / EXAMPLES
    try:
        # Texts of which many are one are not written out to be counted.
        with parquet.ParquetFile(path, read_dictionary=["answer"]) as table:
            strange = _strange(table.schema_arrow.names)
            rows, values = table.metadata.num_rows, _values(table)
            text = _text(table) if max(rows, values) <= MOST_VALUES else 0
    except (pa.ArrowException, OSError, KeyError, ValueError, TypeError) as error:
        words = " ".join(str(error).split())[:200]
        raise DataError(f"{path} is no table that can be read ({words})") from None
    if strange:
        raise DataError(f"{path} has a column that no run has, or twice: {strange}")
    if rows != record.examples * record.draws:
        raise DataError(f"{path} has {rows} rows, its record {record.examples * record.draws}")
    if values > MOST_VALUES:
        raise DataError(f"{path} has {values} values, and may have {MOST_VALUES}")
    if text > _MOST_TEXT:
        raise DataError(f"{path} has {text} bytes of text, and may have {_MOST_TEXT}")


def _strange(names: list[str]) -> str:
    """Name a column that no run has, or that is there twice; empty for none."""
    usual = {*COLUMNS, WEIGHTS}
    strange = (name for name, times in Counter(names).items() if name not in usual or times > 1)
    return ascii(next(strange, ""))[1:-1][:60]


def _values(table: parquet.ParquetFile) -> int:
    """Return how many values all columns have, or eights of bytes where that is more."""
    found = 0
    for number in range(table.num_row_groups):
        # A column whose description is damaged ends the process when it is asked for (Arrow 26);
        # where a row is read of it, the damage is told as it should be.
        next(table.iter_batches(1, row_groups=[number]), None)
        group = table.metadata.row_group(number)
        columns = map(group.column, range(group.num_columns))
        found += sum(max(one.num_values, one.total_uncompressed_size // 8) for one in columns)
    return found


def _text(table: parquet.ParquetFile) -> int:
    """Return the bytes of all that was written."""
    total = 0
    for batch in table.iter_batches(_ROWS_AT_ONCE, columns=["answer"]):
        answers = batch.column(0)
        if isinstance(answers, pa.DictionaryArray):
            lengths = pc.binary_length(answers.dictionary).take(answers.indices)
            total += pc.sum(lengths, min_count=0).as_py()
    return total
