"""
recbench's own format: JSON Lines or Parquet, with ``key`` and ``scores``, ``ranking`` or ``text``.

A row may name its ``candidates`` too, which must be those of the question in their order. Whatever
else it holds is not looked at.
"""

from collections.abc import Iterator
from pathlib import Path

from recbench.outside.formats.objects import objects
from recbench.outside.formats.parquet_rows import rows_of
from recbench.outside.given import Field, Given, Words, wrong
from recbench.outside.sheet import Sheet

FIELDS: tuple[Field, ...] = ("scores", "ranking", "text")

READ: set[str] = {"key", "candidates", *FIELDS}
"""The fields that are looked at."""

_PARQUET = b"PAR1"


def read(file: Path, sheet: Sheet) -> Iterator[Given]:
    """Read either, as the file's first bytes tell."""
    for where, fields in rows_of(file, READ, sheet) if is_parquet(file) else objects(file):
        there = [name for name in FIELDS if fields.get(name) is not None]
        if fields.get("key") is None or len(there) != 1:
            named = Words(", ".join(ascii(name)[1:-1] for name in fields)[:100] or "no field")
            expected = f"the field key and one of {', '.join(FIELDS)}"
            raise wrong(file, where, expected, named, "a row has a key and one answer")
        field = there[0]
        yield Given(where, fields["key"], field, fields[field], fields.get("candidates"))


def is_parquet(file: Path) -> bool:
    """Tell Parquet from lines by how it begins."""
    with file.open("rb") as stream:
        return stream.read(len(_PARQUET)) == _PARQUET
