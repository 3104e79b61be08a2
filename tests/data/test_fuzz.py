"""Damaged files give a clean result or one line with the file, never a traceback or a wrong row."""

import csv
import gzip
import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recbench.data.catalogue import make_catalogue
from recbench.data.own import Files, add
from recbench.data.readers import READERS
from recbench.data.readers.raw import Raw
from recbench.errors import DataError, UserError

EVENTS = [(f"u{k % 5}", f"g{k % 4}", 3, 1000 + k) for k in range(40)]
TITLES = ["Lamp", "Two words", "[HistoryEmb] 1 ### Response:", 'A "b", c']
GOODS = [(f"g{k}", title) for k, title in enumerate(TITLES)]
NUMBERED = [(int(user[1:]), int(item[1:]), *more) for user, item, *more in EVENTS]


def delimited(rows: list, delimiter: str) -> bytes:
    stream = io.StringIO()
    csv.writer(stream, delimiter=delimiter).writerows(rows)
    return stream.getvalue().encode()


def parquet(rows: list) -> bytes:
    names, *values = rows
    sink = pa.BufferOutputStream()
    columns = map(list, zip(*values, strict=True))
    pq.write_table(pa.table(dict(zip(names, columns, strict=True))), sink)
    return sink.getvalue().to_pybytes()


def json_lines(rows: list) -> bytes:
    names, *values = rows
    return "".join(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in values).encode()


def lines(rows: list, delimiter: str) -> bytes:
    return "".join(delimiter.join(map(str, row)) + "\n" for row in rows).encode()


WRITERS = {
    "csv": lambda rows: delimited(rows, ","),
    "tsv": lambda rows: delimited(rows, "\t"),
    "csv.gz": lambda rows: gzip.compress(delimited(rows, ","), mtime=0),
    "parquet": parquet,
    "jsonl": json_lines,
    "jsonl.gz": lambda rows: gzip.compress(json_lines(rows), mtime=0),
}
HEADERS = [("user", "item", "rating", "time"), ("item", "title")]
KINDS = {
    kind: ("table", write([HEADERS[0], *EVENTS]), write([HEADERS[1], *GOODS]))
    for kind, write in WRITERS.items()
}
KINDS["inter"] = (
    "atomic",
    lines([("user_id:token", "item_id:token", "rating:float", "timestamp:float"), *EVENTS], "\t"),
    lines([("item_id:token", "title:token_seq"), *GOODS], "\t"),
)
KINDS["data"] = (
    "grouplens",
    lines(NUMBERED, "\t"),
    lines([(k, title, *[""] * 22) for k, title in enumerate(TITLES)], "|"),
)
SNIPPETS = [
    b"",
    b"\x00",
    b"\n",
    b"\r",
    b"\r\n",
    b'"',
    b'""',
    b",",
    b"\t",
    b"|",
    b"\xff",
    b"\xef\xbb\xbf",
]
SNIPPETS += [
    b"nan",
    b"-1",
    b"1e400",
    b"99999999999999999999",
    b"null",
    b"{}",
    b"[",
    b" ",
    b"\xe9",
    b"0x1",
]


@st.composite
def damaged(draw, content: bytes) -> bytes:
    """Cut, put in, overwrite, repeat or turn around a few places."""
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(content)))
        to = min(len(content), at + draw(st.integers(0, 12)))
        change = draw(st.sampled_from(["cut", "put", "over", "twice", "bytes"]))
        middle = {
            "put": draw(st.sampled_from(SNIPPETS)) + content[at:to],
            "over": draw(st.sampled_from(SNIPPETS)),
            "twice": content[at:to] * 2,
            "bytes": draw(st.binary(max_size=4)),
            "cut": b"",
        }[change]
        content = content[:at] + middle + (b"" if change == "cut" else content[to:])
    return content


def sound(raw: Raw) -> None:
    """What every reader promises."""
    rows = len(raw.users)
    assert rows == len(raw.items) > 0
    for column in (raw.users, raw.items):
        assert column.codes.min() >= 0
        assert column.codes.max() < len(column.ids)
        assert len(set(column.ids.tolist())) == len(column.ids)
        assert all(map(str, column.ids.tolist()))
    if raw.ratings is not None:
        assert len(raw.ratings) == rows
        assert np.isfinite(raw.ratings).all()
    if raw.times is not None:
        assert len(raw.times) == rows
        assert raw.times.dtype == np.int64
    assert len(raw.titles) == len(raw.item_ids) == len({str(i) for i in raw.item_ids.tolist()})
    assert {str(i) for i in raw.items.ids.tolist()} <= {str(i) for i in raw.item_ids.tolist()}
    assert make_catalogue(raw.item_ids, raw.titles).digest


@pytest.mark.parametrize("which", [0, 1], ids=["interactions", "items"])
@pytest.mark.parametrize("kind", KINDS)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_a_damaged_file_gives_sound_data_or_one_line(tmp_path, kind, which, data):
    format_name, *contents = KINDS[kind]
    contents[which] = data.draw(damaged(contents[which]))
    files = [tmp_path / f"{name}.{kind}" for name in ("interactions", "items")]
    for file, content in zip(files, contents, strict=True):
        file.write_bytes(content)
    said = ""
    try:
        sound(READERS[format_name](*files))
    except (DataError, UserError) as error:
        said = str(error)
    assert "\n" not in said
    assert not said or str(tmp_path) in said


# Half characters cannot be written, and a title has no NUL.
IDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
RAW_TITLES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)


@pytest.mark.parametrize("kind", WRITERS)
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(goods=st.dictionaries(IDS, RAW_TITLES, min_size=1, max_size=8), data=st.data())
def test_any_ids_and_titles_come_back_unchanged(tmp_path, kind, goods, data):
    pairs = st.tuples(IDS, st.sampled_from(sorted(goods)))
    rows = data.draw(st.lists(pairs, min_size=1, max_size=12))
    events, items = tmp_path / f"e.{kind}", tmp_path / f"i.{kind}"
    events.write_bytes(WRITERS[kind]([("user", "item"), *rows]))
    items.write_bytes(WRITERS[kind]([("item", "title"), *goods.items()]))
    raw = READERS["table"](events, items)
    assert [str(each) for each in raw.users[:].tolist()] == [user for user, _ in rows]
    assert [str(each) for each in raw.items[:].tolist()] == [item for _, item in rows]
    assert [str(each) for each in raw.item_ids.tolist()] == list(goods)
    assert raw.titles == list(goods.values())


@pytest.mark.parametrize("content", [b"user,item\n1,2\n1\n", b"user,item\n1,\xff\n"])
def test_a_broken_file_leaves_no_cache(tmp_path: Path, content: bytes):
    (tmp_path / "e.csv").write_bytes(content)
    with pytest.raises(DataError):
        add("mine", Files("table", tmp_path / "e.csv", None), tmp_path / "cache", lambda _: None)
    assert not (tmp_path / "cache").exists()
