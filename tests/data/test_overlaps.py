import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from recbench.data.overlaps import LEAST, MOST, overlaps
from recbench.data.ragged import ragged
from recbench.data.released import Rows, pieced


def rows_of(lists):
    values = [value for row in lists for value in row]
    return ragged(np.array(values, np.int32), np.array([len(row) for row in lists], np.int64))


def split(train, validation, test):
    return Rows(*map(rows_of, (train, validation, test)))


def test_by_hand():
    found = overlaps(
        split(
            train=[[1, 2, 3, 4, 5], [2, 3, 4, 5, 6], [9, 9], [9, 9], [9, 9]],
            validation=[[9, 9], [7, 8]],
            test=[[7, 8], [7, 8], [1, 2, 3, 4, 5], [0, 3, 4, 5, 6], [8, 3, 4, 5, 7], [4, 5, 6]],
        )
    )
    assert found.rows == {"train": 5, "validation": 2, "test": 6}
    assert found.repeated == {"train": 2, "validation": 0, "test": 1}
    assert (found.known_validation, found.known_test) == (1, 3)
    # The third row; the fourth shows four items, of which training does not hold the first.
    assert found.foretold_test == 1
    assert found.sentences() == (
        "3 of 6 test rows stand in training or validation, history and target alike.",
        "1 of 2 validation rows stand in training, history and target alike.",
        "1 of 6 test rows: a training sequence goes on from the last 3 to 10 items of their "
        "history with their target.",
        "Rows that repeat an earlier one of their part: 2 of 5 in train, 0 of 2 in validation, "
        "1 of 6 in test.",
    )


def test_a_longer_history_is_looked_for_as_far_as_training_rows_reach():
    found = overlaps(split([[5, 6, 7, 8]], [[1]], [[1, 2, 5, 6, 7, 8], [6, 7, 8], [5, 6, 7, 9]]))
    assert found.foretold_test == 1


def test_what_crosses_two_sequences_is_not_in_training():
    assert overlaps(split([[1, 2, 3, 4], [5, 6, 7, 8]], [[1]], [[3, 4, 5, 6]])).foretold_test == 0


def test_of_a_split_without_overlaps_nothing_is_said():
    assert overlaps(split([[1, 2], [2]], [[3]], [[1, 3], [0]])).sentences() == ()


LISTS = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=13), min_size=1, max_size=12)


@settings(deadline=None, max_examples=300)
@given(LISTS, LISTS, LISTS)
def test_it_is_what_comparing_all_with_all_gives(train, validation, test):
    found = overlaps(split(train, validation, test))
    sequences, _ = pieced(rows_of(train))
    longest = min(MOST, max(map(len, train)) - 1)
    foretold = 0
    for row in test:
        size = min(len(row) - 1, longest) + 1
        windows = [
            sequences[number][at : at + size].tolist()
            for number in range(len(sequences))
            for at in range(len(sequences[number]) - size + 1)
        ]
        foretold += size > LEAST and row[-size:] in windows
    assert found.foretold_test == foretold
    assert found.known_test == sum(row in train or row in validation for row in test)
    assert found.known_validation == sum(row in train for row in validation)
    parts = {"train": train, "validation": validation, "test": test}
    for name, rows in parts.items():
        assert found.repeated[name] == sum(row in rows[:at] for at, row in enumerate(rows))
