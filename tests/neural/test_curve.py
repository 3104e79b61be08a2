from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recbench.neural.curve import Curve, looks
from recbench.neural.plan import Plan


@pytest.mark.parametrize(
    ("batch", "epochs", "rows", "expected"),
    [
        (64, 1, 8000, {8: 512, 16: 1024, 32: 2048, 64: 4096, 125: 8000}),
        (64, 1, 64, {1: 64}),
        (64, 1, 10, {1: 10}),
        (100, 2, 600, {6: 600, 11: 1100, 12: 1200}),
        (100, 3, 550, {6: 550, 11: 1050, 18: 1650}),  # the sixth batch of an epoch has 50
        (64, 30, 40, {13: 520, 26: 1040, 30: 1200}),  # a batch has all rows, and no more
    ],
)
def test_looks_come_after_twice_as_many_rows_and_at_the_end(
    batch: int, epochs: int, rows: int, expected: dict[int, int]
) -> None:
    plan = Plan(batch_size=batch, epochs=epochs, learning_rate=1.0)
    assert looks(plan, rows) == expected


def test_it_ends_after_looks_without_a_new_best() -> None:
    curve = Curve(lambda: {}, by="hits", patience=2)
    values = [0.1, 0.3, 0.3, 0.2]
    points = [{"hits": value} for value in values]
    assert [curve.ends(points[: n + 1]) for n in range(4)] == [False, False, False, True]
    assert curve.best(points) == 1
    assert not Curve(lambda: {}, by="hits").ends(points)


@given(st.integers(1, 700), st.integers(1, 5), st.integers(1, 900))
def test_rows_seen_are_those_of_the_batches_so_far(batch: int, epochs: int, rows: int) -> None:
    sizes = [len(range(rows)[start : start + batch]) for start in range(0, rows, batch)] * epochs
    seen = dict(enumerate(accumulate(sizes), start=1))
    found = looks(Plan(batch_size=batch, epochs=epochs, learning_rate=1.0), rows)
    due = [2**n for n in range(9, 20) if 2**n < epochs * rows]
    first = {next(step for step in seen if seen[step] >= wanted) for wanted in due}
    assert found == {step: seen[step] for step in first | {len(sizes)}}
