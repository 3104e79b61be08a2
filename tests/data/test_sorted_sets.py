import numpy as np
import pytest

from recbench.data.sorted_sets import among, distinct


@pytest.mark.parametrize("size", [0, 1, 2, 50])
def test_distinct_is_what_numpy_finds(size: int) -> None:
    values = np.random.default_rng(size).integers(0, 20, size)
    np.testing.assert_array_equal(distinct(values), np.unique(values))


@pytest.mark.parametrize("wanted", [0, 1, 2, 50])
@pytest.mark.parametrize("size", [0, 1, 50])
def test_among_is_what_numpy_finds(size: int, wanted: int) -> None:
    random = np.random.default_rng(size)
    values, others = random.integers(0, 60, size), random.integers(0, 60, wanted)
    np.testing.assert_array_equal(among(values, others), np.isin(values, others))


def test_hashes_are_found_whole() -> None:
    """An unsigned number beyond what a signed one, or a float, can hold is not rounded."""
    values = np.array([2**64 - 1, 2**64 - 2, 2**53 + 1], dtype=np.uint64)
    assert among(values, values[:1]).tolist() == [True, False, False]
    assert distinct(values).tolist() == sorted(values.tolist())
