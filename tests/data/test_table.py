"""One small dataset as every kind of table, and what is said of tables that are broken."""

import gzip
import json
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from recbench.data.readers import jsonlines, table
from recbench.errors import DataError, UserError

EVENTS = [
    {"userId": "ann", "sku": "07", "score": 4.5, "when": 100, "note": "a, b"},
    {"userId": "Bo b", "sku": "7", "score": 3.0, "when": 50, "note": 'say "hi"\nthere'},
    {"userId": "ann", "sku": "é,1", "score": 1.0, "when": 70, "note": ""},
]
GOODS = [
    {"sku": "07", "title": 'Lamp, "red"'},
    {"sku": "7", "title": ""},
    {"sku": "é,1", "title": "Chair\nfor two"},
]
KINDS = ["csv", "tsv", "csv.gz", "parquet", "jsonl", "jsonl.gz", "ndjson"]
NAMES = {"item": "sku", "time": "when"}


def write(folder: Path, name: str, kind: str, rows: list[dict]) -> Path:
    file = folder / f"{name}.{kind}"
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), file)
        return file
    if kind.removesuffix(".gz") in ("csv", "tsv"):
        sink = pa.BufferOutputStream()
        options = pa.csv.WriteOptions(delimiter="\t" if kind == "tsv" else ",")
        pa.csv.write_csv(pa.Table.from_pylist(rows), sink, options)
        content = sink.getvalue().to_pybytes()
    else:
        content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    file.write_bytes(gzip.compress(content) if kind.endswith(".gz") else content)
    return file


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_table_gives_the_same(tmp_path, kind):
    raw = table.read(write(tmp_path, "e", kind, EVENTS), write(tmp_path, "g", kind, GOODS), **NAMES)
    assert raw.users[:].tolist() == ["ann", "Bo b", "ann"]
    assert raw.items[:].tolist() == ["07", "7", "é,1"]
    assert raw.ratings.tolist() == [4.5, 3, 1]
    assert raw.times.tolist() == [100, 50, 70]
    assert raw.item_ids.tolist() == ["07", "7", "é,1"]
    assert raw.titles == ['Lamp, "red"', "", "Chair\nfor two"]
    assert raw.notes == ()


@pytest.mark.parametrize("kind", KINDS)
def test_whole_numbers_stay_whole_and_dates_become_seconds(tmp_path, kind):
    rows = [
        {"user_id": 8, "item_id": -1, "date": "1970-01-01T00:01:00Z"},
        {"user_id": 9, "item_id": 2**62, "date": "1970-01-01T01:00:00+00:00"},
    ]
    raw = table.read(write(tmp_path, "e", kind, rows), None)
    assert raw.users[:].tolist() == [8, 9]
    assert raw.items[:].tolist() == [-1, 2**62]
    assert raw.times.tolist() == [60, 3600]
    assert raw.ratings is None
    assert raw.titles == ["-1", str(2**62)]
    assert raw.notes == ("No titles: the ids of the items stand for them.",)


def test_ids_of_one_table_may_be_numbers_and_of_the_other_text(tmp_path):
    events = write(tmp_path, "e", "parquet", [{"user": 1, "item": 1}, {"user": 1, "item": 2}])
    items = write(
        tmp_path, "i", "jsonl", [{"item": "2", "title": "Two"}, {"item": "x", "title": "X"}]
    )
    raw = table.read(events, items)
    assert raw.item_ids.tolist() == ["2", "x", "1"]
    assert raw.titles == ["Two", "X", "1"]
    assert "1 of the 2 items interacted with are not in i.jsonl" in raw.notes[0]


def said(file: Path, **columns: str) -> str:
    with pytest.raises((DataError, UserError)) as caught:
        table.read(file, None, **columns)
    assert "\n" not in str(caught.value)
    assert str(file) in str(caught.value)
    return str(caught.value).removeprefix(str(file))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", ", line 1: expected a line with the names of the columns, found none"),
        (b"user,item\n", ", line 2: expected 2 fields with ',' between them, found the end"),
        (b"user^item\n1^2\n", ", line 1: expected columns of users and items, found one field"),
        (b"a,b\n1,2\n", ": no column is recognised as the user or the item ('a', 'b')"),
        (b"user,item\n1,2\n3\n", ", line 3: expected 2 fields with ',' between them, found 1"),
        (b"user,item\n1,2\n,3\n", ", line 3: expected an id as user, found ''"),
        (b"user,item\r1,2\r3,4,5\r", ", line 3: expected 2 fields"),
        (b"u\x00ser,item\n1,2\n", ", line 1: expected the names of the columns"),
        (b"user,item\n1,2\n1,\xff\n", ", line 3: expected utf8 text"),
        (b'user,item\n1,"2\n3,4\n', ", line 2: expected every quote to be closed or doubled"),
        (b'user,item\n"1\n2",""\n', ", line 2: expected an id as item, found ''"),
        (b'user,item\n"1"2,3\n', ", line 2: expected every quote to be closed or doubled"),
        (b'user,item,n\n1,2,"a\n\nb"\n1,,c\n', ", line 5: expected an id as item, found ''"),
        (b"user,item,time\n1,2,3\n1,2,-\n", ", line 3: expected a number as time, found '-'"),
        (b"user,item,time\n1,2,3.0\n1,2,inf\n", ", line 3: expected a finite time, found inf"),
        (b"user,item,date\n1,2,2024-01-01\n1,2,5\n", ", line 3: expected a date as 2024-01-31"),
        (b"user,item,rating\n1,2,\n", ", line 2: expected a number as rating, found ''"),
        (b"user,item,rating\n1,2,nan\n", ", line 2: expected a finite rating, found nan"),
        (b"user,user,item\n1,2,3\n", ", line 1: expected one column 'user'"),
        (b'"us\ner",item\n1,2\n', ", line 1: expected the names of the columns"),
    ],
)
def test_a_broken_csv_file_is_named_with_line_and_reason(tmp_path, content, expected):
    file = tmp_path / "events.csv"
    file.write_bytes(content)
    assert said(file).startswith(expected)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", ", line 1: expected an object, found the end of the file"),
        (b"{}\n", ": no column is recognised as the user"),
        (b"null\n", ", line 1: expected a JSON object, found None"),
        (b'[{"user": 1, "item": 2}]\n', ", line 1: expected a JSON object, found [{'user'"),
        (b'{"user": 1, "item": 2}\n{"user"\n', ", line 2: expected a JSON object: Expecting"),
        (b"[" * 100_000, ", line 1: expected a JSON object: maximum recursion depth"),
        (b'{"user": 1, "item": 2}\n\n{"user": 1}\n', ", line 3: expected an id as item, found no"),
        (
            b'{"user": 1, "item": 7}\n{"user": 1, "item": "7"}\n',
            ", line 2: expected ids that are all integers or all texts as item, found '7'",
        ),
        (b'{"user": 1.5, "item": 2}\n', ", line 1: expected an id as user, found 1.5"),
        (b'{"user": true, "item": 2}\n', ", line 1: expected an id as user, found True"),
        (b'{"user": "\\ud800", "item": 2}\n', ", line 1: expected an id as user, found '"),
        (b'{"user": "\xff", "item": 2}\n', ", line 1: expected utf8 text"),
        (b'{"user": 1, "item": NaN}\n', ", line 1: expected an id as item, found nothing"),
        (b'{"user": 1, "item": 2, "rating": "3"}\n', ", line 1: expected a number as rating"),
        (
            b'{"user": 1, "item": 2, "time": 1e400}\n',
            ", line 1: expected a number of 64 bits as time, found inf",
        ),
        (b'{"user": 1, "item": 2, "ts": 99999999999999999999}\n', ", line 1: expected a number of"),
        (
            b'{"user": 1, "item": 2, "ts": "2024-01-01"}\n{"user": 1, "item": 2, "ts": "noon"}\n',
            ", line 2: expected a date as 2024-01-31",
        ),
    ],
)
def test_a_broken_json_lines_file_is_named_with_line_and_reason(tmp_path, content, expected):
    file = tmp_path / "events.jsonl"
    file.write_bytes(content)
    assert said(file).startswith(expected)


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"user": [1, None], "item": [2, 3]}, ", row 2: expected an id as user, found nothing"),
        ({"user": ["a", "b"], "item": ["c", ""]}, ", row 2: expected an id as item, found ''"),
        ({"user": [1.0], "item": [2]}, ": expected an id as user, found double"),
        ({"user": [1], "item": [True]}, ": expected an id as item, found bool"),
        ({"user": [1], "item": [2], "time": [float("nan")]}, ", row 1: expected a finite time"),
        ({"user": [1], "item": [2], "time": ["2024-01-01x"]}, ", row 1: expected a date as"),
        ({"user": [1], "item": [2], "rating": ["4"]}, ": expected a number as rating, found s"),
        ({"user": [1], "item": [2], "time": [True]}, ": expected a time as time, found bool"),
        (
            {"user": [1, 2], "item": [2, 3], "time": pa.array([5, 2**63], pa.uint64())},
            ", row 2: expected a time below 9,223,372,036,854,775,808, found 9223372036854775808",
        ),
        ({"user": [1], "item": pa.array([Decimal("1.5")])}, ": expected an id as item, found deci"),
        ({"user": pa.array([], pa.int64()), "item": pa.array([], pa.int64())}, ", row 1: expected"),
    ],
)
def test_a_broken_parquet_file_is_named_with_row_and_reason(tmp_path, columns, expected):
    file = tmp_path / "events.parquet"
    pq.write_table(pa.table(columns), file)
    assert said(file).startswith(expected)


@pytest.mark.parametrize("kind", [pa.float16(), pa.float32(), pa.decimal128(38, 0), pa.uint64()])
def test_numbers_of_parquet_may_be_short_and_decimal(tmp_path, kind):
    whole = kind if not pa.types.is_floating(kind) else pa.int8()
    columns = {
        "user": pa.array([1, 2]).cast(whole),
        "item": pa.array([7, 8]).cast(whole),
        "time": pa.array(np.array([3.0, 1.0]).astype("float16")).cast(pa.float64()).cast(kind),
    }
    file = tmp_path / "events.parquet"
    pq.write_table(pa.table(columns), file)
    raw = table.read(file, None)
    assert raw.times.tolist() == [3, 1]
    assert (raw.users.ids.tolist(), raw.item_ids.tolist()) == ([1, 2], [7, 8])


def test_a_parquet_column_whose_name_is_no_utf8_is_one_line(tmp_path):
    file = tmp_path / "events.parquet"
    pq.write_table(pa.table({"user": [1], "itemX": [1]}), file, store_schema=False)
    file.write_bytes(file.read_bytes().replace(b"itemX", b"item\x80"))
    with pytest.raises(DataError, match=r"expected a sound Parquet file: .* can't decode"):
        table.read(file, None)


@pytest.mark.parametrize("name", ["user", "item", "time", "note"])
def test_parquet_text_that_is_no_utf8_is_named_with_its_row(tmp_path, name):
    columns = {each: pa.array(["2024-01-01"] * 2) for each in ("user", "item", "time", "note")}
    columns[name] = pa.array([b"2024-01-01", b"\xed\xa0\x80"]).view(pa.string())
    file = tmp_path / "events.parquet"
    pq.write_table(pa.table(columns), file)
    if name == "note":  # not looked at
        assert len(table.read(file, None).users) == 2
        return
    assert said(file) == rf", row 2: expected utf8 text as {name}, found b'\xed\xa0\x80'"


def test_categories_of_parquet_are_ids_like_any(tmp_path):
    used = pa.DictionaryArray.from_arrays(pa.array([2, 0, 2]), ["a", "unused", "b"])
    file = tmp_path / "events.parquet"
    pq.write_table(pa.table({"user": used, "item": [1, 2, 3]}), file)
    raw = table.read(file, None)
    assert raw.users[:].tolist() == ["b", "a", "b"]
    assert len(raw.users.ids) == 2


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_what_is_no_such_file_is_said(tmp_path, kind):
    file = tmp_path / f"events.{kind}"
    assert said(file) == ": expected a file, found none"
    file.write_bytes(b"\x1f\x8b\x08cut")
    assert "expected" in said(file)


def test_a_gzipped_file_that_is_cut_off_is_said(tmp_path):
    file = write(tmp_path, "e", "csv.gz", EVENTS * 50)
    file.write_bytes(file.read_bytes()[:-20])
    assert "expected sound gzip data" in said(file, **NAMES)


def test_a_name_that_tells_no_kind_and_a_column_that_is_not_there(tmp_path):
    (tmp_path / "events.log").write_text("user,item\n1,2\n")
    assert "it should be one of .csv, .tsv, .txt, .dat" in said(tmp_path / "events.log")
    file = write(tmp_path, "e", "csv", EVENTS)
    with pytest.raises(UserError, match=r"unknown column of .*e\.csv 'usrId'; did you mean 'user"):
        table.read(file, None, user="usrId")


@pytest.mark.parametrize(
    ("goods", "expected"),
    [
        ([{"sku": "7", "title": "A"}, {"sku": "7", "title": "B"}], "csv, line 3: expected an item"),
        ([{"sku": "7\n"}, {"sku": "7\n"}], r"earlier line has, found '7\n'"),
        ([{"sku": "x", "title": "A"}], "expected items of the interactions, found none in 'sku'"),
        ([{"sku": "7", "title": "a\x00"}], "expected text as title"),
        ([{"goods": "7", "title": "A"}], "expected a column 'sku' with the ids of the items"),
    ],
)
def test_a_broken_item_table_is_named(tmp_path, goods, expected):
    events = write(tmp_path, "e", "csv", EVENTS)
    with pytest.raises(DataError) as caught:
        table.read(events, write(tmp_path, "g", "csv", goods), **NAMES)
    assert expected in str(caught.value)


@pytest.mark.parametrize("times", [(5, 7.0), (5.5, 7), (5, 7.5), ("5", 7.5), (5, "7")])
def test_times_of_json_may_be_integers_and_numbers(tmp_path, monkeypatch, times):
    file = write(tmp_path, "e", "jsonl", [{"user": 1, "item": 2, "time": time} for time in times])
    at_once = table.read(file, None)
    monkeypatch.setattr(jsonlines, "_ROWS_AT_ONCE", 1)
    one_by_one = table.read(file, None)
    unit = 1_000_000 if any(float(time) % 1 for time in times) else 1
    assert at_once.times.tolist() == [float(time) * unit for time in times]
    assert one_by_one.times.tolist() == at_once.times.tolist()
