"""
recbench's own format: JSON Lines or Parquet, with ``key`` and ``scores``, ``ranking`` or ``text``.

A row may name its ``candidates`` too, which must be those of the question in their order. Whatever
else it holds is not looked at.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from recbench.outside.formats.objects import objects
from recbench.outside.given import Field, Given, Words, wrong
from recbench.outside.sheet import Sheet

FIELDS: tuple[Field, ...] = ("scores", "ranking", "text")

_PARQUET = b"PAR1"


def read(file: Path, _: Sheet) -> Iterator[Given]:
    """Read either, as the file's first bytes tell."""
    with file.open("rb") as stream:
        is_parquet = stream.read(len(_PARQUET)) == _PARQUET
    for where, fields in _rows_of_parquet(file) if is_parquet else objects(file):
        there = [name for name in FIELDS if fields.get(name) is not None]
        if fields.get("key") is None or len(there) != 1:
            named = Words(", ".join(ascii(name)[1:-1] for name in fields)[:100] or "no field")
            expected = f"the field key and one of {', '.join(FIELDS)}"
            raise wrong(file, where, expected, named, "a row has a key and one answer")
        field = there[0]
        yield Given(where, fields["key"], field, fields[field], fields.get("candidates"))


def _rows_of_parquet(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    from pyarrow import ArrowException, parquet

    wanted, row = {"key", "candidates", *FIELDS}, 0
    try:
        with parquet.ParquetFile(file) as opened:
            columns = [name for name in opened.schema_arrow.names if name in wanted]
            for batch in opened.iter_batches(batch_size=1_000, columns=columns):
                for fields in batch.to_pylist():
                    found = {name: _object(one) for name, one in fields.items()}
                    row += 1
                    yield f"row {row}", found
    except (ArrowException, OSError, ValueError, OverflowError) as error:
        words = Words(" ".join(str(error).split())[:160])
        remedy = "write the file again, or write JSON Lines"
        raise wrong(file, f"row {row + 1}", "sound Parquet", words, remedy) from None


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
