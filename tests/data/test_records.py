"""Records: parsed as Python and JSON parse them, never evaluated, never slow."""

import ast
import json
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from recbench.data.readers import records as module
from recbench.data.readers.records import Coder, records, text_of
from recbench.errors import DataError

FIELDS = ("a", "b")
TEXTS = st.text(st.characters(codec="utf-8"), max_size=8)
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
SCALARS = TEXTS | NUMBERS | st.booleans() | st.none()
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
RECORDS = st.dictionaries(st.sampled_from(FIELDS) | TEXTS, VALUES, max_size=5)


def read(line: str):
    return module._record(line, FIELDS)


def wanted(record: dict) -> dict:
    return {field: record[field] for field in FIELDS if field in record}


@settings(deadline=None)
@given(RECORDS)
def test_what_python_and_json_write_is_read(record):
    assert read(repr(record)) == wanted(record)
    assert read(json.dumps(record)) == wanted(record)
    assert read(json.dumps(record, ensure_ascii=False)) == wanted(record)


@settings(deadline=None)
@example("{'a': '\n'}")
@given(st.text("{}[]'\"\\u:, ab1.-eTrueNon\n", max_size=30).map(lambda text: "{'a': " + text + "}"))
def test_nothing_is_read_that_python_would_not_read_so(line):
    """The fast shape is never more lenient than Python's own parser."""
    found = module._pattern(FIELDS).fullmatch(line)
    if found:
        assert read(line) == wanted(ast.literal_eval(line))


@pytest.mark.parametrize(
    ("line", "record"),
    [
        ("{u'a': u'x', 'b': 1}", {"a": "x", "b": 1}),
        ("{'c': {'a': 1}, 'a': 2}", {"a": 2}),
        ("{'c': \"'a': 1\", 'b': 2}", {"b": 2}),
        ("{'a': 1, 'a': 2}", {"a": 2}),
        (r"{'a': 'it\'s \u2019 \x41'}", {"a": "it's ’ A"}),
        (r"{'a': '\d'}", {"a": r"\d"}),
        (r'{"a": "\/"}', {"a": "/"}),
        ('{"a": true, "b": null}', {"a": True, "b": None}),
        ("{}", {}),
        ("{'a':1,'b':2}", {"a": 1, "b": 2}),
        ("{'a': (1, 2)}", {"a": (1, 2)}),
        ("{'a': [[[[[[1]]]]]]}", {"a": [[[[[[1]]]]]]}),
    ],
)
def test_shapes_usual_and_unusual(line, record):
    assert read(line) == record


@pytest.mark.parametrize(
    "line",
    [
        *("", "x", "[1]", "'a'", "{'a'}", "{'a': 1", "{'a': }", "{'a' 1}", "1", "None"),
        *("{'a': __import__('os').system('true')}", "{'a': 1 + 1}", "{'a': nan}", "{'a': x}"),
        *("{'a': 1'b': 2}", "{'a': 1 'b': 2}", "{'a': [1 2]}", "{, 'a': 1}", "{'a': [1, 'b': 2}"),
        *("{'a': 'x}", "{'a': 1} {'a': 2}", "{'a': " + "[" * 5000, "{'a': 'x\x00'", "{'a': 007}"),
    ],
    ids=lambda line: line[:20],
)
def test_no_record(tmp_path, line):
    file = tmp_path / "file"
    file.write_text("{'a': 1}\n" + line + "\n{'a': 2}\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"file, line 2: expected a record, found") as caught:
        list(records(file, FIELDS))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["{'a': 'b', ", "{'a': [", "{'a': '\\'", "'a': ", "{'a': {'b': [1, "]
)
def test_a_hostile_line_takes_linear_time(text):
    started = time.process_time()
    assert module._pattern(FIELDS).fullmatch(text * 20_000) is None
    assert time.process_time() - started < 2


def test_line_ends_marks_and_an_end_without_one(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"\xef\xbb\xbf{'a': 1}\r\n{'a': 2}")
    assert list(records(file, FIELDS)) == [(1, {"a": 1}), (2, {"a": 2})]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "line 1: expected a record, found the end"),
        (b"{'a': '\xff'}", "line 1: expected utf8"),
    ],
)
def test_broken_files(tmp_path, content, expected):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(DataError, match=expected):
        list(records(tmp_path / "file", FIELDS))


def test_a_line_without_end_is_refused_before_it_fills_the_memory(tmp_path):
    (tmp_path / "file").write_bytes(b"{'a': '" + bytes(17 << 20))
    with pytest.raises(DataError, match="line 1: expected a line of at most 16 MiB"):
        list(records(tmp_path / "file", FIELDS))


def test_texts(tmp_path):
    def text(value):
        return text_of({"a": value}, "a", tmp_path, 7)

    assert text("x") == "x"
    assert text(12) == "12"
    assert text(None) == text_of({}, "a", tmp_path, 7) == ""
    assert text("\ud83d\ude00!") == "😀!"
    assert text("\ud83d!") == "�!"
    for broken in (1.5, True, ["x"], "x\x00"):
        with pytest.raises(DataError, match="line 7: expected text as a, found"):
            text(broken)


@settings(deadline=None)
@given(st.lists(TEXTS.filter(len) | st.integers(-(2**63), 2**63 - 1).map(str)))
def test_a_coder_keeps_every_id(values):
    coder = Coder()
    for value in values:
        coder.add(value)
    column = coder.column()
    assert [str(column[row]) for row in range(len(column))] == values
    assert len(set(column.ids.tolist())) == len(column.ids) == len(set(values))
