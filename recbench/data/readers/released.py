"""What a reader of released splits returns, and what it needs to read them."""

from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from recbench.data.catalogue import Catalogue, make_catalogue
from recbench.data.ragged import Ragged, ragged
from recbench.data.readers.files import lines
from recbench.data.released import Rows
from recbench.errors import DataError


class RawRow(NamedTuple):
    """Where a row stands in its file; ids of its history, oldest first, and of its target."""

    number: int
    history: list[Any]
    target: int | str


@dataclass(frozen=True)
class RawSplit:
    """
    The content of a folder with a released split.

    Attributes
    ----------
    catalogue
        All items.
    rows
        In file order, of catalogue codes.
    notes
        What was assumed, one sentence each.
    """

    catalogue: Catalogue
    rows: Rows
    notes: tuple[str, ...] = ()


class Items:
    """
    The items that rows may name.

    Parameters
    ----------
    file
        Where they are listed.
    listed
        Line, id and title of each; all ids are integers or all are texts.

    Raises
    ------
    DataError
        If an id is listed twice, or there is no item.
    """

    def __init__(self, file: Path, listed: Iterable[tuple[int, int | str, str]]) -> None:
        titles: dict[int | str, str] = {}
        for line, raw, title in listed:
            if raw in titles:
                raise broken(file, line, "an item id that no earlier line has", str(raw))
            titles[raw] = title
        if not titles:
            raise DataError(f"{file}: expected items, found none")
        kind = np.int64 if all(isinstance(raw, int) for raw in titles) else object
        self.file = file
        self.catalogue = make_catalogue(np.array(list(titles), kind), list(titles.values()))
        self.codes = {raw: code for code, raw in enumerate(self.catalogue.raw_ids.tolist())}

    def coded(self, file: Path, where: str, rows: Iterable[RawRow]) -> Ragged:
        """
        Number the items of rows; `file`, and what a row is called in it, are for messages.

        Raises
        ------
        DataError
            Naming the row, if it names an item that is not listed.
        """
        values: list[int] = []
        lengths: list[int] = []
        codes = self.codes
        for row in rows:
            try:
                values += [codes[raw] for raw in row.history]
                values.append(codes[row.target])
            except KeyError as error:
                raise DataError(
                    f"{file}, {where} {row.number}: expected items of {self.file.name}, "
                    f"found {str(error)[:80]}"
                ) from None
            lengths.append(len(row.history) + 1)
        return ragged(np.array(values, dtype=np.int32), np.array(lengths, dtype=np.int64))


def text_lines(file: Path, encoding: str = "utf8") -> Iterator[tuple[int, str]]:
    """
    Yield line number, from 1, and line, without its end and a byte order mark.

    Raises
    ------
    DataError
        With the line, if it is no text or holds a NUL byte; if the file is not there.
    """
    for number, line in lines(file):
        if number == 1:
            line = line.removeprefix(BOM_UTF8)
        try:
            text = line.decode(encoding).removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError:
            raise DataError(f"{file}, line {number}: expected {encoding} text") from None
        if "\0" in text:
            raise DataError(f"{file}, line {number}: expected text, found a NUL byte")
        yield number, text


def is_int64(text: str) -> bool:
    """Tell whether this is how an int64 is written: no sign but a minus, no zeros in front."""
    try:
        value = int(text)
    except ValueError:
        return False
    return str(value) == text and -(2**63) <= value < 2**63


def broken(file: Path, line: int, expected: str, found: str) -> DataError:
    """Build the error for a line that is not what it should be."""
    return DataError(f"{file}, line {line}: expected {expected}, found {found[:80]!r}")
