import numpy as np
import pytest

from recbench.by_hand.lookup import Lookup
from recbench.data.catalogue import make_catalogue
from recbench.errors import UserError

TITLES = {
    1: "Toy Story",
    2: "The Matrix",
    3: "Sabrina",
    4: "Sabrina",
    5: "Sabrina (1954)",
    6: "Heat (1995)",
    7: "Heat (1986)",
    8: "id:2",
    9: "The Godfather",
    10: "The Godfather: Part II",
    11: "Le Samouraï",
    12: "\x1b[31mRed\x1b[0m",
    300: "Alien",
}


@pytest.fixture(scope="module")
def lookup():
    return made(np.array(list(TITLES)), list(TITLES.values()), "all titles: here")


def made(ids, titles, listing="", report=print):
    """Look up among items of which each has one training interaction more than the last."""
    return Lookup(make_catalogue(ids, titles), listing, np.arange(len(ids)), report)


def found(lookup, words):
    return list(TITLES)[lookup.item(words)]


@pytest.mark.parametrize(
    ("words", "item"),
    [
        ("Toy Story", 1),
        ("  toy   STORY ", 1),
        ("Toy Story (1995)", 1),
        ("Matrix, The", 2),
        ("MATRIX, THE (1999)", 2),
        ("the matrix", 2),
        ("Sabrina (1954)", 5),
        ("sabrina (1954)", 5),
        ("Heat (1986)", 7),
        ("id:2", 8),  # a title first, word for word
        ("id:300", 300),
        ("id: 300", 300),
        ("ID:300", 300),
        ("samouraï, le", 11),
        ("\x1b[31mRed\x1b[0m", 12),
    ],
)
def test_a_title_is_found_however_it_is_written(lookup, words, item):
    assert found(lookup, words) == item


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            "Sabrina",
            "may be 2 items: 'Sabrina' (id:3) of 2 training interactions, 'Sabrina' (id:4) of 3 "
            "training interactions; name",
        ),
        (
            "Sabrina (1995)",
            "may be 2 items: 'Sabrina' (id:3) of 2 training interactions, 'Sabrina'",
        ),
        ("heat", "may be 2 items: 'Heat (1995)' (id:6), 'Heat (1986)' (id:7)"),
        ("Heat (2001)", "no item is called 'Heat (2001)'; did you mean 'Heat (1995)' (id:6)"),
        ("Toy Stroy", "did you mean 'Toy Story' (id:1)?"),
        ("Matrix", "did you mean 'The Matrix' (id:2)"),
        ("godfather", "'The Godfather' (id:9), 'The Godfather: Part II' (id:10)"),
        ("300", "if that is an id, write id:300"),
        ("id:301", "no item has the id '301'; there are 300"),
        ("id:zz", "no item has the id 'zz'"),
        ("zzzzzz", "no item is called 'zzzzzz'; all titles: here"),
        ("", "no item is called ''"),
        ("\x1b]0;x\x07", r"no item is called '\x1b]0;x\x07'"),
        ("red", r"did you mean '\x1b[31mRed\x1b[0m' (id:12)"),
    ],
)
def test_what_is_not_clear_is_never_guessed(lookup, words, says):
    with pytest.raises(UserError) as error:
        lookup.item(words)
    assert says in str(error.value)
    assert str(error.value).isprintable()


def test_ids_may_be_text():
    lookup = made(np.array(["b", "a"], dtype=object), ["Two", "One"])
    assert lookup.items(["id:a", "two"]) == [0, 1]


def test_a_number_is_an_id():
    lookup = made(np.array([7, 3]), ["Two", "One"])
    assert lookup.items([3, np.int64(7)]) == lookup.items(["id:3", "id:7"])
    with pytest.raises(UserError, match="no item has the id '4'"):
        lookup.items([4])


def test_spaces_may_be_of_an_id():
    ids = np.array([" 42", "42", "43", " 44 "], dtype=object)
    lookup = made(ids, ["One", "Two", "Three", "Four"])
    known = lookup._ids
    found = lookup.items(["id: 42", "id:42", "id: 43", "id: 44 "])
    assert [known[code] for code in found] == [" 42", "42", "43", " 44 "]
    with pytest.raises(UserError, match="write id: 44 "):
        lookup.item(" 44 ")


@pytest.mark.honesty
def test_a_year_that_no_title_could_be_held_to_is_told():
    said = []
    lookup = made(np.arange(2), ["Toy Story", "Heat (1995)"], report=said.append)
    assert lookup.items(["Toy Story", "Heat", "heat (1995)"]) == [0, 1, 1]
    assert not said
    assert lookup.item("toy story (1996)") == 0
    assert said == [
        "'toy story (1996)' is taken for 'Toy Story' (id:0): this dataset has its title without a "
        "year"
    ]


def test_what_is_suggested_is_understood(lookup):
    """The remedy of every message works: what stands there in parentheses."""
    for words in ("Sabrina", "Toy Stroy", "godfather"):
        with pytest.raises(UserError) as error:
            lookup.item(words)
        for part in str(error.value).split("(id:")[1:]:
            assert lookup.item("id:" + part.partition(")")[0]) >= 0
