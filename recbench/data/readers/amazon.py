"""
Amazon reviews of 2014: ``reviews_<category>_5.json.gz`` and ``meta_<category>.json.gz``.

One record a line (`recbench.data.readers.records`). Of a review are read ``reviewerID``, ``asin``,
``overall`` and ``unixReviewTime``, of a product ``asin`` and ``title``.
"""

import math
from array import array
from pathlib import Path

import numpy as np

from recbench.data.readers.raw import Raw
from recbench.data.readers.records import Coder, Record, records, text_of
from recbench.errors import DataError

_BIGGEST = 2**63


def read(interactions: Path, items: Path) -> Raw:
    """
    Read the two files as a stream; memory grows with the reviews, not with their texts.

    Returns
    -------
    Raw
        Its items are those reviewed: the metadata list many more. A reviewed product that has no
        title there has none here; `Raw.notes` counts them.

    Raises
    ------
    DataError
        For a file that is missing or has a broken line; a review without one of its fields.
    """
    users, products, ratings, times = Coder(), Coder(), array("f"), array("q")
    for line, review in records(interactions, ("reviewerID", "asin", "overall", "unixReviewTime")):
        users.add(_id(review, "reviewerID", interactions, line))
        products.add(_id(review, "asin", interactions, line))
        ratings.append(_rating(review.get("overall"), interactions, line))
        times.append(_time(review.get("unixReviewTime"), interactions, line))
    column = products.column()
    titles = dict.fromkeys(products.texts, "")
    for line, product in records(items, ("asin", "title")):
        asin = text_of(product, "asin", items, line)
        if not titles.get(asin, "known"):
            titles[asin] = text_of(product, "title", items, line)
    untitled = sum(not title.strip() for title in titles.values())
    return Raw(
        users=users.column(),
        items=column,
        ratings=np.frombuffer(ratings, dtype=np.float32).copy(),
        times=np.frombuffer(times, dtype=np.int64).copy(),
        item_ids=column.ids,
        titles=list(titles.values()),
        notes=(f"{untitled} of {len(titles)} products have no title.",) if untitled else (),
    )


def _id(review: Record, field: str, file: Path, line: int) -> str:
    value = text_of(review, field, file, line)
    if not value.strip():
        raise DataError(f"{file}, line {line}: expected an id as {field}, found {value!r}")
    return value


def _rating(value: object, file: Path, line: int) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise DataError(f"{file}, line {line}: expected a finite rating, found {value!r}")
    return value


def _time(value: object, file: Path, line: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not -_BIGGEST <= value < _BIGGEST:
        raise DataError(
            f"{file}, line {line}: expected an integer as unixReviewTime, found {value!r}"
        )
    return value
