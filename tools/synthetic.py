"""
Make data of any size, to see how recbench bears it: `docs/size.md` has the figures.

Interactions come in the order of time, each of a user drawn uniformly with an item drawn by a law
of Zipf; the same arguments give the same files. Into the folder are written ``interactions.csv``
and ``items.csv`` or, with ``--parquet``, the same as Parquet.

    python tools/synthetic.py build/synthetic --interactions 25000000
    recbench data add synthetic --interactions build/synthetic/interactions.csv \
        --items build/synthetic/items.csv
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

_FIRST = 1_000_000_000  # seconds: September 2001
_ROWS_AT_ONCE = 1_000_000
_SKEW = 0.8  # the item of rank r has weight r ** -_SKEW


def interactions(count: int, users: int, items: int, seed: int = 0) -> Iterator[pa.Table]:
    """
    Yield the interactions, a million at a time.

    Parameters
    ----------
    count, users, items
        How many; users and items are numbered from 1, and popularity does not follow the numbers.
    seed
        Another seed, other interactions.

    Yields
    ------
    pyarrow.Table
        ``user_id``, ``item_id``, ``rating`` (1 to 5), ``timestamp`` (seconds, never falling).
    """
    random = np.random.default_rng(seed)
    ids = random.permutation(items) + 1
    below = np.cumsum(np.arange(1, items + 1) ** -_SKEW)
    time = _FIRST
    for start in range(0, count, _ROWS_AT_ONCE):
        rows = min(_ROWS_AT_ONCE, count - start)
        times = time + np.cumsum(random.integers(0, 30, rows))
        time = int(times[-1])
        ranks = np.searchsorted(below, random.random(rows) * below[-1])
        columns = {
            "user_id": random.integers(1, users + 1, rows),
            "item_id": ids[np.minimum(ranks, items - 1)],
            "rating": random.integers(1, 6, rows),
            "timestamp": times,
        }
        yield pa.table(columns)


def main() -> None:
    """Write the files that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--interactions", type=int, default=25_000_000)
    parser.add_argument("--users", type=int, default=250_000)
    parser.add_argument("--items", type=int, default=60_000)
    parser.add_argument("--parquet", action="store_true")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    writer = pq.ParquetWriter if asked.parquet else pa.csv.CSVWriter
    end = "parquet" if asked.parquet else "csv"
    numbers = np.arange(1, asked.items + 1)
    titles = [f"Item {number:06d}" for number in numbers.tolist()]
    tables = {
        "items": iter([pa.table({"item_id": numbers, "title": titles})]),
        "interactions": interactions(asked.interactions, asked.users, asked.items),
    }
    for name, parts in tables.items():
        first = next(parts)
        with writer(asked.folder / f"{name}.{end}", first.schema) as stream:
            stream.write_table(first)
            for part in parts:
                stream.write_table(part)


if __name__ == "__main__":
    main()
