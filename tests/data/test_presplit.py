import gzip

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recbench.data import own
from recbench.data.imported import format_in, import_split
from recbench.data.own_files import Files, atomic_files
from recbench.data.readers.columns import Columns
from recbench.data.readers.presplit import read
from recbench.errors import DataError, UserError

HEADER = "user_id:token\titem_id_list:token_seq\titem_id:token\n"
FILES = {
    "shop.part1.inter": f"{HEADER}1\t5\t7\n1\t5 7\t300\n2\t\t5\n",
    "shop.part2.inter": f"{HEADER}1\t5 7 300\t8\n",
    "shop.part3.inter": f"{HEADER}1\t5 7 300 8\t5\n2\t5\t7\n",
    "shop.item": "item_id:token\ttitle:token_seq\n300\tC\n5\tA  a\n7\t\n8\tD\n9\tE\n",
}
PARTS = ("train", "validation", "test")


@pytest.fixture
def folder(tmp_path):
    """Write a small split; a name given with None is left out."""

    def write(files=FILES, **changes):
        for name, text in {**files, **changes}.items():
            if text is not None:
                (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        return tmp_path

    return write


def ids(split):
    found = [getattr(split.rows, part) for part in PARTS]
    raw_ids = split.catalogue.raw_ids
    return [[raw_ids[rows[row]].tolist() for row in range(len(rows))] for rows in found]


ROWS = [[[5, 7], [5, 7, 300], [5]], [[5, 7, 300, 8]], [[5, 7, 300, 8, 5], [5, 7]]]
READ = "RecBole's pre-split files: {} trains, {} validates, {} tests."


def test_rows_items_and_what_was_read(folder):
    split = read(folder())
    assert ids(split) == ROWS
    assert split.catalogue.raw_ids.tolist() == [5, 7, 8, 9, 300]
    assert split.catalogue.titles == ("A a", "unknown", "D", "E", "C")
    names = ("shop.part1.inter", "shop.part2.inter", "shop.part3.inter")
    assert split.notes == (READ.format(*names), "Columns that are left alone: 'user_id'.")


@pytest.mark.parametrize(
    "suffixes",
    [
        ("train", "valid", "test"),
        ("Train", "val", "Test"),
        ("training", "dev", "test"),
        ("0", "1", "2"),
        ("fold-8", "fold-9", "fold-10"),
    ],
)
def test_parts_are_told_by_their_names(folder, suffixes):
    names = [f"my.shop.{suffix}.inter" for suffix in suffixes]
    split = read(folder(dict(zip(names, list(FILES.values())[:3], strict=True))))
    assert ids(split) == ROWS
    assert split.notes[0] == READ.format(*names)


def test_columns_may_stand_anywhere_and_files_be_gzipped(folder):
    part = "session_id:token\titem_id:token\titem_id_list:token_seq\ttime:float\n1\t7\t5  300 \t0\n"
    packed = gzip.compress(part.replace("\n", "\r\n").encode())
    files = {"shop.part3.inter": None, "shop.part2.inter": part, "shop.part3.inter.gz": packed}
    split = read(folder(**files))
    assert ids(split)[1:] == [[[5, 300, 7]]] * 2
    assert "Columns that are left alone: 'session_id', 'time', 'user_id'." in split.notes


def test_ids_are_texts_where_one_is_no_integer(folder):
    text = f"{HEADER}1\t5 007\té\n"
    split = read(folder(**{"shop.part2.inter": text}))
    assert ids(split)[:2] == [[["5", "7"], ["5", "7", "300"], ["5"]], [["5", "007", "é"]]]
    assert any("2 of the 6 items interacted with are not in shop.item" in n for n in split.notes)


def test_no_option_is_named_that_an_import_has_not(folder):
    path = folder()
    text = HEADER + "1\t5 007\t\xe9\n"
    (path / "shop.part2.inter").write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match=r"shop.part2.inter, line 2: expected utf8 text$"):
        read(path)


def test_other_separators_of_fields_are_told_from_missing_histories(folder):
    text = HEADER.replace("\t", ",") + "1,5 7,300\n"
    with pytest.raises(UserError, match=r"found 'user_id:token,.*; write the files with a tab"):
        read(folder(**{"shop.part1.inter": text}))


def test_without_titles_the_ids_stand_for_them(folder):
    split = read(folder(**{"shop.item": None}))
    assert split.catalogue.titles == ("5", "7", "8", "300")
    assert split.notes[-1] == "No titles: the ids of the items stand for them."


def test_the_second_of_two_files_is_halved(folder):
    files = {
        "shop.train.inter": FILES["shop.part1.inter"],
        "shop.test.inter": FILES["shop.part3.inter"],
    }
    split = read(folder(files))
    assert ids(split) == [ROWS[0], [ROWS[2][0]], [ROWS[2][1]]]
    assert split.notes[0].endswith("shop.train.inter trains, shop.test.inter is asked about.")
    assert split.notes[-1] == (
        "There was no third file: the first 1 rows of shop.test.inter validate, the other 1 test."
    )


def test_training_rows_that_stand_newest_first_are_turned_round(folder):
    # Many scripts that write these files go back from a user's last item.
    header, *lines = FILES["shop.part1.inter"].splitlines(keepends=True)
    split = read(folder(**{"shop.part1.inter": header + "".join(lines[::-1])}))
    assert ids(split) == ROWS
    assert "The training rows stand newest first; they are taken in reverse." in split.notes


def test_training_rows_of_which_one_pair_fits_by_chance_stay(folder):
    histories = ["5 7\t300", "9 5\t7", "8 9\t300", "300 8\t5", "7 9\t8"]  # 1 leads on to 0
    rows = "".join(f"{user}\t{one}\n" for user, one in enumerate(histories))
    split = read(folder(**{"shop.part1.inter": HEADER + rows}))
    assert ids(split)[0] == [[5, 7, 300], [9, 5, 7], [8, 9, 300], [300, 8, 5], [7, 9, 8]]
    assert not [note for note in split.notes if "reverse" in note]


def test_of_several_splits_the_one_called_as_the_folder_is_taken(folder, tmp_path):
    place = folder(**{"other.train.inter": HEADER, "other.test.inter": HEADER, "shop.inter": ""})
    with pytest.raises(UserError, match="of one split, found those of other, shop; leave one"):
        read(place)
    assert ids(read(place.rename(tmp_path.with_name("shop")))) == ROWS


@pytest.mark.parametrize(
    "suffixes",
    [
        ("a", "b", "c"),
        ("train", "valid", "dev"),
        ("valid", "test"),
        ("part1", "fold2", "part3"),
        ("part1", "part01", "part2"),
        ("1", "2", "3", "4"),
        ("train", "valid", "test", "more"),
    ],
)
def test_parts_that_nobody_can_tell_apart_are_refused(folder, suffixes):
    place = folder({f"x.{suffix}.inter": FILES["shop.part1.inter"] for suffix in suffixes})
    with pytest.raises(UserError, match=r"cannot be told; leave three, called x\.train\.inter, x"):
        read(place)
    for file in place.glob("*"):
        file.unlink()
    names = ("x.train.inter", "x.valid.inter", "x.test.inter")
    assert len(read(folder(dict.fromkeys(names, FILES["shop.part1.inter"]))).rows.test) == 3


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("shop.part2.inter", HEADER, r"part2.inter, line 2: expected 3 fields"),
        ("shop.part2.inter", "", "part2.inter, line 1: expected a line with the names"),
        ("shop.part2.inter", f"{HEADER}1\t5\t\n", "part2.inter, line 2: .* as item_id, found ''"),
        ("shop.part2.inter", f"{HEADER}1\t5\n", "part2.inter, line 2: expected 3 fields"),
        ("shop.part2.inter", f"{HEADER}1\t5\0\t7\n", "part2.inter, line 2: expected text"),
        ("shop.part2.inter", f"{HEADER}1\t5\t7\n1\t5,7\t8\n", "line 3: expected ids with a space"),
        ("shop.part2.inter", f"{HEADER}1\t[5, 7]\t8\n", "line 2: .* found '\\[5, 7\\]'"),
        ("shop.part2.inter", f"{HEADER}1\t5\t\xff\n".encode("latin-1"), "line 2: expected utf8"),
        ("shop.item", "item_id:token\n5\n5\n", "shop.item, line 3: expected an item id that no"),
        ("shop.item", "item_id:token\nx\n", "shop.item: expected items of the interactions"),
    ],
)
def test_a_broken_file_is_named_with_its_line(folder, name, text, message):
    with pytest.raises(DataError, match=message) as refusal:
        read(folder(**{name: text}))
    assert len(str(refusal.value)) < 400


def test_what_parts_ids_may_stand_in_ids_that_have_it_in_targets_too(folder):
    split = read(folder(**{"shop.part2.inter": f"{HEADER}1\ta,b c\td,e\n"}))
    assert ids(split)[1] == [["a,b", "c", "d,e"]]


def test_parts_without_histories_are_added_as_the_remedy_says(folder, tmp_path):
    header = "user_id:token\titem_id:token\ttimestamp:float\n"
    files = {f"shop.part{n}.inter": f"{header}1\t{n}\t{n}\n" for n in (1, 2, 3)}
    place = folder(files)
    with pytest.raises(
        UserError, match=r"one 'item_id_list' with their histories, .* --recbole FOLD"
    ):
        read(place)
    alone = tmp_path / "alone"
    alone.mkdir()
    lines = [text.removeprefix(header) for text in files.values()]
    (alone / "shop.inter").write_text(header + "".join(lines))
    found = Files("atomic", *atomic_files(alone), Columns())
    assert len(own.add("mine", found, tmp_path / "cache", lambda _: None)) == 3


@pytest.mark.parametrize("name", ["history", "item_seq", "prev_items_list"])
def test_histories_under_another_name_are_read_once_they_are_called_so(folder, name):
    text = FILES["shop.part2.inter"]
    place = folder(**{"shop.part2.inter": text.replace("item_id_list", name)})
    with pytest.raises(
        UserError, match=f"found .*'{name}'.* and the one with histories 'item_id_list'"
    ):
        read(place)
    assert ids(read(folder(**{"shop.part2.inter": text}))) == ROWS


def test_a_part_without_targets_is_refused_with_a_remedy_that_import_splits_has(folder):
    text = FILES["shop.part2.inter"].replace("item_id:", "next:")
    with pytest.raises(
        UserError, match=r"one column 'item_id' with the targets .* found .*'next'"
    ) as refusal:
        read(folder(**{"shop.part2.inter": text}))
    assert "--" not in str(refusal.value)


def test_columns_that_look_like_candidates_are_left_alone_with_a_word(folder):
    text = FILES["shop.part3.inter"].replace("user_id:token", "neg_items:token_seq")
    notes = read(folder(**{"shop.part3.inter": text})).notes
    assert any("'neg_items', 'user_id'. Candidates are read from the key" in note for note in notes)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"train.jsonl": "", **FILES},
            "expected either .jsonl or .inter files of a split, found b",
        ),
        ({"test.jsonl.gz": "", **FILES}, "found both; leave one"),
        ({"shop.inter": ""}, "expected the parts of a split, found one .inter file; .* data add"),
        ({"train_data.df": ""}, "expected train.jsonl, found the tables of LLaRA; .* import-llara"),
        ({"notes.txt": ""}, "expected train.jsonl or RecBole's NAME.part1.inter, found none"),
    ],
)
def test_a_folder_without_one_clear_split_is_refused(folder, files, message):
    with pytest.raises(UserError, match=message):
        format_in(folder(files))


def test_it_is_kept_and_read_again_in_its_own_format(folder, tmp_path):
    place, cache = folder(), tmp_path / "cache"
    told = []
    made = import_split("mine", place, None, cache, told.append)
    assert told == list(made.card.known_flaws)
    assert made.card.sources[0].format == "recbole"
    assert import_split("same", place, "recbole", cache, told.append).digest == made.digest


@settings(
    deadline=None,
    max_examples=200,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    name=st.sampled_from(sorted(FILES)),
    changes=st.lists(st.tuples(st.integers(0, 2**8), st.binary(max_size=3)), max_size=3),
    length=st.integers(0, 2**8),
)
def test_a_damaged_file_is_read_or_refused(folder, name, changes, length):
    damaged = bytearray(FILES[name].encode()[:length])
    for place, new in changes:
        damaged[place : place + 1] = new
    try:
        split = read(folder(**{name: bytes(damaged)}))
    except UserError:
        return
    assert min(map(len, (split.rows.train, split.rows.validation, split.rows.test))) > 0
    assert all(title.strip() == title != "" for title in split.catalogue.titles)
