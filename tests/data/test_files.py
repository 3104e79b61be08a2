"""Files as blocks of UTF-8: nothing is lost where two blocks meet."""

import gzip
import re
import tracemalloc
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recbench.data.own import add
from recbench.data.own_files import Files
from recbench.data.readers import files
from recbench.data.readers.files import UndecodableError, arrow_stream, content, encoding_of, lines
from recbench.errors import DataError

TEXTS = st.lists(st.sampled_from(["a", "é", "\n", "\r\n", "\r", " ", "\t", "::", ":", "𝄞"])).map(
    "".join
)


def cut(whole: bytes, places: list[int]) -> list[bytes]:
    """Cut bytes in two or more blocks, none of them empty."""
    ends = sorted({at % (len(whole) + 1) for at in places} | {0, len(whole)})
    return [whole[start:end] for start, end in pairwise(ends)]


@given(TEXTS, st.lists(st.integers(0, 100)))
def test_blocks_may_end_anywhere(text, places):
    sound = text.encode()
    for encoding in ("utf-16", "utf-8-sig", "gb18030", "utf-32-be"):
        recoded = files._recoded(cut(text.encode(encoding), places), encoding, Path("file"))
        assert b"".join(recoded) == sound
    shown = b"".join(files._separated(cut(sound, places), "::", Path("file")))
    assert shown == sound.replace(b"::", b"\x1f")
    assert b"".join(files._trimmed(cut(sound, places))) == b"".join(files._trimmed([sound]))


@given(TEXTS, st.sampled_from(["", "\n", "\n\n", "\r\n", "\n \r\n", " ", "\n  "]))
def test_only_blank_last_lines_are_left_out(text, end):
    whole = f"{text}x{end}".encode()
    (trimmed,) = [b"".join(files._trimmed([whole]))]
    rest = whole.removeprefix(trimmed)
    assert whole.startswith(trimmed)
    assert not rest.strip(b" \r\n")
    assert trimmed.splitlines() == [
        *f"{text}x".encode().splitlines()[:-1],
        trimmed.splitlines()[-1],
    ]
    assert len(trimmed.splitlines()[-1].rstrip(b" ")) > 0


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize(
    ("encoding", "broken"),
    [("utf-16-le", b"\x00\xd8"), ("cp1252", b"\x81"), ("ascii", b"\xe9"), ("euc_kr", b"\xff")],
)
def test_the_line_that_cannot_be_decoded_is_named(tmp_path, encoding, broken, place):
    sound = ["one\n", "two\n", "three\n"]
    whole = [line.encode(encoding) for line in sound]
    whole[place] = broken + whole[place]
    file = tmp_path / "file"
    for written in (b"".join(whole), gzip.compress(b"".join(whole))):
        file.write_bytes(written)
        with pytest.raises(UndecodableError, match=f"line {place + 1}: expected {encoding} text"):
            list(lines(file, encoding))
        with pytest.raises(UndecodableError, match=f"line {place + 1}: expected"):
            content(file, encoding)


def test_a_text_that_ends_within_a_character_is_refused(tmp_path):
    file = tmp_path / "file"
    file.write_bytes("one\ntwo".encode("utf-16-le")[:-1])
    with pytest.raises(UndecodableError, match="line 2: expected utf-16-le text"):
        list(lines(file, "utf-16-le"))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig"])
def test_a_byte_order_mark_tells_the_encoding_whatever_was_named(tmp_path, encoding):
    file = tmp_path / "file"
    file.write_bytes(gzip.compress("né\n".encode(encoding)))
    found = encoding_of(file, "latin-1")
    assert content(file, found) == "né\n"
    assert [line.removeprefix(b"\xef\xbb\xbf") for _, line in lines(file, found)] == [
        "né\n".encode()
    ]
    file.write_bytes(b"plain\n")
    assert encoding_of(file) == "utf8"
    assert encoding_of(file, "latin-1") == "latin-1"


def test_what_stands_in_for_a_longer_separator_may_not_occur(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"a::b\nc\x1f::d\n")
    with pytest.raises(DataError, match=r"line 2: expected no character U\+001F .* '::'"):
        arrow_stream(file, separator="::").read1()


@given(st.lists(st.text(alphabet="a \r\n", max_size=6).map(str.encode), max_size=6))
def test_spaces_are_squeezed_alike_wherever_blocks_end(blocks):
    whole = b"".join(files._squeezed(blocks))
    lines = re.split(rb"([\r\n])", b"".join(blocks))
    assert whole == b"".join(re.sub(rb" +", b" ", line).strip(b" ") for line in lines)


BOMBS = {"blank": b"\n", "spaces": b" ", "rows": b"1,2\n", "line": b"x"}


@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS)
def test_a_bomb_is_stopped_before_it_is_in_memory(tmp_path, text):
    file = tmp_path / "e.csv.gz"
    file.write_bytes(gzip.compress(b"user,item\n" + text * ((64 << 20) // len(text))))
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=r"e\.csv\.gz is refused: it unpacks to more than 100"):
            add("mine", Files("table", file, None), tmp_path / "cache", lambda _: None)
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()


def test_a_small_parquet_file_holds_no_millions_of_rows(tmp_path):
    file, rows = tmp_path / "e.parquet", 8_000_000
    column = pa.array(np.zeros(rows, np.int8))
    pq.write_table(pa.table({"user": column, "item": column}), file)
    assert file.stat().st_size < 1 << 16
    with pytest.raises(DataError, match=r"e\.parquet is refused: 8,000,000 rows"):
        add("mine", Files("table", file, None), tmp_path / "cache", lambda _: None)
