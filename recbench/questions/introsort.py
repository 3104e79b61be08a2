"""
The argsort that NumPy used for int64 before version 1.25, ties included.

The published splits were sorted with ``argsort(kind="quicksort")``, which is not stable, on
times that tie a lot: the order of the ties is part of the questions. The algorithm is introsort
(Musser 1997): quicksort with the median of three as pivot, insertion sort for short parts,
heapsort once a part has been cut more than 2 log2(n) times. Newer NumPy sorts the ties in
another order, and so does another processor, hence this re-implementation, checked against NumPy
1.24.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_SHORT = 16
"""Parts of at most this many keys are sorted by insertion."""


def introsort_argsort(keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """
    Sort as NumPy 1.24 does.

    Parameters
    ----------
    keys
        int64 [n], n >= 0.

    Returns
    -------
    ndarray
        int64 [n]: ``keys[result]`` ascends; equal keys stand where the old sort left them.
    """
    sound = np.argsort(keys)
    if (np.diff(keys[sound]) > 0).all():
        return sound  # without ties every sort gives the same
    values = keys.tolist()
    order = list(range(len(values)))
    cuts_left = 2 * (len(values).bit_length() - 1)
    waiting = [(0, len(values) - 1, cuts_left)]
    while waiting:
        low, high, cuts_left = waiting.pop()
        if cuts_left < 0:
            order[low : high + 1] = _heapsorted(values, order[low : high + 1])
            continue
        while high - low >= _SHORT:
            middle = _partition(values, order, low, high)
            cuts_left -= 1
            # The longer part waits; only a part that waited is looked at for its depth.
            if middle - low < high - middle:
                waiting.append((middle + 1, high, cuts_left))
                high = middle - 1
            else:
                waiting.append((low, middle - 1, cuts_left))
                low = middle + 1
        _insertion_sort(values, order, low, high)
    return np.array(order, dtype=np.int64)


def _partition(values: Sequence[int], order: list[int], low: int, high: int) -> int:
    """Move what is below the median of three to the left; return where the pivot ended up."""
    middle = low + (high - low) // 2
    for left, right in ((low, middle), (middle, high), (low, middle)):
        if values[order[right]] < values[order[left]]:
            order[left], order[right] = order[right], order[left]
    pivot = values[order[middle]]
    rest = high - 1
    order[middle], order[rest] = order[rest], order[middle]
    left, right = low + 1, rest - 1
    while True:
        while values[order[left]] < pivot:
            left += 1
        while pivot < values[order[right]]:
            right -= 1
        if left >= right:
            break
        order[left], order[right] = order[right], order[left]
        left += 1
        right -= 1
    order[left], order[rest] = order[rest], order[left]
    return left


def _insertion_sort(values: Sequence[int], order: list[int], low: int, high: int) -> None:
    for here in range(low + 1, high + 1):
        moving = order[here]
        hole = here
        while hole > low and values[moving] < values[order[hole - 1]]:
            order[hole] = order[hole - 1]
            hole -= 1
        order[hole] = moving


def _heapsorted(values: Sequence[int], part: list[int]) -> list[int]:
    """Sort one part by a heap with the largest on top."""
    size = len(part)

    def sink(hole: int, moving: int, end: int) -> None:
        while (child := 2 * hole + 1) < end:
            if child + 1 < end and values[part[child]] < values[part[child + 1]]:
                child += 1
            if not values[moving] < values[part[child]]:
                break
            part[hole] = part[child]
            hole = child
        part[hole] = moving

    for start in reversed(range(size // 2)):
        sink(start, part[start], size)
    for end in reversed(range(1, size)):
        moving = part[end]
        part[end] = part[0]
        sink(0, moving, end)
    return part
