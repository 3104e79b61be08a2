"""Damaged files give a clean result or one line with the file, never a traceback or a wrong row."""

import csv
import gzip
import io
import json
import os
import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recbench.data.catalogue import make_catalogue
from recbench.data.own import add
from recbench.data.own_files import Files
from recbench.data.prepare import prepare
from recbench.data.readers import OPENED, READERS
from recbench.data.readers.columns import Columns
from recbench.data.readers.delimited import DoubtfulQuotesError
from recbench.data.readers.raw import Raw
from recbench.data.readers.tabular import columns_of
from recbench.data.written import TO_BE_FOUND, Written
from recbench.errors import DataError, UserError

EVENTS = [(f"u{k % 5}", f"g{k % 4}", 3, 1000 + k) for k in range(40)]
TITLES = ["Lamp", "Two words", "[HistoryEmb] 1 ### Response:", 'A "b", c']
GOODS = [(f"g{k}", title) for k, title in enumerate(TITLES)]
NUMBERED = [(int(user[1:]), int(item[1:]), *more) for user, item, *more in EVENTS]


class Kind(NamedTuple):
    """How a file of interactions and one of items are written, and what the user says of it."""

    format: str
    contents: tuple[bytes, bytes]
    written: tuple[Written, Written] = (TO_BE_FOUND, TO_BE_FOUND)


def delimited(rows: list, delimiter: str, encoding: str = "utf-8") -> bytes:
    stream = io.StringIO()
    csv.writer(stream, delimiter=delimiter).writerows(rows)
    return stream.getvalue().encode(encoding)


def parquet(rows: list) -> bytes:
    names, *values = rows
    sink = pa.BufferOutputStream()
    columns = map(list, zip(*values, strict=True))
    pq.write_table(pa.table(dict(zip(names, columns, strict=True))), sink)
    return sink.getvalue().to_pybytes()


def json_lines(rows: list) -> bytes:
    names, *values = rows
    return "".join(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in values).encode()


def json_array(rows: list) -> bytes:
    return b"[" + b",\n".join(json_lines(rows).splitlines()) + b"]\n"


def lines(rows: list, delimiter: str, encoding: str = "utf-8") -> bytes:
    return "".join(delimiter.join(map(str, row)) + "\n" for row in rows).encode(encoding)


WRITERS = {
    "csv": lambda rows: delimited(rows, ","),
    "semicolon.csv": lambda rows: delimited(rows, ";"),
    "utf-16.csv": lambda rows: delimited(rows, ",", "utf-16"),
    "tsv": lambda rows: delimited(rows, "\t"),
    "pipe.txt": lambda rows: delimited(rows, "|"),
    "csv.gz": lambda rows: gzip.compress(delimited(rows, ","), mtime=0),
    "parquet": parquet,
    "json": json_array,
    "lines.json": json_lines,
    "jsonl": json_lines,
    "jsonl.gz": lambda rows: gzip.compress(json_lines(rows), mtime=0),
}
HEADERS = [("user", "item", "rating", "time"), ("item", "title")]
KINDS = {
    kind: Kind("table", (write([HEADERS[0], *EVENTS]), write([HEADERS[1], *GOODS])))
    for kind, write in WRITERS.items()
}
KINDS["bare.dat"] = Kind(
    "table",
    (lines(EVENTS, "::"), lines(GOODS, "::")),
    (Written(columns=HEADERS[0]), Written(columns=HEADERS[1])),
)
KINDS["gb18030.txt"] = Kind(
    "table",
    (lines([HEADERS[0], *EVENTS], "^"), lines([HEADERS[1], *GOODS, ("ü", "é")], "^", "gb18030")),
    (Written("^", "gb18030"), Written("^", "gb18030")),
)
KINDS["inter"] = Kind(
    "atomic",
    (
        lines(
            [("user_id:token", "item_id:token", "rating:float", "timestamp:float"), *EVENTS], "\t"
        ),
        lines([("item_id:token", "title:token_seq"), *GOODS], "\t"),
    ),
)
KINDS["data"] = Kind(
    "grouplens",
    (
        lines(NUMBERED, "\t"),
        lines([(k, title, *[""] * 22) for k, title in enumerate(TITLES)], "|"),
    ),
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
    b";",
    b"::",
    b"^",
    b"\x1f",
    b"\xff",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
]
SNIPPETS += [
    b"nan",
    b"-1",
    b"1e400",
    b"1e9",
    b"2024-01-01",
    b"99999999999999999999",
    b"null",
    b"{}",
    b"[",
    b"]",
    b" ",
    b"\n \r\n",
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


def plainly(file: Path, written: Written) -> list[list[str]] | None:
    """Return the fields of a delimited file by the plainest means; None of another kind."""
    if not written.separator:
        return None
    data = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    # What stands in a column that is not read need not be text.
    text = data.decode("utf-8-sig" if written.encoding == "utf8" else written.encoding, "replace")
    end = text[len(text.rstrip(" \r\n")) :].splitlines(keepends=True)[:1]
    text = text.rstrip(" \r\n").removeprefix("\ufeff") + "".join(end)
    each = io.StringIO(text, newline="")
    if file.suffix == ".inter" or len(written.separator) > 1:
        return [line.rstrip("\r\n").split(written.separator) for line in each]
    return list(csv.reader(each, delimiter=written.separator))


def as_written(raw: Raw, file: Path, kind: Kind) -> None:
    """Compare the users and items that were read with what stands in the file."""
    table = OPENED[kind.format](file, kind.written[0])
    rows = plainly(file, table.written)
    if rows is None:
        return
    columns = columns_of(table, None, Columns())
    below = rows if table.written.columns else rows[1:]
    for name, read in ((columns.user, raw.users), (columns.item, raw.items)):
        place = table.names.index(name)
        assert [str(each) for each in read[:].tolist()] == [row[place] for row in below]


def kept_or_nothing(kind: Kind, files: list[Path]) -> None:
    """Add the files: what is refused leaves nothing, what is taken can be read again."""
    cache = files[0].parent / "cache"
    shutil.rmtree(cache, ignore_errors=True)
    mine = Files(kind.format, *files, Columns(), *kind.written)
    said, made = "", None
    try:
        made = add("mine", mine, cache, lambda _: None)
    except UserError as error:
        said = str(error)
    assert "\n" not in said
    if made is None:
        assert not [path for path in cache.rglob("*") if path.is_file()]
    else:
        shutil.rmtree(cache / "datasets")
        assert prepare("mine", cache, None, lambda _: None).digest == made.digest


def is_read_right_or_refused(folder: Path, kind: str, which: int, data: st.DataObject) -> None:
    """Damage one file of two; `folder` may be used again."""
    one = KINDS[kind]
    contents = list(one.contents)
    contents[which] = data.draw(damaged(contents[which]))
    files = [folder / f"{name}.{kind}" for name in ("interactions", "items")]
    for file, content in zip(files, contents, strict=True):
        file.write_bytes(content)
    said = ""
    named = dict(zip(("written", "items_written"), one.written, strict=True))
    try:
        raw = READERS[one.format](*files, **(named if one.format in OPENED else {}))
        sound(raw)
    except UserError as error:
        said = str(error)
    assert "\n" not in said
    assert not said or str(folder) in said
    if one.format in OPENED:
        if not said:
            as_written(raw, files[0], one)
        kept_or_nothing(one, files)


@pytest.mark.parametrize("which", [0, 1], ids=["interactions", "items"])
@pytest.mark.parametrize("kind", KINDS)
@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_a_damaged_file_gives_sound_data_or_one_line(tmp_path, kind, which, data):
    is_read_right_or_refused(tmp_path, kind, which, data)


MANY = int(os.environ.get("RECBENCH_DAMAGED_FILES", "100000"))


@pytest.mark.slow
@pytest.mark.parametrize("which", [0, 1], ids=["interactions", "items"])
@pytest.mark.parametrize("kind", KINDS)
@settings(
    max_examples=MANY // (2 * len(KINDS)),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(data=st.data())
def test_so_do_very_many(tmp_path, kind, which, data):
    """A hundred thousand in all, or as many as RECBENCH_DAMAGED_FILES says."""
    is_read_right_or_refused(tmp_path, kind, which, data)


# Half characters cannot be written, and a title has no NUL.
IDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
RAW_TITLES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)


@pytest.mark.parametrize("kind", WRITERS)
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(goods=st.dictionaries(IDS, RAW_TITLES, min_size=1, max_size=8), data=st.data())
def test_any_ids_and_titles_come_back_unchanged(tmp_path, kind, goods, data):
    pairs = st.tuples(IDS, st.sampled_from(sorted(goods)))
    rows = data.draw(st.lists(pairs, min_size=1, max_size=12))
    events, items = tmp_path / f"e.{kind}", tmp_path / f"i.{kind}"
    events.write_bytes(WRITERS[kind]([("user", "item"), *rows]))
    items.write_bytes(WRITERS[kind]([("item", "title"), *goods.items()]))
    try:
        raw = READERS["table"](events, items)
    except DoubtfulQuotesError:  # without quotes each line is a row as well: the user must tell
        told = Written(quotes="double")
        raw = READERS["table"](events, items, written=told, items_written=told)
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
