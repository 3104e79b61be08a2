import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recbench.data.ragged import Ragged, chosen, ragged, without_last
from recbench.questions.split import PAD
from recbench.questions.windows import last_windows, seen, windows

ROWS = st.lists(st.lists(st.integers(0, 9), max_size=6), max_size=6)


def make(rows: list[list[int]]) -> Ragged:
    flat = np.array([value for row in rows for value in row], dtype=np.int32)
    return ragged(flat, np.array([len(row) for row in rows], dtype=np.int64))


def lists(rows: Ragged) -> list[list[int]]:
    return [rows[i].tolist() for i in range(len(rows))]


def padded(items: list[int], history: int) -> list[int]:
    kept = items[max(len(items) - history, 0) :]
    return [PAD] * (history - len(kept)) + kept


@given(ROWS, st.integers(1, 4), st.integers(0, 3))
def test_windows_are_those_of_a_plain_loop(rows, history, min_history):
    users = np.arange(len(rows), dtype=np.int32) * 7
    found = windows(make(rows), users, history, min_history)
    expected = [
        (padded(row[:at], history), row[at], 7 * number)
        for number, row in enumerate(rows)
        for at in range(min_history, len(row))
    ]
    assert found.histories.tolist() == [history for history, _, _ in expected]
    assert found.targets.tolist() == [target for _, target, _ in expected]
    assert found.users.tolist() == [user for _, _, user in expected]
    assert found.histories.dtype == found.targets.dtype == found.users.dtype == np.int32
    assert lists(seen(found)) == [[i for i in h if i != PAD] for h, _, _ in expected]


@given(ROWS.map(lambda rows: [row for row in rows if len(row) > 1]), st.integers(0, 1))
def test_last_windows_are_those_of_a_plain_loop(rows, back):
    found = last_windows(make(rows), np.arange(len(rows), dtype=np.int32), 3, back)
    assert found.targets.tolist() == [row[-1 - back] for row in rows]
    assert found.histories.tolist() == [padded(row[: len(row) - 1 - back], 3) for row in rows]


@given(ROWS, st.data())
def test_rows_are_chosen_and_cut(rows, data):
    picks = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=5)) if rows else []
    assert lists(chosen(make(rows), np.array(picks, dtype=np.int64))) == [rows[i] for i in picks]
    left_out = [data.draw(st.integers(0, len(row))) for row in rows]
    shorter = without_last(make(rows), np.array(left_out, dtype=np.int64))
    kept = [row[: len(row) - n] for row, n in zip(rows, left_out, strict=True)]
    assert lists(shorter) == kept
