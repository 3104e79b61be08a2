"""
What a Parquet file says of its columns, read before Arrow is asked for any of them.

A few bytes may stand for more values than memory holds, and where what is said of a column is
damaged, Arrow (26) ends the process instead of telling. So the footer, in Thrift's compact protocol
(https://parquet.apache.org/docs/file-format/metadata/), is read here.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recbench.errors import DataError

_LONGEST = 2**24
"""Bytes of a footer: each of them may become an object of many."""

_ROW_GROUPS, _COLUMNS, _META, _KIND, _ENCODINGS, _PATH, _VALUES, _SIZE = 4, 1, 3, 1, 2, 3, 5, 6
"""Numbers of the fields of ``FileMetaData``, ``RowGroup``, ``ColumnChunk``, ``ColumnMetaData``."""

_BYTE_ARRAY = 6

_DICTIONARY, _DELTA = {2, 8}, {6, 7}
"""Encodings of texts: each kept once, and only what differs from the one before."""


@dataclass(frozen=True)
class Column:
    """
    The rows of a row group in one column without others inside.

    Attributes
    ----------
    group
        Number of the row group.
    path, values, size
        Its name, how many values it has, and how many bytes these take before they are compressed.
    shares_texts
        Whether it is of texts, each of which may stand for many values.
    is_mixed
        Whether it does so in part alone: Arrow cannot leave those texts as they are.
    """

    group: int
    path: str
    values: int
    size: int
    shares_texts: bool
    is_mixed: bool

    @property
    def top(self) -> str:
        """The column of the table that it belongs to."""
        return self.path.partition(".")[0]


def columns_of(file: Path) -> list[Column]:
    """
    Read what is said of all columns, row group by row group.

    Raises
    ------
    DataError
        Where that is nothing sound.
    """
    try:
        groups = _Thrift(_footer(file)).struct()[_ROW_GROUPS]
        return [
            _column(number, chunk[_META])
            for number, group in enumerate(groups)
            for chunk in group[_COLUMNS]
        ]
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError):
        raise DataError("its footer is damaged") from None


def _footer(file: Path) -> bytes:
    with file.open("rb") as stream:
        end = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, end - 8))
        size = int.from_bytes(stream.read(4), "little")
        if size > min(_LONGEST, end - 8):
            raise ValueError("it is longer than the file, or than any")
        stream.seek(end - 8 - size)
        return stream.read(size)


def _column(group: int, meta: dict[int, Any]) -> Column:
    path = b".".join(meta[_PATH]).decode()
    values, size = meta[_VALUES], meta[_SIZE]
    if values < 0 or size < 0:
        raise ValueError("there is no less than nothing")
    encodings = set(meta[_ENCODINGS])
    shares = meta[_KIND] == _BYTE_ARRAY and not encodings.isdisjoint(_DICTIONARY)
    return Column(group, path, values, size, shares, shares and not encodings.isdisjoint(_DELTA))


class _Thrift:
    """Values of the compact protocol, one after another; every one takes a byte at least."""

    def __init__(self, data: bytes) -> None:
        self._bytes = iter(data)

    def struct(self) -> dict[int, Any]:
        return dict(self._fields())

    def _fields(self) -> Iterator[tuple[int, Any]]:
        number = 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._signed()
            kind = head & 15
            yield number, kind == 1 if kind in (1, 2) else self._value(kind)

    def _value(self, kind: int) -> Any:
        match kind:
            case 1 | 2 | 3:
                return self._byte()
            case 4 | 5 | 6:
                return self._signed()
            case 7:
                return self._taken(8)
            case 8:
                return self._taken(self._number())
            case 9 | 10:
                head = self._byte()
                size = head >> 4 if head >> 4 < 15 else self._number()
                return [self._value(head & 15) for _ in range(size)]
            case 12:
                return self.struct()
        raise ValueError(f"{kind} is no kind of value in a footer")

    def _taken(self, count: int) -> bytes:
        return bytes(self._byte() for _ in range(count))

    def _number(self) -> int:
        found = 0
        for shift in range(0, 64, 7):
            byte = self._byte()
            found |= (byte & 127) << shift
            if byte < 128:
                return found
        raise ValueError("no number is longer")

    def _signed(self) -> int:
        found = self._number()
        return (found >> 1) ^ -(found & 1)

    def _byte(self) -> int:
        for byte in self._bytes:
            return byte
        raise ValueError("it ends too soon")
