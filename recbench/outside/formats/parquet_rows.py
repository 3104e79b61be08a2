"""Rows of a Parquet file, which is measured before anything of it is read."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recbench.errors import DataError
from recbench.outside.formats.footer import Column, columns_of
from recbench.outside.formats.room import check_room
from recbench.outside.given import Words, wrong
from recbench.outside.sheet import Sheet

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS_AT_ONCE = 1_000

_OTHERS = 8
"""Columns that are looked at and are no item's in a struct; there are not so many."""

_AGAIN = "write the file again, or write JSON Lines"


def rows_of(file: Path, wanted: set[str], sheet: Sheet) -> Iterator[tuple[str, dict[str, Any]]]:
    """
    Yield the place and the wanted fields of each row; a map or a struct as an object.

    Raises
    ------
    DataError
        For what is no sound Parquet; for a wanted column that is there twice, or that comes to more
        than answers to the sheet can be.
    """
    from pyarrow import ArrowException

    row = 0
    try:
        columns = _named(file, wanted)
        _check_size(file, columns, sheet)
        size = 0
        for batch in _batches(file, columns):
            size += sum(map(_written_out, batch.columns))
            check_room(file, size)
            for fields in batch.to_pylist():
                found = {name: _object(one) for name, one in fields.items()}
                row += 1
                yield f"row {row}", found
    except DataError:
        raise
    except (ArrowException, OSError, ValueError, OverflowError) as error:
        words = Words(" ".join(str(error).split())[:160])
        raise wrong(file, f"row {row + 1}", "sound Parquet", words, _AGAIN) from None


def _batches(file: Path, columns: list[Column]) -> Iterator["pa.RecordBatch"]:
    """Read some rows after others, row group by row group: each has its own encodings."""
    from pyarrow import parquet

    wanted = sorted({one.top for one in columns})
    metadata = parquet.read_metadata(file)
    for number in range(metadata.num_row_groups):
        own = [one for one in columns if one.group == number]
        texts = sorted({one.path for one in own if one.shares_texts and not one.is_mixed})
        rows = 1 if any(one.is_mixed for one in own) else _ROWS_AT_ONCE
        with parquet.ParquetFile(file, metadata=metadata, read_dictionary=texts) as opened:
            yield from opened.iter_batches(rows, row_groups=[number], columns=wanted)


def _named(file: Path, wanted: set[str]) -> list[Column]:
    """Return what the file says of the wanted columns; refuse one that is there twice."""
    from pyarrow import parquet

    with parquet.ParquetFile(file) as opened:
        names = Counter(opened.schema_arrow.names)
    for name in sorted(wanted):
        if names[name] > 1:
            raise wrong(file, "row 1", "each column once", Words(f"{name} twice"), _AGAIN)
    return [one for one in columns_of(file) if one.top in wanted]


def _check_size(file: Path, columns: list[Column], sheet: Sheet) -> None:
    """Refuse more values, more ids as columns of a struct, or more bytes than answers can be."""
    pack, values = sheet.question.pack, Counter[str]()
    most = len(sheet.keys) * pack.draws * pack.size
    for one in columns:
        values[one.path] += one.values
        if values[one.path] > most:
            found = Words(f"{values[one.path]} in {one.top}")
            raise wrong(file, "row 1", f"at most {most} values in a column", found, _AGAIN)
    if len(values) > (most := len(sheet.ids) + _OTHERS):
        raise wrong(file, "row 1", f"at most {most} columns", Words(str(len(values))), _AGAIN)
    check_room(file, sum(one.size for one in columns))


def _written_out(array: "pa.Array") -> int:
    """Return the bytes of texts, of which many may be one that is kept once."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if isinstance(array, pa.DictionaryArray):
        lengths = pc.binary_length(array.dictionary).take(array.indices)
        return int(pc.sum(lengths, min_count=0).as_py())
    if isinstance(array, pa.MapArray):
        return _written_out(array.keys) + _written_out(array.items)
    if isinstance(array, pa.StructArray):
        return sum(map(_written_out, array.flatten()))
    return _written_out(array.flatten()) if pa.types.is_nested(array.type) else 0


def _object(value: Any) -> Any:
    """Make an object of a map, and of a struct, in which an id of another row is null."""
    if isinstance(value, dict):
        return {name: one for name, one in value.items() if one is not None}
    is_map = isinstance(value, list) and value and all(isinstance(one, tuple) for one in value)
    if not is_map:
        return value
    found = {str(name): one for name, one in value}
    if len(found) < len(value):
        raise ValueError("a map that names an id twice")
    return found
