"""What a reader of released splits returns, and what it needs to read them."""

import re
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recbench.data.catalogue import Catalogue, make_catalogue
from recbench.data.ragged import Ragged, chosen, ragged
from recbench.data.readers.files import lines
from recbench.data.readers.id_differences import difference
from recbench.data.released import Rows
from recbench.errors import DataError, UserError

MOST_CANDIDATES = np.iinfo(np.int16).max
"""Of one row, as of a protocol that draws them."""


_LIKE_CANDIDATES = re.compile("^cans$|cand|neg", re.IGNORECASE)
_NAMED, _LONGEST_NAME = 8, 40  # what a note names, and letters of each


class RawRow(NamedTuple):
    """
    A row, and where it stands in its file.

    Ids of its history, oldest first, of its target, and of the candidates that it brings, if any.
    """

    number: int
    history: list[Any]
    target: int | str
    candidates: list[Any] | None = None


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


class SplitPart(NamedTuple):
    """One part: its rows, and the candidates that they bring; see `recbench.data.released.Rows`."""

    rows: Ragged
    candidates: NDArray[np.int32] | None = None


def rows_of(folder: Path, train: SplitPart, validation: SplitPart, test: SplitPart) -> Rows:
    """
    Put the parts of a folder together.

    Raises
    ------
    UserError
        If validation rows bring candidates and test rows do not.
    """
    if validation.candidates is not None and test.candidates is None:
        raise UserError(
            f"{folder}: the validation rows bring candidates, the test rows none; give the test "
            "rows theirs, or take them out of the validation rows"
        )
    return Rows(train.rows, validation.rows, test.rows, validation.candidates, test.candidates)


def halves(asked: SplitPart, file: Path, missing: str) -> tuple[list[SplitPart], str]:
    """
    Make validation and test of one part, and say so.

    Parameters
    ----------
    asked, file
        The rows, and where they stand.
    missing
        What there is no file of.

    Raises
    ------
    UserError
        If there is but one row.
    """
    count = len(asked.rows)
    if count < 2:
        raise UserError(f"{file}: expected two rows or a {missing} file, found one row")
    parts = [
        SplitPart(
            chosen(asked.rows, picks),
            None if asked.candidates is None else asked.candidates[picks],
        )
        for picks in np.split(np.arange(count), [count // 2])
    ]
    return parts, (
        f"There was no {missing} file: the first {count // 2} rows of {file.name} validate, the "
        f"other {count - count // 2} test."
    )


def left_alone(what: str, names: Iterable[str]) -> tuple[str, ...]:
    """Note which keys or columns are not read; nothing where there are none."""
    others = sorted(set(names))
    if not others:
        return ()
    named = ", ".join(repr(name)[:_LONGEST_NAME] for name in others[:_NAMED])
    more = f" and {len(others) - _NAMED} more" if len(others) > _NAMED else ""
    note = f"{what} that are left alone: {named}{more}."
    if any(_LIKE_CANDIDATES.search(name) for name in others):
        note += " Candidates are read from the key 'candidates' of validation.jsonl and test.jsonl."
    return (note,)


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
        for row in rows:
            values += self._codes(file, where, row.number, [*row.history, row.target])
            lengths.append(len(row.history) + 1)
        return ragged(np.array(values, dtype=np.int32), np.array(lengths, dtype=np.int64))

    def candidates(
        self, file: Path, where: str, rows: Sequence[RawRow]
    ) -> NDArray[np.int32] | None:
        """
        Number the candidates that rows bring; see `coded`, and `recbench.data.released.Rows`.

        Raises
        ------
        DataError
            Naming the row, if it alone brings some or none, has more or fewer than the first,
            repeats one, lacks its target, or names an item that is not listed.
        """
        first = rows[0]
        for row in rows:
            if wrong := _wrong_candidates(row, first):
                raise DataError(f"{file}, {where} {row.number}: expected {wrong}")
        if first.candidates is None:
            return None
        codes = [self._codes(file, where, row.number, row.candidates or []) for row in rows]
        return np.sort(np.array(codes, dtype=np.int32), axis=1)

    def _codes(self, file: Path, where: str, number: int, ids: list[Any]) -> list[int]:
        try:
            return [self.codes[raw] for raw in ids]
        except KeyError as error:
            raw = np.array(error.args, dtype=object)
            found = difference(raw, self.catalogue.raw_ids)
            raise DataError(
                f"{file}, {where} {number}: expected items of {self.file.name}, found {found}"
            ) from None


def _wrong_candidates(row: RawRow, first: RawRow) -> str:
    """Say what is expected of a row's candidates, and what was found; nothing if they are right."""
    if row.candidates is None or first.candidates is None:
        some = "none" if row.candidates is None else "some"
        alike = row.candidates is first.candidates
        return "" if alike else f"candidates in every row of the file or in none, found {some}"
    size = len(row.candidates)
    if not 2 <= size <= MOST_CANDIDATES:
        return f"2 to {MOST_CANDIDATES} candidates, found {size}"
    if size != len(first.candidates):
        return f"{len(first.candidates)} candidates, as the first row has, found {size}"
    if len(set(row.candidates)) < size:
        twice = next(raw for raw in row.candidates if row.candidates.count(raw) > 1)
        return f"different candidates, found {twice!r:.80} twice"
    if row.target not in row.candidates:
        return f"the target among the candidates, found no {row.target!r:.80}"
    return ""


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
