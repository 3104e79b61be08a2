"""A Parquet file as a table with named columns."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from recbench.data.readers.delimited import Kind
from recbench.data.readers.tabular import Tabular
from recbench.data.readers.typed import typed
from recbench.errors import DataError

_ROWS_A_BYTE = 100
_SMALL = 1 << 16  # bytes of a file that may hold a hundred rows a byte, however few it has


def opened(file: Path) -> Tabular:
    """
    Read what columns a file has.

    Raises
    ------
    DataError
        For a file that is missing or no Parquet file.
    """
    schema = _guarded(file, pq.read_schema)
    lists = frozenset(field.name for field in schema if pa.types.is_nested(field.type))
    return Tabular(file, schema.names, partial(_read, file), _place, typed=True, lists=lists)


def _read(file: Path, kinds: Mapping[str, Kind]) -> pa.Table:
    table = _guarded(file, lambda _: _small_enough(file).read(columns=list(kinds)))
    if not table.num_rows:
        raise DataError(f"{file}, row 1: expected a row, found the end of the file")
    columns = {name: typed(table[name], name, kind, file, _place) for name, kind in kinds.items()}
    return pa.table(columns)


def _small_enough(file: Path) -> pq.ParquetFile:
    """Open a file, unless it has more rows than any of its size: few bytes may say billions."""
    table = pq.ParquetFile(file)
    most = _ROWS_A_BYTE * max(file.stat().st_size, _SMALL)
    if (rows := table.metadata.num_rows) > most:
        raise DataError(f"{file} is refused: {rows:,} rows, and a file of its size has {most:,}")
    return table


def _guarded(file: Path, read: Callable[[Path], Any]) -> Any:
    try:
        return read(file)
    except FileNotFoundError:
        raise DataError(f"{file}: expected a file, found none") from None
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:  # a name may be no text
        if isinstance(error, OSError) and error.errno is not None:
            raise  # of the path, not of what the file holds
        reason = str(error).splitlines()[0]
        raise DataError(f"{file}: expected a sound Parquet file: {reason}") from None


def _place(row: int) -> str:
    return f"row {row + 1}"
