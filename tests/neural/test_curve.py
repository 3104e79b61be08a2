import pytest

from recbench.neural.curve import Curve, looks
from recbench.neural.plan import Plan


@pytest.mark.parametrize(
    ("batch", "epochs", "rows", "expected"),
    [
        (64, 1, 8000, {8: 512, 16: 1024, 32: 2048, 64: 4096, 125: 8000}),
        (64, 1, 64, {1: 64}),
        (64, 1, 10, {1: 10}),
        (100, 2, 600, {6: 600, 11: 1100, 12: 1200}),
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
