"""
Sets of numbers as sorted arrays.

`np.unique` and `np.isin` hash from NumPy 2.3 on, which takes twenty times as long as sorting where
most of some million numbers are distinct.
"""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Integer = TypeVar("Integer", np.int64, np.uint64)


def distinct(values: NDArray[Integer]) -> NDArray[Integer]:
    """Return the distinct values of [n], ascending."""
    ordered = np.sort(values)
    return ordered[np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)]]


def among(values: NDArray[Integer], wanted: NDArray[Integer]) -> NDArray[np.bool_]:
    """Tell of each value whether it is one of `wanted` ([m], in any order): bool [n]."""
    if not len(wanted):
        return np.zeros(len(values), dtype=np.bool_)
    ordered = np.sort(wanted)
    places = np.minimum(np.searchsorted(ordered, values), len(ordered) - 1)
    found: NDArray[np.bool_] = ordered[places] == values
    return found
