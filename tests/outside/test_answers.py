import gzip
import json
import random

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from recbench.errors import DataError
from recbench.evaluation.full_ranking import ranks_among_all
from recbench.evaluation.ranks import target_ranks
from recbench.outside.answers import in_float32, read_answers
from recbench.outside.formats import plain

pytestmark = pytest.mark.honesty


def read(file, sheet):
    return read_answers(file, plain.read(file, sheet), sheet)


def by_id(sheet):
    """Return the scores [rows * draws, C] of the lowest id first, as a model would give them."""
    pack, raw = sheet.question.pack, sheet.question.split.catalogue.raw_ids
    return -raw[pack.candidates.reshape(-1, pack.size)].astype(np.float32)


@pytest.mark.parametrize("draws", [1, 3])
@pytest.mark.parametrize("kind", ["scores", "text"])
@pytest.mark.parametrize("field", ["scores", "object"])
def test_scores_are_put_into_the_order_of_each_draw(sheet, rows_of, write, field, kind, draws):
    made = sheet(kind, draws=1 if kind == "text" else draws)
    found = read(write(rows_of(made, field)), made)
    np.testing.assert_array_equal(found.scores, by_id(made))


def test_a_ranking_ranks_as_scores_do(sheet, rows_of, write):
    made = sheet(draws=3)
    found = read(write(rows_of(made, "ranking")), made)
    target = made.question.pack.target_position.ravel()
    np.testing.assert_array_equal(
        target_ranks(found.scores, target), target_ranks(by_id(made), target)
    )


@pytest.mark.parametrize("top", [0, 1, 5])
def test_what_a_ranking_does_not_name_is_worst_and_tied(sheet, rows_of, write, top):
    made = sheet(draws=3)
    rows = rows_of(made, "ranking")
    for row in rows:
        row["ranking"] = row["ranking"][:top]
    found = read(write(rows), made)
    pack, raw = made.question.pack, made.question.split.catalogue.raw_ids
    target = pack.target_position.ravel()
    ranks = target_ranks(found.scores, target)
    named = {row["key"]: row["ranking"] for row in rows}
    shown = pack.candidates.reshape(-1, pack.size)
    for row, rank in enumerate(ranks.tolist()):
        here = named[made.keys[row // 3]]
        own = raw[shown[row, target[row]]]
        there = sorted(set(raw[shown[row]].tolist()) & set(here))
        assert rank == (there.index(own) + 1 if own in there else pack.size)


@pytest.mark.parametrize("field", ["scores", "object", "ranking"])
def test_a_full_ranking_is_ranked_among_what_is_not_excluded(sheet, rows_of, write, field):
    made = sheet(rule="next-item,candidates=all")
    ranking, raw = made.question.pack, made.question.split.catalogue.raw_ids
    found = read(write(rows_of(made, field)), made)
    rows = np.arange(len(ranking))
    scores = np.broadcast_to(-raw.astype(np.float32), (len(rows), len(raw)))
    np.testing.assert_array_equal(found.rank, ranks_among_all(ranking, rows, scores))


def test_format_and_order_of_a_file_change_nothing(sheet, rows_of, write, tmp_path):
    made = sheet(draws=3)
    rows = rows_of(made)
    table = tmp_path / "answers.parquet"
    parquet.write_table(pa.Table.from_pylist(rows), table)
    packed = tmp_path / "answers.jsonl.gz"
    packed.write_bytes(gzip.compress(write(rows).read_bytes()))
    mixed = random.Random(0).sample(rows, len(rows))
    files = table, packed, write(mixed, "mixed"), write(rows_of(made, "object"), "object")
    assert {read(file, made).digest for file in files} == {read(write(rows), made).digest}


def test_parquet_may_hold_scores_as_a_map_or_a_struct(sheet, rows_of, write, tmp_path):
    made = sheet(draws=3)
    rows = rows_of(made, "object")
    wanted = read(write(rows), made)
    pairs = [{"key": row["key"], "scores": list(row["scores"].items())} for row in rows]
    kinds = pa.schema({"key": pa.string(), "scores": pa.map_(pa.string(), pa.float64())})
    for name, table in (
        ("map", pa.Table.from_pylist(pairs, kinds)),
        ("struct", pa.Table.from_pylist(rows)),
    ):
        parquet.write_table(table, tmp_path / name)
        found = read(tmp_path / name, made)
        assert found.digest == wanted.digest


def test_texts_are_kept_as_written(sheet, rows_of, write):
    made = sheet("text")
    rows = rows_of(made, "text")
    rows[0]["text"], rows[1]["text"], rows[2]["text"] = "", " two\nlines", "half \ud800"
    found = read(write(rows), made)
    by_key = {made.keys[number]: text for number, text in enumerate(found.texts)}
    assert [by_key[row["key"]] for row in rows[:3]] == ["", " two\nlines", "half ?"]
    assert found.scores is None


def test_other_answers_have_another_digest(sheet, rows_of, write):
    made = sheet("text")
    rows = rows_of(made, "text")
    digests = set()
    for text in ("Film 1", "Film 2", ""):
        rows[0]["text"] = text
        digests.add(read(write(rows), made).digest)
    digests |= {read(write(rows_of(made, field)), made).digest for field in ("scores", "ranking")}
    places = rows_of(made, "scores")  # such numbers as a ranking is read into
    for row in places:
        row["scores"] = [1 + sum(one < own for one in row["scores"]) for own in row["scores"]]
    digests.add(read(write(places), made).digest)
    assert len(digests) == 6


def test_a_nought_below_nought_is_a_nought(sheet, rows_of, write):
    made = sheet(draws=3)
    rows = rows_of(made)
    digests = set()
    for nought in (0.0, -0.0, 0):
        rows[0]["scores"][0] = nought
        digests.add(read(write(rows), made).digest)
    assert len(digests) == 1


def first(**changes):
    """Return what changes the first row, by fields."""

    def change(rows):
        rows[0] |= changes
        return rows

    return change


def with_scores(change):
    def changed(rows):
        rows[0]["scores"] = change(rows[0]["scores"])
        return rows

    return changed


SCORES = {
    "missing": (lambda rows: rows[1:], "1 of 60 questions have no answer, the first that of key"),
    "all missing": (lambda _: [], "60 of 60 questions have no answer"),
    "double": (lambda rows: [*rows, rows[4]], "line 61: expected each question once.*at line 5"),
    "foreign": (first(key="0" * 32), "line 1: expected the key of a question, found '000"),
    "no text as key": (first(key=7), "line 1: expected the key of a question, found 7"),
    "list as key": (first(key=[1]), "expected the key of a question"),
    "no key": (first(key=None), "line 1: expected the field key and one of scores, ranking, text"),
    "nothing": (first(scores=None), "expected the field key and one of"),
    "two ways": (first(text="a"), "expected the field key and one of"),
    "another way": (lambda rows: [*rows[:-1], {"key": rows[-1]["key"], "ranking": []}],
                    "line 60: expected scores, as above, found ranking"),
    "text": (lambda rows: [{"key": row["key"], "text": "a"} for row in rows],
             "line 1: expected scores or a ranking, found a text; .*--kind text"),
    "NaN": (with_scores(lambda s: [float("nan"), *s[1:]]), "line 1, key .* numbers, found nan"),
    "infinite": (with_scores(lambda s: [float("-inf"), *s[1:]]), "finite numbers, found -inf"),
    "beyond float64": (with_scores(lambda s: [10**400, *s[1:]]), "finite numbers, found 1000"),
    "null": (with_scores(lambda s: [None, *s[1:]]), "finite numbers, found None"),
    "truth": (with_scores(lambda s: [True, *s[1:]]), "finite numbers, found True"),
    "number as text": (with_scores(lambda s: ["1.5", *s[1:]]), "finite numbers, found '1.5'"),
    "short": (with_scores(lambda s: s[1:]), r"expected \d+ scores, found \d+"),
    "long": (with_scores(lambda s: [*s, 1.0]), r"expected \d+ scores, found \d+"),
    "number": (first(scores=1.0), "expected a list of scores, or an object"),
    "list of lists": (with_scores(lambda s: [[one] for one in s]), "finite numbers"),
    "other candidates": (first(candidates=[1, 2, 3]), "expected the candidates of the question"),
    "no candidates": (first(candidates="abc"), "expected the candidates of the question"),
}  # fmt: skip


@pytest.mark.parametrize("name", SCORES)
def test_broken_scores_are_refused_with_the_row(sheet, rows_of, write, name):
    change, message = SCORES[name]
    made = sheet(draws=3)
    with pytest.raises(DataError, match=rf"answers.jsonl.*{message}") as refused:
        read(write(change(rows_of(made))), made)
    assert "; " in str(refused.value)  # a remedy


def test_candidates_in_another_order_are_refused(sheet, rows_of, write):
    """Else the scores would be those of other items."""
    made = sheet(draws=3)
    rows = rows_of(made)
    ids = made.question.split.catalogue.raw_ids
    for row in rows:
        row["candidates"] = ids[made.shown(made.examples[row["key"]])].tolist()
    read(write(rows), made)
    rows[7]["candidates"].reverse()
    with pytest.raises(DataError, match=r"line 8.*expected the candidates of the question"):
        read(write(rows), made)


OBJECTS = {
    "missing id": (lambda s: s.pop(next(iter(s))), r"a score of every candidate, found none of '"),
    "no candidate": (lambda s: s.update({"x": 1.0}), "expected ids of candidates, found 'x'"),
    "empty id": (lambda s: s.update({"": 1.0}), "expected ids of candidates, found ''"),
    "NaN": (lambda s: s.update({next(iter(s)): float("nan")}), "finite numbers, found nan"),
}


@pytest.mark.parametrize("name", OBJECTS)
def test_a_broken_object_of_scores_is_refused(sheet, rows_of, write, name):
    change, message = OBJECTS[name]
    made = sheet(draws=3)
    rows = rows_of(made, "object")
    change(rows[2]["scores"])
    with pytest.raises(DataError, match=f"line 3, key {rows[2]['key']}: .*{message}"):
        read(write(rows), made)


RANKINGS = {
    "double": (lambda r: [*r, r[0]], "expected each id once, found '.*' twice"),
    "double as text": (lambda r: [*r, str(r[0])], "expected each id once"),
    "no candidate": (lambda r: [*r, 999], "expected ids of candidates, found '999'"),
    "empty": (lambda r: [*r, ""], "expected ids of candidates, found ''"),
    "number": (lambda r: [*r, 1.0], "expected a list of ids"),
    "truth": (lambda r: [*r, True], "expected a list of ids"),
    "null": (lambda r: [*r, None], "expected a list of ids"),
    "text": (lambda r: "1 2 3", "expected a list of ids"),
    "object": (lambda r: {"1": 2}, "expected a list of ids"),
}


@pytest.mark.parametrize("name", RANKINGS)
def test_a_broken_ranking_is_refused(sheet, rows_of, write, name):
    change, message = RANKINGS[name]
    made = sheet(draws=3)
    rows = rows_of(made, "ranking")
    rows[1]["ranking"] = change(rows[1]["ranking"])
    with pytest.raises(DataError, match=f"line 2, key .*{message}"):
        read(write(rows), made)


@pytest.mark.parametrize("value", [1, ["a"], {"a": "b"}, True])
def test_what_is_no_text_is_refused(sheet, rows_of, write, value):
    made = sheet("text")
    rows = rows_of(made, "text")
    rows[3]["text"] = value
    with pytest.raises(DataError, match=r'line 4: expected a text, found .*; write ""'):
        read(write(rows), made)


BYTES = {
    "bad JSON": (b'{"key": \n', "line 1: expected a JSON object, found"),
    "no object": (b"[1]\n", r"line 1: expected a JSON object, found \[1\]"),
    "null": (b"null\n", "line 1: expected a JSON object, found None"),
    "not UTF-8": (b'{"key": "\xff"}\n', "line 1: expected UTF-8 text, found other bytes"),
    "UTF-16": ('{"key": 1}'.encode("utf-16"), "line 1: expected UTF-8 text"),
    "a field twice": (b'{"key": "a", "key": "b"}\n', "names 'key' twice"),
    "an id twice": (b'{"key": "a", "scores": {"1": 1, "1": 2}}\n', "names '1' twice"),
    "deep": (b"[" * 100_000, "line 1: expected a JSON object"),
    "digits": (b'{"key": ' + b"9" * 10_000 + b"}", "line 1: expected a JSON object"),
    "binary": (bytes(range(256)), "line 1: expected"),
    "cut gzip": (gzip.compress(b'{"key": "a"}\n' * 999)[:-20], "sound gzip data"),
    "cut Parquet": (b"PAR1" + bytes(200), "row 1: expected sound Parquet"),
    "only its mark": (b"PAR1", "row 1: expected sound Parquet"),
}


@pytest.mark.parametrize("name", BYTES)
def test_a_broken_file_is_refused_with_the_line(sheet, tmp_path, name):
    content, message = BYTES[name]
    file = tmp_path / "answers.jsonl"
    file.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read(file, sheet())


def test_a_map_that_names_an_id_twice_is_refused(sheet, rows_of, tmp_path):
    made = sheet(draws=3)
    rows = rows_of(made, "object")
    pairs = [{"key": row["key"], "scores": list(row["scores"].items())} for row in rows]
    pairs[0]["scores"].append(pairs[0]["scores"][0])
    kinds = pa.schema({"key": pa.string(), "scores": pa.map_(pa.string(), pa.float64())})
    parquet.write_table(pa.Table.from_pylist(pairs, kinds), tmp_path / "a")
    with pytest.raises(DataError, match="row 1: expected sound Parquet, found a map that names"):
        read(tmp_path / "a", made)


def parquet_of(tmp_path, **columns):
    file = tmp_path / "a.parquet"
    parquet.write_table(pa.table(columns), file, compression="zstd")
    return file


def nested(values, sizes=None):
    ends = np.cumsum([0, *([len(values)] if sizes is None else sizes)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(ends), pa.array(values))


@pytest.mark.parametrize("name", ["scores", "ranking", "candidates"])
def test_a_small_file_that_stands_for_many_values_is_not_read(sheet, tmp_path, name, monkeypatch):
    """A million noughts take a few hundred bytes, and a hundred million of them not many more."""
    made = sheet(draws=3)
    values = np.zeros(1_000_000) if name == "scores" else ["1"] * 1_000_000
    columns = {"key": made.keys[:1], name: nested(values)}
    file = parquet_of(tmp_path, **columns)
    assert file.stat().st_size < 100_000
    monkeypatch.setattr(parquet.ParquetFile, "iter_batches", None)
    with pytest.raises(DataError, match=r"at most 3600 values in a column, found 1000000 in "):
        read(file, made)


def test_a_struct_of_more_ids_than_there_are_items_is_not_read(sheet, tmp_path):
    made = sheet(draws=3)
    scores = {f"x{number}": 0.0 for number in range(len(made.ids) + 10)}
    file = parquet_of(tmp_path, key=made.keys[:1], scores=[scores])
    with pytest.raises(DataError, match=r"at most 88 columns, found 91; write"):
        read(file, made)


def test_what_comes_to_much_more_than_its_file_is_not_read(sheet, tmp_path, monkeypatch):
    made = sheet("text")
    texts = [chr(97 + number % 26) * 1_000_000 for number in range(len(made.keys))]
    file = parquet_of(tmp_path, key=list(made.keys), text=texts)
    assert file.stat().st_size < 1_000_000 / 2
    monkeypatch.setattr(parquet.ParquetFile, "iter_batches", None)
    with pytest.raises(DataError, match=r"it unpacks to more than 100 times its size"):
        read(file, made)


@pytest.mark.parametrize("name", ["text", "ranking"])
def test_one_text_that_stands_for_many_is_not_written_out(sheet, tmp_path, name):
    made = sheet("text")
    count = len(made.keys)
    texts = ["".join(map(str, np.random.default_rng(0).integers(0, 9, 100_000)))] * count
    value = texts if name == "text" else nested(texts, [1] * count)
    file = parquet_of(tmp_path, key=list(made.keys), **{name: value})
    with pytest.raises(DataError, match=r"it unpacks to more than 100 times its size"):
        read(file, made)


HOW = {
    "groups": {"row_group_size": 7},
    "prefixes": {"use_dictionary": False, "column_encoding": {"key": "DELTA_BYTE_ARRAY"}},
    "lengths": {"use_dictionary": False, "column_encoding": {"key": "DELTA_LENGTH_BYTE_ARRAY"}},
    "small dictionaries": {"dictionary_pagesize_limit": 16, "row_group_size": 50},
}
"""How other writers lay out what they write."""


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("field", ["scores", "object", "ranking", "text"])
def test_it_is_read_however_its_bytes_are_laid_out(sheet, rows_of, tmp_path, field, how):
    made = sheet("text" if field == "text" else "scores")
    rows = rows_of(made, field)
    if field == "ranking":  # as texts, which have dictionaries
        rows = [row | {field: [str(one) for one in row[field]]} for row in rows]
    table = pa.Table.from_pylist(rows)
    parquet.write_table(table, tmp_path / "plain.parquet")
    parquet.write_table(table, tmp_path / "a.parquet", **HOW[how])
    own, other = (read(tmp_path / name, made) for name in ("a.parquet", "plain.parquet"))
    assert own.digest == other.digest


@pytest.mark.parametrize("name", ["key", "scores", "candidates"])
def test_a_column_that_is_there_twice_is_refused(sheet, rows_of, tmp_path, name):
    """The last would count, and the first be what somebody looks at."""
    made = sheet(draws=3)
    table = pa.Table.from_pylist(rows_of(made))
    if name == "candidates":
        table = table.append_column(name, table["scores"])
    file = tmp_path / "a.parquet"
    parquet.write_table(table.append_column(name, table[name]), file)
    with pytest.raises(DataError, match=f"row 1: expected each column once, found {name} twice; "):
        read(file, made)


def test_other_columns_of_parquet_may_be_there_twice_and_of_any_size(sheet, rows_of, tmp_path):
    made = sheet(draws=3)
    table = pa.Table.from_pylist(rows_of(made))
    for _ in range(2):
        table = table.append_column("note", pa.array(["x" * 100_000] * len(table)))
    parquet.write_table(table, tmp_path / "a.parquet")
    np.testing.assert_array_equal(read(tmp_path / "a.parquet", made).scores, by_id(made))


def test_empty_lines_and_other_fields_are_passed_over(sheet, rows_of, tmp_path):
    made = sheet(draws=3)
    rows = [json.dumps(row | {"note": {"a": [1]}}) for row in rows_of(made)]
    file = tmp_path / "answers"
    file.write_text("\ufeff" + "\n\n".join(rows) + "\n \n", encoding="utf-8")
    np.testing.assert_array_equal(read(file, made).scores, by_id(made))


@pytest.mark.parametrize(
    ("numbers", "kept"),
    [
        ([0.5, -0.25, 0.5], [0.5, -0.25, 0.5]),
        ([1.0, 1.0 + 1e-12, 0.0], [1, 2, 0]),
        ([1e300, 0.0, 1e301], [1, 0, 2]),
        ([1e-300, 0.0, 0.0], [1, 0, 0]),
        ([3.0], [3.0]),
    ],
)
def test_float32_makes_no_ties(numbers, kept):
    found = in_float32(np.array(numbers))
    assert (found.dtype, found.tolist()) == (np.float32, kept)
