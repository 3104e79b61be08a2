"""The pins were made with NumPy 1.24.4, ``argsort(kind="quicksort")`` on int64."""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recbench.questions.introsort import introsort_argsort


def tied(length: int, kinds: int) -> np.ndarray:
    return (np.arange(length, dtype=np.int64) * 2654435761 % 4294967296 >> 13) % kinds


def median_of_three_killer(length: int) -> np.ndarray:
    """Keys that drive quicksort into heapsort (Musser 1997), with ties."""
    half, keys = length // 2, [0] * length
    for i in range(1, half + 1):
        if i % 2:
            keys[i - 1], keys[i] = i, half + i
        keys[half + i - 1] = 2 * i
    return np.array(keys, dtype=np.int64) // 3


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (0, []),
        (1, [0]),
        (16, [0, 11, 12, 13, 14, 15, 6, 7, 8, 9, 10, 1, 2, 3, 4, 5]),
        (17, [0, 16, 15, 11, 12, 13, 14, 6, 7, 9, 10, 8, 2, 3, 4, 5, 1]),
        (
            24,
            [0, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 9, 8, 7, 6, 10, 22, 5, 4, 3, 2, 1, 21, 23],
        ),
    ],
)
def test_short_arrays_are_sorted_as_numpy_1_24_did(length, expected):
    assert introsort_argsort(tied(length, 4)).tolist() == expected


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (tied(100, 2), "e9236352b396dd90"),
        (tied(737, 50), "d9c9bcc6ed1dcc18"),
        (tied(2000, 300), "ad721875f16cc4af"),
        (tied(5000, 1), "faa4fb27431d2a86"),
        (median_of_three_killer(1000), "5795e1ce2d9b2ff9"),
        (median_of_three_killer(4000), "f9fb3ae916c0bc7c"),
    ],
)
def test_long_arrays_and_heapsort_too(keys, expected):
    order = introsort_argsort(keys).astype("<i8")
    assert hashlib.sha256(order.tobytes()).hexdigest()[:16] == expected


@given(st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(0, 3), max_size=120))
def test_it_sorts(keys):
    array = np.array(keys, dtype=np.int64)
    order = introsort_argsort(array)
    assert sorted(order.tolist()) == list(range(len(keys)))
    assert array[order].tolist() == sorted(keys)
