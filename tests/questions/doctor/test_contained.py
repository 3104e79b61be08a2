import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from recbench.questions.doctor.contained import TitleParts, contained


def rows(ragged):
    return [ragged[row].tolist() for row in range(len(ragged))]


def test_by_hand():
    assert rows(contained(["it", "with it", "wit", "x"])) == [[], [0, 2], [0], []]


# "a\U0001f600" has a letter beyond 16 bits, "\ud800" is half of one: both are single letters here.
LETTERS = st.sampled_from(["a", "b", " ", "\U0001f600", "\ud800"])


@given(st.lists(st.text(LETTERS, min_size=1, max_size=8), min_size=1, max_size=25, unique=True))
@settings(max_examples=200, deadline=None)
def test_it_is_what_comparing_all_with_all_gives(texts):
    expected = [
        [j for j, inner in enumerate(texts) if j != i and inner in outer]
        for i, outer in enumerate(texts)
    ]
    assert rows(contained(texts)) == expected


def test_texts_as_large_as_a_large_catalogue_take_seconds():
    texts = [f"{number:06d} the same words in every title, over and over" for number in range(9000)]
    found = contained([*texts, "over and", "000042"])
    assert found[42].tolist() == [9000, 9001]
    assert len(found.values) == 9001


def test_what_spoils_the_right_answer():
    parts = TitleParts.of(["Heat", "heat ", "The Heat", "Eat", "Rain"])
    found = rows(parts.spoilers(np.array([0, 2, 2, 4])))
    assert list(map(sorted, found)) == [
        [0, 1, 3],
        [0, 1, 2, 3],
        [0, 1, 2, 3],
        [4],
    ]
    assert sorted(parts.inner_items().tolist()) == [0, 1, 3]
