"""A prepared dataset: coded interactions and a catalogue, digested, stored as parquet."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from recbench.atomic_write import atomic_folder
from recbench.data.card import Card
from recbench.data.catalogue import Catalogue, make_catalogue
from recbench.data.ragged import lengths
from recbench.data.readers.raw import Ids, Raw, alike
from recbench.data.released import Rows, pieced
from recbench.data.time_units import numbers_rows
from recbench.data.titles import REPAIRS, shortened
from recbench.errors import RecbenchError


@dataclass(frozen=True)
class Dataset:
    """
    Everything a protocol starts from.

    Attributes
    ----------
    card
        What is known about it.
    catalogue
        All items.
    users
        int32 [interactions], users numbered from 0 by ascending raw id, in file order.
    items
        int32 [interactions], catalogue codes.
    ratings
        float32 [interactions]; None where the data have none.
    times
        int64 [interactions], seconds since 1970 (microseconds where some time has a fraction of a
        second); 0, 1, 2, ... where the data have none, which keeps the order of the file.
    digest
        SHA-256 over the catalogue and these arrays: the same from every source.
    rows
        Where the dataset is a finished split, its rows, and then all else follows from them: every
        sequence of the training rows is a user, then every validation and test row is one. None
        where a protocol makes the rows.
    """

    card: Card
    catalogue: Catalogue
    users: NDArray[np.int32]
    items: NDArray[np.int32]
    ratings: NDArray[np.float32] | None
    times: NDArray[np.int64]
    digest: str
    rows: Rows | None = None

    def __len__(self) -> int:
        return len(self.items)

    @property
    def timed(self) -> bool:
        """Whether the data have times, and not only an order."""
        return not numbers_rows(self.times)


def array_digest(*parts: str | NDArray[Any]) -> str:
    """
    Hash texts and arrays.

    Returns
    -------
    str
        SHA-256 over each part's kind, shape and little-endian bytes, the same on every machine.
    """
    hashed = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            hashed.update(f"text {len(part.encode())}\n{part}\n".encode())
        else:
            little = np.ascontiguousarray(part, dtype=part.dtype.newbyteorder("<"))
            hashed.update(f"array {little.dtype.str} {little.shape}\n".encode())
            hashed.update(little.data)
    return hashed.hexdigest()


def make_dataset(card: Card, raw: Raw) -> Dataset:
    """Repair titles, number users and items; ``raw.items`` must all be in ``raw.item_ids``."""
    repaired = REPAIRS[card.titles]
    titles = [repaired(card.title_fixes.get(title.strip(), title)) for title in raw.titles]
    if card.title_length is not None:
        titles = [shortened(title, card.title_length) for title in titles]
    used, listed = alike(raw.items.ids, raw.item_ids)
    catalogue = make_catalogue(listed, titles)
    codes = np.searchsorted(catalogue.raw_ids, used).astype(np.int32)
    times = np.arange(len(raw.items), dtype=np.int64) if raw.times is None else raw.times
    return _digested(
        card,
        catalogue,
        _ranks(raw.users.ids)[raw.users.codes],
        codes[raw.items.codes],
        raw.ratings,
        times,
    )


def make_released(card: Card, catalogue: Catalogue, rows: Rows) -> Dataset:
    """Make a dataset of a finished split; there must be a row in every part."""
    sequences, _ = pieced(rows.train)
    parts = (sequences, rows.validation, rows.test)
    sizes = np.concatenate([lengths(part) for part in parts])
    items = np.concatenate([part.values for part in parts])
    return Dataset(
        card=card,
        catalogue=catalogue,
        users=np.repeat(np.arange(len(sizes), dtype=np.int32), sizes),
        items=items,
        ratings=None,
        times=np.arange(len(items), dtype=np.int64),
        digest=array_digest("released", catalogue.digest, *rows.arrays()),
        rows=rows,
    )


def _ranks(ids: Ids) -> NDArray[np.int32]:
    """Return each id's place among all, from 0."""
    ranks = np.empty(len(ids), dtype=np.int32)
    ranks[np.argsort(ids)] = np.arange(len(ids), dtype=np.int32)
    return ranks


def _digested(
    card: Card,
    catalogue: Catalogue,
    users: NDArray[np.int32],
    items: NDArray[np.int32],
    ratings: NDArray[np.float32] | None,
    times: NDArray[np.int64],
) -> Dataset:
    rated = "unrated" if ratings is None else ratings
    digest = array_digest(catalogue.digest, users, items, rated, times)
    return Dataset(card, catalogue, users, items, ratings, times, digest)


def store(dataset: Dataset, folder: Path) -> None:
    """Write the dataset into `folder`, aside first."""
    with atomic_folder(folder) as partial:
        table = _table(dataset).replace_schema_metadata({"digest": dataset.digest})
        pq.write_table(table, partial / "interactions.parquet", compression="zstd")
        items = {
            "id": pa.array(dataset.catalogue.raw_ids),
            "title": pa.array(dataset.catalogue.titles, pa.string()),
        }
        pq.write_table(pa.table(items), partial / "items.parquet", compression="zstd")


def _table(dataset: Dataset) -> pa.Table:
    """Return the interactions, or the rows of a finished split, from which they follow."""
    if dataset.rows is not None:
        return dataset.rows.table()
    arrays = {"user": dataset.users, "item": dataset.items, "time": dataset.times}
    if dataset.ratings is not None:
        arrays["rating"] = dataset.ratings
    return pa.table(arrays)


def _of_table(card: Card, catalogue: Catalogue, table: pa.Table) -> Dataset:
    if "part" in table.column_names:
        return make_released(card, catalogue, Rows.of(table))
    users, items, times = (table[name].to_numpy() for name in ("user", "item", "time"))
    ratings = table["rating"].to_numpy() if "rating" in table.column_names else None
    return _digested(card, catalogue, users, items, ratings, times)


def stored(card: Card, folder: Path) -> Dataset:
    """
    Read what `store` wrote.

    Raises
    ------
    RecbenchError
        If the files cannot be read or their content is not what their digest says.
    """
    try:
        # Threads cost more than they give: most of the work is in touching new memory.
        table = pq.read_table(folder / "interactions.parquet", use_threads=False)
        listed = pq.read_table(folder / "items.parquet")
        digest = table.schema.metadata[b"digest"].decode()
        catalogue = make_catalogue(listed["id"].to_numpy(), listed["title"].to_pylist())
        dataset = _of_table(card, catalogue, table)
    except (OSError, pa.ArrowException, LookupError, TypeError, ValueError, MemoryError) as error:
        raise RecbenchError(f"{folder} cannot be read: {error}") from None
    if dataset.digest != digest:
        raise RecbenchError(f"{folder} does not hold what its digest says")
    return dataset
