import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recbench.data.readers.raw import alike, among, coded, ids_of, together

IDS = st.lists(st.integers(-(2**70), 2**70).map(str) | st.text() | st.sampled_from(["07", "-0"]))


@given(IDS)
def test_ids_come_back_as_they_were(texts):
    column = coded(pa.array(texts, pa.string()))
    assert [str(each) for each in column[:].tolist()] == texts
    assert len(column) == len(texts)
    assert len(column.ids) == len(set(texts))


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["7", "-8"], [7, -8]),
        (["7", "08"], ["7", "08"]),
        (["-0"], ["-0"]),
        (["+1"], ["+1"]),
        (["9223372036854775808"], ["9223372036854775808"]),
        (["1", " 2"], ["1", " 2"]),
    ],
)
def test_only_plain_integers_become_integers(texts, expected):
    assert ids_of(pa.array(texts)).tolist() == expected


def test_every_kind_of_column_gives_the_same_codes():
    chunks = [pa.array(["b", "a"]).dictionary_encode(), pa.array(["c", "a"]).dictionary_encode()]
    for column in (pa.chunked_array(chunks), pa.array(["b", "a", "c", "a"])):
        assert coded(column)[:].tolist() == ["b", "a", "c", "a"]
        assert coded(column).codes.dtype == np.int32
    assert coded(np.array([5, 3, 5]))[:].tolist() == [5, 3, 5]
    assert coded(pa.array([2**63], pa.uint64()))[:].tolist() == [str(2**63)]


def test_numbers_and_texts_are_compared_as_texts():
    numbers, texts = np.array([1, 2]), np.array(["2", "x"], dtype=object)
    assert [each.tolist() for each in alike(numbers, texts)] == [["1", "2"], ["2", "x"]]
    assert among(numbers, texts).tolist() == [False, True]
    assert together(numbers, texts).tolist() == ["1", "2", "2", "x"]
    assert together(numbers, numbers).tolist() == [1, 2, 1, 2]
