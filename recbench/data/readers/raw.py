"""What a reader returns, and the check that it makes sense."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from recbench.errors import DataError

Ids = NDArray[np.int64] | NDArray[np.object_]
"""Raw ids: int64 where each is an int64, or its plain decimal text, else str objects."""


@dataclass(frozen=True)
class Coded:
    """
    A column of raw ids, each distinct id kept once.

    Attributes
    ----------
    codes
        int32 [n], row r holds ``ids[codes[r]]``.
    ids
        [distinct], each one in use.
    """

    codes: NDArray[np.int32]
    ids: Ids

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, rows: Any) -> Any:
        return self.ids[self.codes[rows]]


@dataclass(frozen=True)
class Raw:
    """
    The content of a dataset's raw files, in file order.

    Attributes
    ----------
    users, items
        [interactions], raw ids.
    ratings
        float32 [interactions], finite; None where the data have none.
    times
        int64 [interactions], seconds since 1970 (microseconds where some time has a fraction of a
        second); None where the data have none: the order of the file is then the order.
    item_ids
        [items], raw ids, distinct.
    titles
        [items], as the file has them.
    notes
        What is odd about the files, one line each.
    """

    users: Coded
    items: Coded
    ratings: NDArray[np.float32] | None
    times: NDArray[np.int64] | None
    item_ids: Ids
    titles: list[str]
    notes: tuple[str, ...] = ()


def coded(
    column: NDArray[np.int64] | pa.Array | pa.ChunkedArray, text_stays: bool = False
) -> Coded:
    """
    Number the distinct ids of a column.

    Parameters
    ----------
    column
        [n], integers or text, dictionaries of text included; without nulls.
    text_stays
        Whether text stays text where all of it is written as integers are: in files that tell the
        two apart.

    Examples
    --------
    >>> coded(pa.array(["7", "8", "7"])).ids.tolist()
    [7, 8]
    >>> coded(pa.array(["7", "08", "7"])).ids.tolist()
    ['7', '08']
    """
    chunks = column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column])
    if not pa.types.is_dictionary(chunks.type):
        chunks = chunks.dictionary_encode()
    whole = chunks.unify_dictionaries().combine_chunks()
    if isinstance(whole, pa.ChunkedArray):  # what older versions give for one chunk or none
        whole = whole.chunk(0)
    distinct = whole.dictionary
    stays = text_stays and not pa.types.is_integer(distinct.type)
    ids = _texts(distinct.to_pylist()) if stays else ids_of(distinct)
    return Coded(whole.indices.to_numpy().astype(np.int32, copy=False), ids)


def ids_of(values: NDArray[np.int64] | pa.Array | pa.ChunkedArray) -> Ids:
    """Return ids as int64 if every one is written as an int64 is, else as text."""
    column = pa.array(values) if isinstance(values, np.ndarray) else values
    try:
        numbers = column.cast(pa.int64())
    except pa.ArrowInvalid:
        return _texts(column.to_pylist())
    if pa.types.is_integer(column.type) or numbers.cast(column.type).equals(column):
        return numbers.to_numpy()
    return _texts(column.to_pylist())


def alike(first: Ids, second: Ids) -> tuple[Ids, Ids]:
    """Return both as they are if they are of one kind, else both as text: 7 and "7" are one id."""
    if first.dtype == second.dtype:
        return first, second
    return _texts(first.tolist()), _texts(second.tolist())


def together(first: Ids, second: Ids) -> Ids:
    """Return the ids of both, in this order."""
    both: Any = np.concatenate(alike(first, second))
    found: Ids = both
    return found


def _texts(values: list[Any]) -> NDArray[np.object_]:
    return np.array([str(value) for value in values], dtype=object)


def as_ratings(column: pa.ChunkedArray) -> NDArray[np.float32]:
    """Return numbers as float32 [n]; what is too large becomes infinite, and is to be refused."""
    with np.errstate(over="ignore"):
        return column.to_numpy().astype(np.float32)


def checked(raw: Raw, interactions: Path, items: Path, header_lines: int) -> Raw:
    """
    Return `raw` if its values make sense.

    Raises
    ------
    DataError
        With file and line, if an item is listed twice, an interaction names an unlisted item, or
        a rating is not finite.
    """

    def place(row: int) -> str:
        return f"line {row + header_lines + 1}"

    refuse_repeated(raw.item_ids, items, place)
    unlisted = ~among(raw.items.ids, raw.item_ids)
    if unlisted.any():
        expected = f"an item id listed in {items.name}"
        refuse(unlisted[raw.items.codes], interactions, place, expected, raw.items)
    if raw.ratings is not None:
        infinite = ~np.isfinite(raw.ratings)
        refuse(infinite, interactions, place, "a finite rating", raw.ratings)
    return raw


def among(ids: Ids, known: Ids) -> NDArray[np.bool_]:
    """Return bool [ids]: which of them are known."""
    ids, known = alike(ids, known)
    found = set(known.tolist())
    return np.fromiter((each in found for each in ids.tolist()), dtype=bool, count=len(ids))


def refuse_repeated(ids: Ids, file: Path, place: Callable[[int], str]) -> None:
    """Raise DataError at the first id that stood in the file before; see `refuse`."""
    _, first = np.unique(ids, return_index=True)
    repeated = np.ones(len(ids), dtype=bool)
    repeated[first] = False
    refuse(repeated, file, place, "an item id that no earlier line has", ids)


def refuse(
    broken: NDArray[np.bool_],
    file: Path,
    place: Callable[[int], str],
    expected: str,
    values: Coded | NDArray[Any],
) -> None:
    """
    Raise DataError if a row is broken.

    Parameters
    ----------
    broken
        bool [rows].
    file, place
        The file, and what says where in it a row (from 0) stands.
    expected
        What should have stood there.
    values
        [rows], what was found.
    """
    if broken.any():
        row = int(broken.argmax())
        found = str(values[row])
        shown = found if found.isprintable() else repr(found)  # an id may hold line breaks
        raise DataError(f"{file}, {place(row)}: expected {expected}, found {shown}")
