import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recbench.data.ragged import Ragged, ragged
from recbench.questions.unseen import Unseen, holds, union

ITEMS = 12
LISTS = st.lists(st.sets(st.integers(0, ITEMS - 1), max_size=ITEMS - 1), min_size=1, max_size=5)


def make(lists: list[list[int]]) -> Ragged:
    flat = np.array([value for each in lists for value in each], dtype=np.int32)
    return ragged(flat, np.array([len(each) for each in lists], dtype=np.int64))


@given(LISTS, st.data())
def test_ranks_are_those_among_the_free_items_of_a_row(blocked, data):
    lines = np.array(data.draw(st.lists(st.integers(0, len(blocked) - 1), min_size=1, max_size=6)))
    free = Unseen.outside(make([sorted(each) for each in blocked]), lines, ITEMS)
    expected = [sorted(set(range(ITEMS)) - blocked[line]) for line in lines.tolist()]
    assert free.totals[lines].tolist() == [len(each) for each in expected]
    ranks = np.array([[data.draw(st.integers(0, len(each) - 1)) for each in expected]] * 2)
    found = free.at(np.arange(len(lines)), ranks)
    assert found.tolist() == [
        [each[rank] for each, rank in zip(expected, row, strict=True)] for row in ranks.tolist()
    ]


@given(st.lists(st.tuples(st.lists(st.integers(0, 9)), st.lists(st.integers(0, 9))), max_size=5))
def test_a_union_is_ascending_and_distinct(pairs):
    found = union(make([one for one, _ in pairs]), make([other for _, other in pairs]))
    lists = [found[row].tolist() for row in range(len(found))]
    assert lists == [sorted({*one, *other}) for one, other in pairs]


@given(LISTS, st.data())
def test_what_a_row_holds_is_told(lists, data):
    asked = data.draw(
        st.lists(st.tuples(st.integers(0, len(lists) - 1), st.integers(0, ITEMS - 1)), max_size=9)
    )
    rows = np.array([row for row, _ in asked], dtype=np.int64)
    values = np.array([value for _, value in asked], dtype=np.int32)
    found = holds(make([list(each) for each in lists]), rows, values)
    assert found.tolist() == [value in lists[row] for row, value in asked]
