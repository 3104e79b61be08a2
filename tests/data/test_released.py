import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recbench.data.released import pieced
from recbench.data.split import PAD
from recbench.data.windows import ragged, windows


def rows_of(lists):
    values = [value for row in lists for value in row]
    return ragged(np.array(values, np.int32), np.array([len(row) for row in lists], np.int64))


def lists_of(rows):
    return [rows[row].tolist() for row in range(len(rows))]


def by_a_plain_loop(rows):
    longest = max((len(row) - 1 for row in rows), default=0)
    sequences, owners = [], []
    for number, row in enumerate(rows):
        history = row[:-1]
        if number and history and history == rows[number - 1][-longest:]:
            sequences[-1].append(row[-1])
        else:
            sequences.append(list(row))
        owners.append(len(sequences) - 1)
    return sequences, owners


ROWS = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=4), max_size=30)


@given(ROWS)
def test_pieced_is_a_plain_loop(rows):
    sequences, owners = pieced(rows_of(rows))
    assert (lists_of(sequences), owners.tolist()) == by_a_plain_loop(rows)
    assert (sequences.values.dtype, owners.dtype) == (np.int32, np.int32)


@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=12),
    st.integers(1, 5),
    st.integers(0, 3),
)
def test_windows_are_pieced_together_again(sizes, history, least):
    # Every item once, so that no two users fit together by chance.
    values = np.arange(sum(sizes), dtype=np.int32)
    sequences = ragged(values, np.array(sizes, np.int64))
    users = np.arange(len(sizes), dtype=np.int32)
    least = min(least, history)
    examples = windows(sequences, users, history, least)
    cut = [
        [*(item for item in past if item != PAD), target]
        for past, target in zip(examples.histories.tolist(), examples.targets.tolist(), strict=True)
    ]
    found, owners = pieced(rows_of(cut))
    long_enough = [
        row for row, size in zip(lists_of(sequences), sizes, strict=True) if size > least
    ]
    assert lists_of(found) == long_enough
    numbered = {user: number for number, user in enumerate(dict.fromkeys(examples.users.tolist()))}
    assert owners.tolist() == [numbered[user] for user in examples.users.tolist()]
