from datetime import date

import pyarrow as pa
import pytest

from recbench.data.readers.times import TIMES, seconds, time_kind


@pytest.mark.parametrize(
    ("texts", "kind", "expected"),
    [
        (["100", "-5"], "integer", [100, -5]),
        (["1700000000123"], "integer", [1_700_000_000_123]),
        (["100.0", "7"], "number", [100, 7]),
        (["100.5", "7"], "number", [100_500_000, 7_000_000]),
        (["1970-01-02", "1970-01-01 00:01"], "date", [86_400, 60]),
        (["1970-01-01T00:00:01.5"], "date", [1_500_000]),
        (["1970-01-01T00:00:01Z", "1970-01-01 02:00:01+02:00"], "date with zone", [1, 1]),
        (["1.2839e9", "7"], "number", [1_283_900_000, 7]),
        (["1E+09", "7"], "number", [1_000_000_000, 7]),
        (["1.5E-1"], "number", [150_000]),
        (["1.2839e15"], "number", [1_283_900_000_000_000]),
        (["noon"], "time", None),
        (["31.01.2024"], "time", None),
        (["e9"], "number", None),
    ],
)
def test_times_become_integers_that_keep_the_order(texts, kind, expected):
    assert time_kind(texts[0]) == kind
    if expected is not None:
        assert seconds(pa.chunked_array([pa.array(texts).cast(TIMES[kind])])).tolist() == expected


def test_dates_and_stamps_of_any_unit():
    assert seconds(pa.chunked_array([pa.array([date(1970, 1, 3)])])).tolist() == [172_800]
    stamps = pa.array([1_500_000_000, 3_000_000_000], pa.timestamp("ns", "Europe/Berlin"))
    assert seconds(pa.chunked_array([stamps])).tolist() == [1_500_000, 3_000_000]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e30])
def test_what_is_no_time_is_refused(value):
    with pytest.raises(pa.ArrowInvalid, match="not finite or too far"):
        seconds(pa.chunked_array([pa.array([value])]))
