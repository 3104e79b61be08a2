import pytest

from recbench.errors import UserError
from recbench.runs.compare import compare, row_values, why_not

GOOD, BAD = [1] * 12, [1, 1] + [0] * 10


def test_the_difference_is_over_examples(made):
    found = compare([made(GOOD, model="a")], [made(BAD, model="b")])
    assert found.value == pytest.approx(5 / 6)
    assert found.low < found.value < found.high
    assert found.p == pytest.approx(2 / 32, abs=0.01)


def test_the_difference_is_clustered_by_user(made):
    # Five of six examples differ, all of one user: both signs are as extreme.
    a, b = (
        made(hits, model=model, users=[3, *[9] * 5]) for hits, model in [(GOOD, "a"), (BAD, "b")]
    )
    found = compare([a], [b])
    assert found.value == pytest.approx(5 / 6)
    assert found.p == 1.0


def test_seeds_are_averaged_inside_a_row(made):
    row = [made(GOOD, seed=0), made(BAD, seed=1)]
    assert row_values(row, "HitRatio@1").tolist() == [1, 1] + [0.5] * 10


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"pack": "other"}, "another candidate pack"),
        ({"dataset_digest": "other"}, "another dataset digest"),
        ({"dataset_digest": "other", "dataset": "lastfm"}, "another dataset"),
        ({"protocol": "next-item"}, "another protocol"),
        ({"split": "other"}, "another split"),
        ({"protocol": "next-item", "split": "other"}, "another protocol"),
    ],
)
def test_rows_that_were_asked_something_else_are_not_compared(made, change, reason):
    one, other = made(), made(**change)
    assert why_not(one.record, other.record) == reason
    with pytest.raises(UserError, match=f"cannot be compared: {reason}"):
        compare([one], [other])
    assert why_not(one.record, made(model="sasrec", seed=5).record) == ""


def test_a_figure_that_a_row_does_not_have(made):
    written, scored = made(model="ilora", writes=True), made()
    with pytest.raises(UserError, match=r"unknown figure of ilora 'HitRatio@3'; did you mean"):
        compare([written], [scored], "HitRatio@3")
    with pytest.raises(UserError, match="value on every row"):
        compare([written], [scored], "HitRatio@1|valid")
