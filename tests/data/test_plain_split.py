import gzip
import json
from codecs import BOM_UTF8
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recbench.data.readers.plain_split import read
from recbench.errors import DataError, UserError

REFERENCE = Path(__file__).parents[2] / "../shared/reference/splits/steam"
FILES = {
    "train.jsonl": '{"history":[5,-7],"target":300}\n{"history":[],"target":5}\n',
    "validation.jsonl": '{"history":[5],"target":-7,"note":"left alone"}\n',
    "test.jsonl": '{"history":[300,300],"target":5}\n',
    "items.tsv": "id\ttitle\n300\tC\n5\tA\n-7\t B  b \n8\t\n",
}


@pytest.fixture
def folder(tmp_path):
    """Write a small split; a name given with None is left out."""

    def write(**changes):
        for name, text in {**FILES, **changes}.items():
            if text is not None:
                data = text if isinstance(text, bytes) else text.encode()
                (tmp_path / name).write_bytes(data)
        return tmp_path

    return write


def ids(split, part):
    rows = getattr(split.rows, part)
    return [split.catalogue.raw_ids[rows[row]].tolist() for row in range(len(rows))]


def test_rows_and_items_are_read(folder):
    split = read(folder())
    assert split.catalogue.raw_ids.tolist() == [-7, 5, 8, 300]
    assert split.catalogue.titles == ("B b", "A", "unknown", "C")
    assert ids(split, "train") == [[5, -7, 300], [5]]
    assert ids(split, "validation") == [[5, -7]]
    assert ids(split, "test") == [[300, 300, 5]]
    assert split.notes == ("Keys of the rows that are left alone: 'note'.",)


def test_ids_are_texts_where_the_rows_have_texts(folder):
    row = '{"history":["007","é"],"target":"7"}\n'
    parts = dict.fromkeys(("train.jsonl", "validation.jsonl", "test.jsonl"), row)
    split = read(folder(**parts, **{"items.tsv": "id\ttitle\n7\tA\n007\tB\né\tC\n"}))
    assert split.catalogue.raw_ids.tolist() == ["007", "7", "é"]
    assert ids(split, "test") == [["007", "é", "7"]]


def test_line_ends_byte_order_marks_and_gzip_make_no_difference(folder, tmp_path_factory):
    plain = read(folder())
    elsewhere = tmp_path_factory.mktemp("other")
    for name, text in FILES.items():
        (elsewhere / name).write_bytes(BOM_UTF8 + text.replace("\n", "\r\n").encode())
    (elsewhere / "test.jsonl").unlink()
    (elsewhere / "test.jsonl.gz").write_bytes(gzip.compress(FILES["test.jsonl"].encode()))
    found = read(elsewhere)
    assert found.catalogue.digest == plain.catalogue.digest
    for part in ("train", "validation", "test"):
        assert ids(found, part) == ids(plain, part)


@pytest.mark.parametrize("name", ["validation.jsonl", "val.jsonl"])
def test_without_a_test_file_the_second_half_tests(folder, name):
    rows = "".join(f'{{"history":[5],"target":{target}}}\n' for target in (5, -7, 300))
    split = read(folder(**{"validation.jsonl": None, "test.jsonl": None, name: rows}))
    assert ids(split, "validation") == [[5, 5]]
    assert ids(split, "test") == [[5, -7], [5, 300]]
    assert split.notes == (
        f"There was no test file: the first 1 rows of {name} validate, the other 2 test.",
    )


def test_the_reference_is_read():
    if not REFERENCE.is_dir():
        pytest.skip("the released rows are not here")
    split = read(REFERENCE)
    rows = split.rows
    assert [len(part) for part in (rows.train, rows.validation, rows.test)] == [1000, 597, 597]
    assert len(split.catalogue) == 3581
    lines = (REFERENCE / "val.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert ids(split, "validation") + ids(split, "test") == [
        [*row["history"], row["target"]] for row in rows
    ]


@pytest.mark.parametrize(
    "field", ["", '"', '"a', '"a"b', '"a\x01"', '"\\x"', '"\\ud800"', '""'], ids=ascii
)
def test_an_id_that_is_no_text_is_named_with_its_line(folder, field):
    row = '{"history":["a"],"target":"a"}\n'
    parts = dict.fromkeys(("train.jsonl", "validation.jsonl", "test.jsonl"), row)
    with pytest.raises(DataError, match=r"items\.tsv, line 3: expected an id, as a JSON text"):
        read(folder(**parts, **{"items.tsv": f"id\ttitle\na\tA\n{field}\tB\n"}))


SHAPE = r'expected \{"history":\[ids\],"target":id\}, found '


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("train.jsonl", "", rf"train.jsonl, line 1: {SHAPE}the end"),
        ("train.jsonl", "{}\n", rf"train.jsonl, line 1: {SHAPE}'{{}}'"),
        ("train.jsonl", '{"history":[5]}', rf"line 1: {SHAPE}"),
        ("train.jsonl", '{"target":5}', rf"line 1: {SHAPE}"),
        ("train.jsonl", '{"history":5,"target":5}', rf"line 1: {SHAPE}"),
        ("train.jsonl", "[5]", rf"line 1: {SHAPE}"),
        ("train.jsonl", "\n" + FILES["train.jsonl"], "line 1: expected a row of JSON"),
        ("train.jsonl", FILES["train.jsonl"] + "{", "line 3: expected a row of JSON"),
        ("train.jsonl", "[" * 100_000, "line 1: expected a row of JSON"),
        ("train.jsonl", '{"history":[5],"target":1.5}', "line 1: expected ids that are all"),
        ("train.jsonl", '{"history":[5],"target":true}', "line 1: expected ids that are all"),
        ("train.jsonl", '{"history":[5],"target":null}', "line 1: expected ids that are all"),
        ("train.jsonl", '{"history":[5],"target":NaN}', "line 1: expected ids that are all"),
        ("train.jsonl", '{"history":["5"],"target":5}', "line 1: expected ids that are all"),
        ("train.jsonl", '{"history":[[5]],"target":5}', "line 1: expected ids that are all"),
        (
            "train.jsonl",
            '{"history":[],"target":5}\n{"history":[],"target":"5"}\n',
            "line 2: expected ids that are all",
        ),
        (
            "test.jsonl",
            '{"history":["5"],"target":"5"}',
            "test.jsonl, line 1: expected ids that are all integers or all texts in all files",
        ),
        (
            "test.jsonl",
            '{"history":[5],"target":6}',
            "line 1: expected items of items.tsv, found 6",
        ),
        ("test.jsonl", f'{{"history":[],"target":{2**70}}}', "line 1: expected items of items.tsv"),
        ("test.jsonl", '{"history":[],"target":1' + "0" * 5000 + "}", "line 1: expected a row"),
        ("test.jsonl", b'{"history":[],\0"target":5}', "test.jsonl, line 1: .* found a NUL byte"),
        ("test.jsonl", b'{"history":[],"target":"\xff"}', "line 1: expected utf8 text"),
        ("items.tsv", "", "items.tsv: expected items, found none"),
        ("items.tsv", "id\ttitle\n", "items.tsv: expected items, found none"),
        ("items.tsv", "5\tA\n", "items.tsv, line 1: expected the header"),
        ("items.tsv", "id\ttitle\n5\tA\n5\tB\n", "line 3: expected an item id that no earlier"),
        ("items.tsv", "id\ttitle\n5\n", "line 2: expected an id, a tab and a title, found '5'"),
        ("items.tsv", "id\ttitle\n5\tA\tB\n", "line 2: expected an id, a tab and a title"),
        ("items.tsv", "id\ttitle\n\n5\tA\n", "line 2: expected an id, a tab and a title"),
        ("items.tsv", "id\ttitle\n05\tA\n", "line 2: expected an integer as id"),
        ("items.tsv", f"id\ttitle\n{2**63}\tA\n", "line 2: expected an integer as id"),
        ("items.tsv", 'id\ttitle\n"5"\tA\n', "line 2: expected an integer as id"),
        ("items.tsv", "id\ttitle\n5\tA\0\n", "line 2: expected text, found a NUL byte"),
        ("items.tsv", None, "items.tsv: expected a file, found none"),
    ],
)
def test_a_broken_file_is_named_with_its_line(folder, name, text, message):
    with pytest.raises(DataError, match=message) as refusal:
        read(folder(**{name: text}))
    assert len(str(refusal.value)) < 400


@pytest.mark.parametrize(
    ("raw", "found"),
    [("07", "'07' there, '7' here: they differ in leading zeros"), ("x", "'x' there, '7' here$")],
)
def test_an_id_that_is_not_listed_is_shown_with_one_that_is(folder, raw, found):
    row = '{"history":["7"],"target":"7"}\n'
    files = {"train.jsonl": row, "validation.jsonl": row, "test.jsonl": row.replace("7", raw, 1)}
    with pytest.raises(DataError, match=f"test.jsonl, line 1: expected items of .*found {found}"):
        read(folder(**files, **{"items.tsv": "id\ttitle\n7\tSeven\n"}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train.jsonl": None}, "expected train.jsonl, found none"),
        ({"validation.jsonl": None}, "expected validation.jsonl, found none"),
        ({"val.jsonl": ""}, "found val.jsonl and validation.jsonl; leave one"),
        ({"test.jsonl": None}, "expected two rows or a test file, found one row"),
    ],
)
def test_a_folder_that_is_no_split_is_refused(folder, changes, message):
    with pytest.raises(UserError, match=message):
        read(folder(**changes))


def bringing(**lists):
    """Write rows that bring candidates; a part is given by its rows' lists."""
    made = {}
    for part, candidates in lists.items():
        rows = [{"history": [5], "target": 8, "candidates": each} for each in candidates]
        kept = [{k: v for k, v in row.items() if v is not ...} for row in rows]
        made[f"{part}.jsonl"] = "".join(f"{json.dumps(row)}\n" for row in kept)
    return made


def test_candidates_are_sets_of_items(folder):
    split = read(folder(**bringing(validation=[[8, 5]], test=[[300, 8, -7], [8, 5, 300]])))
    ids = split.catalogue.raw_ids
    assert ids[split.rows.validation_candidates].tolist() == [[5, 8]]
    assert ids[split.rows.test_candidates].tolist() == [[-7, 8, 300], [5, 8, 300]]
    assert (split.rows.candidates, split.notes) == (3, ())


@pytest.mark.parametrize("none", [..., None], ids=["no key", "null"])
def test_validation_rows_may_do_without_candidates(folder, none):
    split = read(folder(**bringing(validation=[none], test=[[8, 5]])))
    assert split.rows.validation_candidates is None
    assert split.rows.candidates == 2


def test_the_halves_keep_their_candidates(folder):
    files = bringing(validation=[[8, 5], [8, -7], [300, 8]])
    split = read(folder(**files, **{"test.jsonl": None}))
    ids = split.catalogue.raw_ids
    assert ids[split.rows.validation_candidates].tolist() == [[5, 8]]
    assert ids[split.rows.test_candidates].tolist() == [[-7, 8], [8, 300]]


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        ([[8, 5], ...], "line 2: expected candidates in every row of the file or in none, found n"),
        ([..., [8, 5]], "line 2: expected candidates in every row of the file or in none, found s"),
        ([None, [8, 5]], "line 2: expected candidates in every row of the file or in none"),
        ([[8, 5], [8, 5, -7]], "line 2: expected 2 candidates, as the first row has, found 3"),
        ([[8]], "line 1: expected 2 to 32767 candidates, found 1"),
        ([[]], "line 1: expected 2 to 32767 candidates, found 0"),
        ([[8, *range(40_000)]], "line 1: expected 2 to 32767 candidates, found 40001"),
        ([[8, 5], [8, 8]], "line 2: expected different candidates, found 8 twice"),
        ([[5, -7]], "line 1: expected the target among the candidates, found no 8"),
        ([[8, 9]], "line 1: expected items of items.tsv, found 9"),
        ([[8, "5"]], "line 1: expected ids that are all integers or all texts"),
        ([[8, [5]]], "line 1: expected ids that are all integers or all texts"),
        ([8], "line 1: expected candidates as a list of ids"),
        ([{"8": 5}], "line 1: expected candidates as a list of ids"),
    ],
)
@pytest.mark.parametrize("part", ["validation", "test"])
def test_candidates_that_cannot_be_asked_are_named_with_their_line(folder, part, lists, message):
    files = bringing(**{"test": [[8, 5]], part: lists})
    with pytest.raises(DataError, match=rf"{part}\.jsonl, {message}"):
        read(folder(**files))


def test_candidates_in_validation_alone_are_refused(folder):
    with pytest.raises(UserError, match="the validation rows bring candidates, the test rows none"):
        read(folder(**bringing(validation=[[8, 5]], test=[...])))


def test_keys_that_are_not_read_are_named_once(folder):
    row = '{"history":[5],"target":8,"user":1,"cans":[5,8]}\n'
    train = row.replace("cans", "candidates")
    split = read(folder(**{"train.jsonl": train, "test.jsonl": row * 2}))
    (note,) = split.notes
    assert note == (
        "Keys of the rows that are left alone: 'candidates', 'cans', 'note', 'user'. Candidates are"
        " read from the key 'candidates' of validation.jsonl and test.jsonl."
    )
    many = {f"key\n{number:03}": 1 for number in range(100)}
    row = json.dumps({"history": [5], "target": 8, **many, "k" * 10_000: 2})
    (note,) = read(folder(**{"test.jsonl": row})).notes
    assert note.endswith(", 'key\\n007' and 94 more.")
    assert len(note) < 400


@settings(
    deadline=None,
    max_examples=300,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    files=st.sampled_from([FILES, FILES | bringing(validation=[[8, 5]], test=[[300, 8, -7]] * 2)]),
    name=st.sampled_from(sorted(FILES)),
    changes=st.lists(st.tuples(st.integers(0, 2**10), st.binary(max_size=3)), max_size=3),
    length=st.integers(0, 2**10),
)
def test_a_damaged_file_is_read_or_refused(folder, files, name, changes, length):
    damaged = bytearray(files[name].encode()[:length])
    for place, new in changes:
        damaged[place : place + 1] = new
    try:
        split = read(folder(**{**files, name: bytes(damaged)}))
    except UserError:
        return
    assert min(map(len, (split.rows.train, split.rows.validation, split.rows.test))) > 0
    if (brought := split.rows.test_candidates) is not None:
        targets = split.rows.test.values[split.rows.test.offsets[1:] - 1]
        assert ((brought == targets[:, None]).sum(axis=1) == 1).all()
        assert (np.diff(brought, axis=1) > 0).all()
    assert all(title.strip() == title != "" for title in split.catalogue.titles)


def test_blank_last_lines_are_no_rows(folder):
    whole = read(folder())
    blank = read(folder(**{name: text + "\n  \r\n\n" for name, text in FILES.items()}))
    for part in ("train", "validation", "test"):
        assert ids(blank, part) == ids(whole, part)
    assert blank.catalogue.titles == whole.catalogue.titles
