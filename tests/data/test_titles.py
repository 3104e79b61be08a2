import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recbench.data.card import SHORTEST
from recbench.data.catalogue import make_catalogue
from recbench.data.titles import (
    REPAIRS,
    UNKNOWN,
    TitleGroups,
    film_title,
    normalised,
    plain_title,
    shortened,
)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("Toy Story (1995)", "Toy Story"),
        ("Toy Story", "Toy Story"),
        ("Usual Suspects, The (1995)", "The Usual Suspects"),
        ("Affair to Remember, An (1957)", "An Affair to Remember"),
        ("Enfer, L' (1994)", "L'Enfer"),
        ("Boot, Das (1981)", "Das Boot"),
        ("Hate (Haine, La) (1995)", "Hate (La Haine)"),
        (
            "Double vie de Véronique, La (Double Life of Veronique, The) (1991)",
            "La Double vie de Véronique (The Double Life of Veronique)",
        ),
        ("Good, The Bad and The Ugly, The (1966)", "The Good, The Bad and The Ugly"),
        ("Maybe, Maybe Not (Bewegte Mann, Der)", "Maybe, Maybe Not (Der Bewegte Mann)"),
        ("Great Giving (1995) (V)", "Great Giving"),
        ("Great Giving (1995)", "Great Giving"),
        ("2001: A Space Odyssey (1968)", "2001: A Space Odyssey"),
        ("1900", "1900"),
        ("Paris, Texas (1984)", "Paris, Texas"),
        ("Nikita (La Femme Nikita) (1990)", "Nikita (La Femme Nikita)"),
        (" Shadow  and\tLight (1996) ", "Shadow and Light"),
        ("", "unknown"),
        ("(1995)", "unknown"),
        ("unknown", "unknown"),
    ],
)
def test_repair(raw, expected):
    assert film_title(raw) == expected
    assert film_title(expected) == expected


def test_a_plain_title_keeps_all_but_white_space():
    assert plain_title(" Shadow,\r\n The  (1996) ") == "Shadow, The (1996)"
    assert plain_title("\n") == "unknown"


@pytest.mark.parametrize("rule", REPAIRS)
@given(raw=st.text())
def test_a_title_is_one_stripped_line_and_never_empty(rule, raw):
    title = REPAIRS[rule](raw)
    assert title
    assert title == " ".join(title.split())


@pytest.mark.parametrize(
    ("title", "length", "expected"),
    [
        ("Salt", 10, "Salt"),
        ("Salt mills", 10, "Salt mills"),
        ("Salt mills!", 10, "Salt mill…"),
        ("Salt and Pepper Mill, Olive Wood", 22, "Salt and Pepper Mill…"),
        ("Salt and Pepper Mill, Olive Wood", 24, "Salt and Pepper Mill…"),
        ("A Pneumonoultramicroscopic", 10, "A Pneumon…"),  # no word ends in the second half
        ("Pneumonoultramicroscopic", 10, "Pneumonou…"),
    ],
)
def test_a_long_title_is_cut_at_a_words_end(title, length, expected):
    assert shortened(title, length) == expected


@given(raw=st.text(), length=st.integers(SHORTEST, 40))
def test_a_cut_title_is_short_one_line_and_never_empty(raw, length):
    title = plain_title(raw)
    cut = shortened(title, length)
    assert 0 < len(cut) <= length
    assert cut == " ".join(cut.split())
    assert cut == title or cut.endswith("…")
    assert shortened(UNKNOWN, length) == UNKNOWN


def test_titles_that_read_the_same_are_one():
    assert normalised("The  MASK ") == normalised("the mask")
    assert normalised("Ｔｈｅ Mask") == normalised("The Mask")
    assert normalised("Mask") != normalised("The Mask")
    groups = TitleGroups.of(make_catalogue(np.arange(4), ["A", "B", "a ", "C"]))
    assert groups.numbers[0] == groups.numbers[2]
    assert groups.items[groups.numbers[0]].tolist() == [0, 2]
    assert len(groups.items) == 3
