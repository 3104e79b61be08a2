import pytest

from recbench.data.readers import READERS
from recbench.errors import DataError, UserError

ITEM = "|".join(["{id}", "{title}", *["x"] * 22]) + "\n"
GOOD = {
    "grouplens": (
        "7\t2\t3\t100\n8\t1\t4.5\t50\n",
        ITEM.format(id=1, title="Café (1990)") + ITEM.format(id=2, title='"B'),
    ),
    "atomic": (
        "item_id:token\tuser_id:token\trating:float\ttimestamp:float\n2\t7\t3\t100\n1\t8\t4.5\t50\n",
        'item_id:token\tmovie_title:token_seq\tmore:token\n1\tCafé (1990)\t\n2\t"B\tx\n',
    ),
}
ENCODINGS = {"grouplens": ("utf-8", "iso-8859-1"), "atomic": ("utf-8", "utf-8")}


@pytest.fixture
def read(tmp_path):
    def write_and_read(format_name, interactions, items):
        files = tmp_path / "interactions", tmp_path / "items"
        for file, content, encoding in zip(
            files, (interactions, items), ENCODINGS[format_name], strict=True
        ):
            if isinstance(content, str):
                content = content.encode(encoding)
            if content is not None:
                file.write_bytes(content)
        return READERS[format_name](*files)

    return write_and_read


@pytest.mark.parametrize("format_name", GOOD)
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("blank", ["", "\n", "\n  \n\r\n", " "])
def test_sound_files_come_back_in_file_order(read, format_name, line_end, blank):
    sound = (text.replace("\n", line_end) + blank for text in GOOD[format_name])
    raw = read(format_name, *sound)
    assert raw.users[:].tolist() == [7, 8]
    assert raw.items[:].tolist() == [2, 1]
    assert raw.ratings.tolist() == [3, 4.5]
    assert raw.times.tolist() == [100, 50]
    assert raw.item_ids.tolist() == [1, 2]
    assert raw.titles == ["Café (1990)", '"B']


@pytest.mark.parametrize("format_name", GOOD)
@pytest.mark.parametrize(
    ("line", "expectation"),
    [
        ("7\t2\t3", "expected 4 fields with '\\t' between them, found 3"),
        ("7\t2\t3\t100\t5", "expected 4 fields with '\\t' between them, found 5"),
        ("\n1\t1\t3\t100", "expected 4 fields with '\\t' between them, found an empty line"),
        ("1\t1\tgood\t100", "expected a number as rating, found 'good'"),
        ("1\t1\t3\tnoon", "expected a"),  # an integer or a number
        ("1\t1\t3\t1e", "expected a"),
        ("1\t1\t3\t\t", "found 5"),
        ("\t1\t3\t100", "expected an i"),  # an integer or an id
        ("1\t\t3\t100", "expected an i"),
        ("1\t1\tnan\t100", "expected a finite rating, found nan"),
        ("1\t1\tinf\t100", "expected a finite rating, found inf"),
        ("1\t1\t1e300\t100", "expected a finite rating, found inf"),
    ],
)
def test_a_broken_interaction_is_named(read, format_name, line, expectation):
    interactions, items = GOOD[format_name]
    number = interactions.count("\n") + 1
    with pytest.raises(DataError) as caught:
        read(format_name, f"{interactions}{line}\n", items)
    assert f"interactions, line {number}: " in str(caught.value)
    assert expectation in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("line", "expectation"),
    [
        ("x\t1\t3\t100", "expected an integer as user, found 'x'"),
        ("1\t99999999999999999999\t3\t100", "expected an integer as item"),
        ("9\t9\t3\t100", "expected an item id listed in items, found 9"),
    ],
)
def test_grouplens_has_integers_and_lists_every_item(read, line, expectation):
    interactions, items = GOOD["grouplens"]
    with pytest.raises(DataError, match=f"interactions, line 3: {expectation}"):
        read("grouplens", f"{interactions}{line}\n", items)


@pytest.mark.parametrize(
    ("format_name", "line", "expectation"),
    [
        ("grouplens", "3|C|x", "expected 24 fields with '|' between them, found 3"),
        ("grouplens", ITEM.format(id="three", title="C"), "expected an integer as item"),
        ("grouplens", ITEM.format(id=1, title="C"), "expected an item id that no earlier line has"),
        ("atomic", "3\tC", "expected 3 fields with '\\t' between them, found 2"),
        ("atomic", "\tC\tx", "expected an id as item_id, found ''"),
        ("atomic", "3\tC\x00\tx", "expected text as movie_title, found 'C\\x00'"),
        ("atomic", "1\tC\tx", "expected an item id that no earlier line has, found 1"),
        ("atomic", b"3\t\xff\tx", "expected utf8 text"),
    ],
)
def test_a_broken_item_is_named(read, format_name, line, expectation):
    interactions, items = GOOD[format_name]
    number = items.count("\n") + 1
    raw_line = line if isinstance(line, bytes) else line.rstrip("\n").encode()
    broken = items.encode(ENCODINGS[format_name][1]) + raw_line + b"\n"
    with pytest.raises(DataError) as caught:
        read(format_name, interactions, broken)
    assert f"items, line {number}: {expectation}" in str(caught.value)


@pytest.mark.parametrize(
    ("format_name", "content", "line"),
    [("grouplens", "", 1), ("atomic", "", 1), ("atomic", GOOD["atomic"][0].split("2\t7")[0], 2)],
)
def test_a_file_without_interactions_is_named(read, format_name, content, line):
    with pytest.raises(DataError, match=f"interactions, line {line}: expected"):
        read(format_name, content, GOOD[format_name][1])


@pytest.mark.parametrize("format_name", GOOD)
def test_a_file_that_is_not_there_is_named(tmp_path, format_name):
    with pytest.raises(DataError, match="nowhere: expected a file"):
        READERS[format_name](tmp_path / "nowhere", tmp_path / "items")


def test_an_atomic_file_without_a_column_or_with_two_is_named(read):
    _, items = GOOD["atomic"]
    with pytest.raises(UserError, match=r"no column is recognised as the user \('item_id', 'x'\)"):
        read("atomic", "item_id:token\tx:token\n1\t2\n", items)
    with pytest.raises(DataError, match="line 1: expected one column 'rating'"):
        read("atomic", "user_id:x\titem_id:x\trating:x\trating:x\n1\t1\t3\t3\n", items)


def test_atomic_ids_may_be_any_text_and_all_else_may_be_missing(read):
    interactions = "session_id:token\titem_id:token\nä b\t07\nx\t7\nx\tnew\n"
    raw = read("atomic", interactions, "item_id:token\tapp_name:token_seq\n07\tOne\n7\t\n")
    assert raw.users[:].tolist() == ["ä b", "x", "x"]
    assert raw.items[:].tolist() == ["07", "7", "new"]
    assert raw.ratings is None
    assert raw.times is None
    assert raw.item_ids.tolist() == ["07", "7", "new"]
    assert raw.titles == ["One", "", "new"]
    assert raw.notes == (
        "1 of the 3 items interacted with are not in items: their ids are their titles.",
    )


def test_an_item_file_of_other_items_is_refused(read):
    with pytest.raises(DataError, match="items: expected items of the interactions, found none"):
        read("atomic", GOOD["atomic"][0], "item_id:token\ttitle:token\nx\tOne\n")
