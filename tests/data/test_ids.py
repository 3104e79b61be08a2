"""Any text can be an id, and comes back as it was."""

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from recbench.data.catalogue import make_catalogue
from recbench.data.dataset import Dataset
from recbench.data.id_field import field_of, id_of
from recbench.data.imported import import_split
from recbench.data.own import add
from recbench.data.own_files import Files
from recbench.data.written import Written
from recbench.errors import DataError
from recbench.questions.candidates import load, make_pack, save
from recbench.questions.export import export
from recbench.questions.make_split import make_split
from recbench.questions.protocols import protocol

ANY = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)
ODD = [
    *("\t", "\n", "\r", "a\r\n", "\0", "\x7f", "\x85", "\u2028", "\u2029", "\x0b\x0c", "\x1c\x1e"),
    *('"', '"a"', '\\"', "'", ",", "a,b", "\\t", "\\", "\ufeff", "\ufeffa", "#", "nan", "null"),
    *(" ", " a", "a ", "7", "007", "7 ", "-0", "+7", "1e3", "٧", "9" * 30),
    *("é", "e\u0301", "ﬁ", "\u202eabc", "א", "\u200b", "\U0001f600", "\ufffe", "\U0010ffff"),
]
"""Every one differs from the others, some by white space or the normal form alone."""


@given(ANY)
def test_a_field_is_one_field_of_one_line_and_says_what_it_was(text):
    for raw in (text, *ODD):
        field = field_of(raw)
        assert id_of(field) == raw
        assert "\t" not in field
        assert field.splitlines() == [field]


@pytest.mark.parametrize(
    "raw", [7, -1, "7", "007", " a b ", "a,b", 'a"b', "'", "\\n", "é", "\ufeff"]
)
def test_an_ordinary_id_stands_as_it_is(raw):
    assert field_of(raw) == str(raw)


def write(folder: Path, kind: str, events: list[tuple[str, str]]) -> Files:
    """Write interactions in one kind of file, in their order, without items."""
    users, items = zip(*events, strict=True)
    columns = {"user": list(users), "item": list(items)}
    if kind == "inter":
        lines = ["user_id:token\titem_id:token", *map("\t".join, events)]
        (folder / "e.inter").write_bytes("".join(f"{line}\n" for line in lines).encode())
        return Files("atomic", folder / "e.inter", None)
    file = folder / f"e.{kind}"
    if kind == "parquet":
        pq.write_table(pa.table(columns), file)
    elif kind == "jsonl":
        rows = [{"user": user, "item": item} for user, item in events]
        file.write_bytes("".join(json.dumps(row) + "\n" for row in rows).encode())
    else:
        stream = io.StringIO()
        writer = csv.writer(stream, delimiter="," if kind == "csv" else "\t")
        writer.writerows([("user", "item"), *events])
        file.write_bytes(stream.getvalue().encode())
    return Files("table", file, None)


def added(files: Files, cache: Path) -> Dataset:
    """Add data; a file that can be read in two ways as its refusal says."""
    try:
        return add("mine", files, cache, lambda _: None)
    except DataError as error:
        if not str(error).endswith("if they stand around fields, --quotes double"):
            raise
    return add("mine", replace(files, written=Written(quotes="double")), cache, lambda _: None)


def _holding(kind: str) -> Callable[[str], bool]:
    """Return what tells whether an id can stand in such a file: atomic ones have no quotes."""
    return lambda raw: kind != "inter" or not set(raw) & set("\t\r\n")


def content(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.mark.parametrize("kind", ["csv", "tsv", "parquet", "jsonl", "inter"])
@settings(max_examples=15, deadline=None)
@example(items=ODD, users=ODD)
@example(items=["\n\t"], users=[])  # quoted, each of its lines has all fields of a tsv
@given(items=st.lists(ANY, max_size=8, unique=True), users=st.lists(ANY, max_size=3, unique=True))
def test_ids_come_back_from_an_export_and_from_its_import(kind, items, users):
    # Of texts that are all numbers the ids are numbers: these are none, and longer than ANY.
    items = [*filter(_holding(kind), items), "no number", "nor this", "nor that", "nor more"]
    users = [*filter(_holding(kind), users), "somebody"]
    events = [(user, item) for user in users for item in items]
    with TemporaryDirectory() as place:
        folder = Path(place)
        made = added(write(folder, kind, events), folder / "cache")
        export(make_split(made, protocol("next-item")), folder / "one")
        rows = (folder / "one/test.jsonl").read_bytes().decode().removesuffix("\n").split("\n")
        wanted = {"history": items[:-1][-10:], "target": items[-1]}
        assert [json.loads(row) for row in rows] == [wanted] * len(users)
        again = import_split("two", folder / "one", "rows", folder / "cache", lambda _: None)
        export(make_split(again, protocol("released")), folder / "two")
        assert content(folder / "one") == content(folder / "two")
        assert set(again.catalogue.raw_ids.tolist()) == set(items)


@pytest.mark.parametrize("kind", ["csv", "tsv", "parquet", "jsonl", "inter"])
def test_texts_that_look_like_integers_stay_texts_where_the_file_tells(tmp_path, kind):
    events = [(user, item) for user in ("7", "8") for item in ("1", "2", "30", "4")]
    made = add("mine", write(tmp_path, kind, events), tmp_path / "cache", lambda _: None)
    wanted = ["1", "2", "30", "4"] if kind in ("parquet", "jsonl") else [1, 2, 4, 30]
    assert made.catalogue.raw_ids.tolist() == wanted


@pytest.mark.parametrize(
    ("ids", "wanted"),
    [([2, 1, 30], [1, 2, 30]), ([2**70, 1, -1], ["-1", "1", str(2**70)])],
    ids=["integers", "beyond 64 bits"],
)
def test_integers_of_json_are_integers_where_64_bits_hold_them(tmp_path, ids, wanted):
    rows = [json.dumps({"user": user, "item": item}) for user in (7, 8) for item in ids]
    (tmp_path / "e.jsonl").write_text("\n".join(rows))
    files = Files("table", tmp_path / "e.jsonl", None)
    made = add("mine", files, tmp_path / "cache", lambda _: None)
    assert made.catalogue.raw_ids.tolist() == wanted


def test_ids_come_back_from_a_pack(tmp_path):
    catalogue = make_catalogue(np.array(ODD, dtype=object), [f"title {i}" for i in range(len(ODD))])
    candidates = np.arange(len(ODD), dtype=np.int32).reshape(1, 1, -1)
    pack = make_pack(candidates, np.zeros((1, 1), dtype=np.int16), 0, catalogue)
    save(pack, catalogue, tmp_path / "pack.parquet")
    (written,) = pq.read_table(tmp_path / "pack.parquet")["candidates"].to_pylist()
    assert written == catalogue.raw_ids.tolist() == sorted(ODD)
    assert load(tmp_path / "pack.parquet", catalogue).hash == pack.hash
