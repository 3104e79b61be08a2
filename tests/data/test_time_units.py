import numpy as np
import pytest

from recbench.data.time_units import astray, in_seconds, shown, unit_of

NOW = 1_700_000_000  # 2023-11-14T22:13:20


@pytest.mark.parametrize(
    ("times", "unit", "first"),
    [
        ([NOW, NOW + 9], "s", "2023-11-14T22:13:20"),
        ([NOW * 10**3, NOW * 10**3 + 9], "ms", "2023-11-14T22:13:20"),
        ([NOW * 10**6, NOW * 10**6 + 9], "us", "2023-11-14T22:13:20"),
        ([NOW * 10**9, NOW * 10**9 + 9], "ns", "2023-11-14T22:13:20"),
        # The ends of one column are shown in one unit, and a stray end looks as odd as it is.
        ([NOW, *[NOW * 1000] * 3], "ms", "1970-01-20T16:13:20"),
        ([0, *[NOW * 1000] * 3], "ms", "1970-01-01T00:00:00"),
        ([-1, NOW, NOW], "s", "1969-12-31T23:59:59"),
        ([-5, -3], "s", "1969-12-31T23:59:55"),
        ([20240131, 20240229], "date", "2024-01-31"),
        ([20240131, 20241329, 20240131], "s", "1970-08-23T06:15:31"),
        ([2024013118, 2024022923], "date", "2024-01-31T18"),
        ([20240131183059, 20240229235900], "date", "2024-01-31T18:30:59"),
        ([0, *[20240131] * 3], "date", "1970-01-01T00:00:00"),
        ([7], "s", "1970-01-01T00:00:07"),
    ],
)
def test_one_unit_for_a_column(times, unit, first):
    found = unit_of(np.array(times))
    assert found == unit
    assert shown(min(times), found) == first


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([NOW, NOW * 1000, NOW * 1000, NOW * 1000], [1, 0, 0, 0]),
        ([NOW, NOW, NOW, NOW * 1000], [0, 0, 0, 1]),
        ([NOW * 1000, NOW * 10**6, NOW * 10**9], [1, 0, 1]),
        ([NOW * 10**9, NOW * 10**9, NOW], [0, 0, 1]),
        ([0, NOW, NOW, -1], [1, 0, 0, 1]),
        ([0, 0, 0, NOW], [1, 1, 1, 0]),  # most are not known
        ([2**63 - 1, NOW, NOW], [1, 0, 0]),
        ([-(2**63), NOW, NOW], [1, 0, 0]),
        ([20240131, 0, 20240131], [0, 1, 0]),
        ([NOW, 10**8, NOW], [0, 0, 0]),  # 1973
        ([0, 1, 2, 1000, 10**6], [0] * 5),
        ([*range(0, 10**9, 10**6)], [0] * 1000),  # a clock that starts at 0
        ([], []),
    ],
)
def test_times_of_another_magnitude_than_the_rest(times, expected):
    assert astray(np.array(times, dtype=np.int64)).tolist() == [bool(each) for each in expected]


DAY = 86_400
LEAP_DAY = 19_782 * DAY  # 2024-02-29T00:00:00


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([NOW, NOW + 9], [NOW, NOW + 9]),
        ([NOW * 10**3 + 999, NOW * 10**3 - 1], [NOW, NOW - 1]),
        ([NOW * 10**6, NOW * 10**6 + 9], [NOW, NOW]),
        ([NOW * 10**9, 0], [NOW, 0]),
        ([7], [7]),
        ([20240229, 20240301, 19700101], [LEAP_DAY, LEAP_DAY + DAY, 0]),
        ([20240231, 20240302], [LEAP_DAY + 2 * DAY] * 2),  # no calendar has the first
        ([2024022923, 2024022900], [LEAP_DAY + 23 * 3600, LEAP_DAY]),
        ([202402291830, 202402291830], [LEAP_DAY + 66_600] * 2),
        ([20240229183059, 20240229235900], [LEAP_DAY + 66_659, LEAP_DAY + 86_340]),
    ],
)
def test_times_are_read_in_their_unit(times, expected):
    assert in_seconds(np.array(times)).tolist() == expected


def test_what_is_astray_among_dates_moves_no_other():
    found = in_seconds(np.array([0, *[20240229] * 3, 2**63 - 1]))
    assert found[1:4].tolist() == [LEAP_DAY] * 3
    assert astray(found)[0]
