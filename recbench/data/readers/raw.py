"""What a reader returns, and the check that it makes sense."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recbench.errors import DataError


@dataclass(frozen=True)
class Raw:
    """
    The content of a dataset's raw files, in file order.

    Attributes
    ----------
    users, items
        int64 [interactions], raw ids.
    ratings
        float32 [interactions], finite.
    times
        int64 [interactions], seconds since 1970.
    item_ids
        int64 [items], raw ids, distinct.
    titles
        [items], as the file has them.
    """

    users: NDArray[np.int64]
    items: NDArray[np.int64]
    ratings: NDArray[np.float32]
    times: NDArray[np.int64]
    item_ids: NDArray[np.int64]
    titles: list[str]


def checked(raw: Raw, interactions: Path, items: Path, header_lines: int) -> Raw:
    """
    Return `raw` if its values make sense.

    Raises
    ------
    DataError
        With file and line, if an item is listed twice, an interaction names an unlisted item, or
        a rating is not finite.
    """
    _, first = np.unique(raw.item_ids, return_index=True)
    repeated = np.ones(len(raw.item_ids), dtype=bool)
    repeated[first] = False
    _refuse(repeated, items, header_lines, "an item id that no earlier line has", raw.item_ids)
    unlisted = ~np.isin(raw.items, raw.item_ids)
    _refuse(unlisted, interactions, header_lines, f"an item id listed in {items.name}", raw.items)
    infinite = ~np.isfinite(raw.ratings)
    _refuse(infinite, interactions, header_lines, "a finite rating", raw.ratings)
    return raw


def _refuse(
    broken: NDArray[np.bool_], file: Path, header_lines: int, expected: str, values: NDArray
) -> None:
    if broken.any():
        row = int(broken.argmax())
        line = row + header_lines + 1
        raise DataError(f"{file}, line {line}: expected {expected}, found {values[row]}")
