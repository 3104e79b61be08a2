import numpy as np
import pyarrow as pa
import pytest

from recbench.data.missing import reads_as_missing
from recbench.data.oddities import oddities
from recbench.data.readers.raw import Raw, coded

COLUMNS = {"user": "u", "item": "i", "time": "t"}


def said(users, items, times=None, titles=("A", "B"), listed=(1, 2)):
    raw = Raw(
        users=coded(pa.array(users)),
        items=coded(pa.array(items)),
        ratings=None,
        times=None if times is None else np.array(times),
        item_ids=coded(pa.array(listed)).ids,
        titles=list(titles),
    )
    return oddities(raw, COLUMNS, lambda row: f"e.csv, line {row + 2}")


def test_ordinary_data_are_not_odd():
    assert said([1, 1, 2, 2] * 5, [1, 2, 3, 4] * 5, [*range(1, 21)]) == ()
    assert said(["NaN-cy", "none too"] * 10, ["nana", "0"] * 10, [*range(20)][::-1]) == ()
    assert said([1, 1] * 10, [1, 2] * 10, [5, 5] * 10, ["nan", "x"])[1:] == ()
    assert said([1, 1, 2] * 2, [1, 2, 1] * 2, [5, 5, 5, 6, 6, 6]) == ()  # alike in two of three
    assert said([1, 1], [1, 1]) == ()  # in no time twice
    assert said([1], [1], [1]) == ()
    assert said([1, 2, 3], [1, 1, 1]) == ()  # too few to say that each comes once


def test_each_kind_is_one_sentence():
    assert said(["a", "nan", "a", "None"] * 5, ["x"] * 20) == (
        "10 interactions have 'nan', 'None' as user, the first in e.csv, line 3: so programs write "
        "a missing id; if it is one, leave these rows out, or all count as one user.",
    )
    assert said([1, 2] * 10, ["a", "nan"] * 10, listed=["nan", "a", "NULL"])[1:] == (
        "The table of items lists 'NULL': so programs write a missing id; if it is one, leave this "
        "row out, or it is a candidate.",
    )
    assert said([1, 2] * 10, [*range(19), 0]) == (
        "18 of the 19 items occur once: 'i' may number the rows; if it does, name the column of "
        "items with --item-column.",
    )
    assert said([1, 2] * 10, [1, 2] * 10, [*range(10**9, 10**9 + 18), 10**12, 0]) == (
        "2 of the 20 times are of another magnitude than the rest, the first in e.csv, line 20 "
        "(1000000000000): they stand in the wrong order; write all in one unit, and leave out "
        "those that are not known.",
    )
    assert said([1, 2, 1, 1], [1, 1, 2, 1], [7, 7, 7, 7]) == (
        "1 of the 4 interactions have the user, item and time of an earlier one, the first in "
        "e.csv, line 5: if they were written twice, leave them out; --pairs first keeps one "
        "interaction of each user and item.",
    )
    assert said([1, 2] * 10, [1, 2] * 10, [*range(20)]) == (
        "'t' numbers the rows, 0, 1, 2, ...: it is taken for their order alone, and the data for "
        "data without times.",
    )
    assert said([1, 2] * 10, [1, 2] * 10, titles=["nan", "NaN"]) == (
        "2 items have the title 'nan' or the like: so programs write a missing one; leave it "
        'empty, and it reads "unknown".',
    )


@pytest.mark.parametrize("text", ["nan", "NaN", " none ", "NULL", "<NA>", "n/a", "NaT", "nil", ""])
def test_what_programs_write_for_nothing(text):
    assert reads_as_missing(text)
    assert not reads_as_missing(f"{text}x")
