import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recbench.data.readers.llara import read
from recbench.errors import DataError, UserError

GAMES = "0::Ironbound\n1::Half-Life :: Two\n2::\n3::D\n4::E\n"
FILMS = "".join(f"{i}|Film {i}, The (1990)|01-Jan-1990||x|0\n" for i in range(1, 6)) + "6|é|\n"
NAMES = ("train_data.df", "Val_data.df", "Test_data.df")


def games(*rows, pad=5):
    """Make the table of a release: rows are (history, next)."""
    return pd.DataFrame(
        {
            "seq": [[*past, *[pad] * (4 - len(past))] for past, _ in rows],
            "len_seq": [max(1, len(past)) for past, _ in rows],
            "next": [target for _, target in rows],
        }
    )


def films(*rows):
    rated = [([(item, 5) for item in past], (target, 4)) for past, target in rows]
    return games(*rated, pad=(6, 0))


def saved(folder, frame, items, encoding="utf-8"):
    for name in NAMES:
        (folder / name).write_bytes(pickle.dumps(frame))
    name = "u.item" if encoding == "latin-1" else "id2name.txt"
    (folder / name).write_text(items, encoding=encoding)
    return folder


def ids(split):
    rows = split.rows.train
    return [split.catalogue.raw_ids[rows[row]].tolist() for row in range(len(rows))]


def test_rows_lose_their_padding(tmp_path):
    split = read(saved(tmp_path, games(([0, 1, 2], 4), ([4, 3, 2, 1], 0)), GAMES))
    assert ids(split) == [[0, 1, 2, 4], [4, 3, 2, 1, 0]]
    assert split.catalogue.titles == ("Ironbound", "Half-Life :: Two", "unknown", "D", "E")
    assert split.notes == ("Ids are the internal ids of the release.",)


def test_films_have_ratings_and_ids_one_less(tmp_path):
    split = read(saved(tmp_path, films(([0, 1, 2], 5), ([5, 3, 2, 1], 0)), FILMS, "latin-1"))
    assert ids(split) == [[1, 2, 3, 6], [6, 4, 3, 2, 1]]
    assert split.catalogue.titles[:2] == ("The Film 1", "The Film 2")
    assert split.catalogue.titles[5] == "é"
    assert split.notes == ("Ids are those of u.item, one more than in the released tables.",)


def test_rows_with_less_than_three_items_are_left_out(tmp_path):
    table = games(([], 0), ([1], 0), ([1, 2], 0), ([1, 2, 3], 0))
    split = read(saved(tmp_path, table, GAMES))
    assert ids(split) == [[1, 2, 3, 0]]
    assert split.notes[1:] == tuple(
        f"3 of 4 rows of {name} have fewer than 3 items of history and are left out, as by the "
        "official loader."
        for name in NAMES
    )


def test_len_seq_decides_and_the_card_says_so(tmp_path):
    table = games(([1], 0), ([1, 2, 3], 0)).assign(len_seq=[3, 3])
    split = read(saved(tmp_path, table, GAMES))
    assert ids(split) == [[1, 0], [1, 2, 3, 0]]
    assert split.notes[1] == "1 rows of train_data.df have another len_seq than items; it decides."


def test_numpy_cells_are_read(tmp_path):
    table = pd.DataFrame(
        {
            "seq": pd.Series([np.array([0, 1, 2, 5]), [np.int64(3)] * 3], dtype=object),
            "len_seq": [3, 3],
            "next": pd.Series([np.int64(4), 2], dtype=object),
        }
    )
    assert ids(read(saved(tmp_path, table, GAMES))) == [[0, 1, 2, 4], [3, 3, 3, 2]]


def objects(**columns):
    return pd.DataFrame({name: pd.Series(cells, dtype=object) for name, cells in columns.items()})


SHARED = [0] * 1000
TABLE = "expected a table of lists and integers"


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (games(([1, 2, 3], 5)), "train_data.df, row 0: expected items of id2name.txt, found 5"),
        (games(([1, 2], 0), ([1, 2, 9], 0)), "row 1: expected items of id2name.txt, found 9"),
        (games(([1, 2, 3], -1)), "row 0: expected items of id2name.txt, found -1"),
        (games(([1, 2, 3], 1.5)), TABLE),
        (games(([1, 2, 3], "1")), TABLE),
        (objects(seq=[[1]], len_seq=[3], next=[1.5]), "row 0: expected ids, or pairs"),
        (objects(seq=[[1]], len_seq=[3], next=["1"]), "row 0: expected ids, or pairs"),
        (objects(seq=["123"], len_seq=[3], next=[1]), "row 0: expected ids, or pairs"),
        (objects(seq=[[1]], len_seq=["3"], next=[1]), "row 0: expected ids, or pairs"),
        (games(([1, 2, 3], None)), "row 0: expected ids, or pairs"),
        (games(([1, 2, True], 1)), "row 0: expected ids, or pairs"),
        (games(([1, 2, (1, 2, 3)], 1)), "row 0: expected ids, or pairs"),
        (games(([1, 2, 2**70], 1)), "row 0: expected ids, or pairs"),
        (games(([1, 2, 10**5000], 1)), "row 0: expected ids, or pairs"),
        (games(([1], 2)), "expected rows with 3 items of history, found none"),
        (games(([1, 2, 3], 1)).drop(columns="seq"), "expected one column 'seq'"),
        (
            objects(seq=[SHARED] * 300, len_seq=[3] * 300, next=[1] * 300),
            "row .*: expected fewer items than the file has bytes",
        ),
        (pd.Series([1]), "refused"),
        ([1, 2], TABLE),
    ],
    ids=range(19),
)
def test_a_broken_table_is_named_with_its_row(tmp_path, table, message):
    with pytest.raises(DataError, match=message):
        read(saved(tmp_path, table, GAMES))


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ("", "id2name.txt: expected items, found none"),
        ("0::A\n1:B\n", "id2name.txt, line 2: expected an item as ID::TITLE, found '1:B'"),
        ("0::A\n\n1::B\n", "line 2: expected an item as ID::TITLE"),
        ("0::A\n\n \n", "row 0: expected items of id2name.txt, found"),
        ("0::A\nx::B\n", "line 2: expected an item as ID::TITLE"),
        ("0::A\n0::B\n", "line 2: expected an item id that no earlier line has"),
        ("0::A\0\n", "line 1: expected text, found a NUL byte"),
    ],
)
def test_a_broken_list_of_items_is_named_with_its_line(tmp_path, items, message):
    with pytest.raises(DataError, match=message):
        read(saved(tmp_path, games(([0, 0, 0], 0)), items))


def test_a_folder_without_one_list_of_items_is_refused(tmp_path):
    with pytest.raises(UserError, match="expected either u"):
        read(tmp_path)
    saved(tmp_path, games(([0, 0, 0], 0)), GAMES)
    saved(tmp_path, games(([0, 0, 0], 0)), FILMS, "latin-1")
    with pytest.raises(UserError, match="expected either u"):
        read(tmp_path)


def test_a_missing_table_is_named(tmp_path):
    saved(tmp_path, games(([1, 2, 3], 0)), GAMES)
    (tmp_path / "Val_data.df").unlink()
    with pytest.raises(DataError, match="expected a file, found none"):
        read(tmp_path)


CELLS = st.recursive(
    st.integers(-2, 6) | st.none() | st.booleans() | st.floats() | st.text(max_size=2),
    lambda cells: st.lists(cells, max_size=4) | st.tuples(cells, cells),
    max_leaves=8,
)


@settings(
    deadline=None,
    max_examples=120,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=3))
def test_any_cells_are_read_or_refused(tmp_path, rows):
    names = ("seq", "len_seq", "next")
    table = objects(**{name: [row[place] for row in rows] for place, name in enumerate(names)})
    try:
        split = read(saved(tmp_path, table, GAMES))
    except DataError:
        return
    assert len(split.rows.train) > 0
