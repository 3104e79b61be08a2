"""
The folder layout of the LLaRA and iLoRA releases.

``train_data.df``, ``Val_data.df`` and ``Test_data.df`` are pickled pandas tables with the columns
``seq`` (ten items, oldest first, then padding), ``len_seq`` and ``next``. ``id2name.txt`` lists
the items, ``id::name`` a line. MovieLens has ``u.item`` in its place, pairs of id and rating where
the others have an id, and ids that are one less than those of ``u.item``. Padding is the id after
the last item's.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from recbench.data.ragged import Ragged
from recbench.data.readers.pickled_frame import plain, read_columns
from recbench.data.readers.released import Items, RawRow, RawSplit, broken, is_int64, text_lines
from recbench.data.released import Rows
from recbench.data.titles import film_title, plain_title
from recbench.errors import DataError, UserError

MIN_LENGTH = 3
"""Rows with a smaller ``len_seq`` are left out, as the official loader does."""


def read(folder: Path) -> RawSplit:
    """
    Read the folder.

    Returns
    -------
    RawSplit
        The ids of MovieLens are those of ``u.item``, the others' those of the release.

    Raises
    ------
    UserError
        If the folder has no list of items, or two.
    DataError
        With file, row (from 0, as pandas counts) and reason, for what is broken; for a pickle that
        asks for more than a table.
    """
    films, names = folder / "u.item", folder / "id2name.txt"
    if films.is_file() == names.is_file():
        raise UserError(f"{folder}: expected either u.item or id2name.txt")
    if films.is_file():
        items, shift = Items(films, _items(films, "|", "iso-8859-1", _film)), 1
        ids = "Ids are those of u.item, one more than in the released tables."
    else:
        items, shift = Items(names, _items(names, "::", "utf8", plain_title)), 0
        ids = "Ids are the internal ids of the release."
    train, validation, test = (
        _part(folder / name, items, shift)
        for name in ("train_data.df", "Val_data.df", "Test_data.df")
    )
    notes = (ids, *train.notes, *validation.notes, *test.notes)
    return RawSplit(items.catalogue, Rows(train.rows, validation.rows, test.rows), notes)


class _Part(NamedTuple):
    rows: Ragged
    notes: list[str]


def _part(file: Path, items: Items, shift: int) -> _Part:
    rows = list(_rows(file, shift, max(items.codes) + 1))
    kept = [row for length, row in rows if length >= MIN_LENGTH]
    if not kept:
        raise DataError(f"{file}: expected rows with {MIN_LENGTH} items of history, found none")
    notes = []
    if short := len(rows) - len(kept):
        notes.append(
            f"{short} of {len(rows)} rows of {file.name} have fewer than {MIN_LENGTH} items of "
            "history and are left out, as by the official loader."
        )
    # In the releases an empty history counts as one item.
    if odd := sum(length != max(1, len(row.history)) for length, row in rows):
        notes.append(f"{odd} rows of {file.name} have another len_seq than items; it decides.")
    return _Part(items.coded(file, "row", kept), notes)


def _rows(file: Path, shift: int, padding: int) -> Iterator[tuple[int, RawRow]]:
    """Yield the length that a row claims, and the row without padding."""
    columns = read_columns(file, ("seq", "len_seq", "next"))
    left = file.stat().st_size
    for number, (history, length, target) in enumerate(zip(*columns.values(), strict=True)):
        try:
            entries = plain(history)
            left -= len(entries)
            ids = [_id(entry) + shift for entry in entries]
            row = RawRow(number, [raw for raw in ids if raw != padding], _id(target) + shift)
            claimed = _integer(length)
        except (ValueError, LookupError, TypeError, AttributeError):
            raise DataError(
                f"{file}, row {number}: expected ids, or pairs of id and rating"
            ) from None
        if left < 0:  # one list, named again and again
            raise DataError(f"{file}, row {number}: expected fewer items than the file has bytes")
        yield claimed, row


def _id(entry: Any) -> int:
    """Return an id; of a pair with its rating, the id."""
    found = plain(entry)
    if isinstance(found, tuple | list) and len(found) == 2:
        return _integer(found[0])
    return _integer(found)


def _integer(value: Any) -> int:
    found = plain(value)
    if type(found) is not int or not -(2**31) <= found < 2**31:
        raise TypeError
    return found


def _items(
    file: Path, separator: str, encoding: str, title: Callable[[str], str]
) -> Iterator[tuple[int, int, str]]:
    for number, text in text_lines(file, encoding):
        raw, separated, rest = text.partition(separator)
        if not separated or not is_int64(raw):
            raise broken(file, number, f"an item as ID{separator}TITLE", text)
        yield number, int(raw), title(rest)


def _film(fields: str) -> str:
    return film_title(fields.partition("|")[0])
