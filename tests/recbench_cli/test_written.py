"""Files as people write them: read right, or refused with a remedy that works."""

import gzip
import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recbench.data.prepare import prepare
from recbench_cli import main as cli

EVENTS = [("ann", "é1", 4, 100), ("bob", "b", 3, 50), ("ann", "b", 5, 70)]
GOODS = [("é1", "Lämp, A|B"), ("b", "Dish")]
NAMES = {"columns": ("user", "item", "rating", "time"), "items": ("item", "title")}


@pytest.fixture
def add(capsys, tmp_path, monkeypatch):
    """
    Add files in an empty folder; return the error, or the dataset.

    What was added is read a second time, from the files by what the card says of them.
    """
    monkeypatch.chdir(tmp_path)
    cache = tmp_path / "cache"
    monkeypatch.setenv("RECBENCH_CACHE", str(cache))

    def run(*arguments):
        with pytest.raises(SystemExit) as left:
            cli.main(["data", "add", "mine", *arguments])
        shown = capsys.readouterr()
        if left.value.code:
            assert (left.value.code, shown.out) == (2, "")
            said = shown.err.splitlines()[-1]
            assert said.startswith("error: ")
            assert not [path for path in cache.rglob("*") if path.is_file()]
            return said.removeprefix("error: ").replace(f"{tmp_path}/", "")
        made = prepare("mine", cache, None, lambda _: None)
        shutil.rmtree(cache / "datasets")
        assert prepare("mine", cache, None, lambda _: None).digest == made.digest
        shutil.rmtree(cache)
        return made

    return run


def text(rows, separator, names=()):
    return "".join(separator.join(map(str, row)) + "\n" for row in [names, *rows] if row)


def write(name, content, encoding="utf-8"):
    data = content if isinstance(content, bytes) else content.encode(encoding)
    Path(name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)


def right(made):
    titles = dict(zip(made.catalogue.raw_ids.tolist(), made.catalogue.titles, strict=True))
    return (
        titles == dict(GOODS)
        and made.times.tolist() == [100, 50, 70]
        and made.ratings.tolist() == [4, 3, 5]
        and made.catalogue.raw_ids[made.items].tolist() == ["é1", "b", "b"]
    )


@pytest.mark.parametrize("end", [".csv", ".tsv", ".txt", ".dat", ".data", ".csv.gz", ".TXT"])
@pytest.mark.parametrize("separator", ["\t", ";", "::"])
def test_separators_are_found_whatever_the_name_of_the_file_says(add, end, separator):
    write(f"e{end}", text(EVENTS, separator, NAMES["columns"]))
    write(f"i{end}", text(GOODS, separator, NAMES["items"]))
    assert right(add("--interactions", f"e{end}", "--items", f"i{end}"))


@pytest.mark.parametrize("end", [".csv", ".txt"])
@pytest.mark.parametrize("separator", ["^", "<>", "¦", "~~", "space"])
def test_a_separator_that_is_not_found_is_named_as_the_message_says(add, end, separator):
    between = " " if separator == "space" else separator
    goods = [("é1", "Lämp,A|B"), ("b", "Dish")]
    write(f"e{end}", text(EVENTS, between, NAMES["columns"]))
    write(f"i{end}", text(goods, between, NAMES["items"]))
    files = ("--interactions", f"e{end}", "--items", f"i{end}")
    if (end, separator) != (".txt", "space"):
        said = add(*files)
        assert said.startswith(f"e{end}, line 1: expected ")
        assert "--separator" in said
        assert "-column" not in said
    made = add(*files, "--separator", separator)
    assert made.catalogue.titles == ("Dish", "Lämp,A|B")
    assert made.times.tolist() == [100, 50, 70]


def test_the_two_files_may_have_two_separators(add):
    write("e.csv", text(EVENTS, ";", NAMES["columns"]))
    write("i.csv", text(GOODS, "^", NAMES["items"]))
    files = ("--interactions", "e.csv", "--items", "i.csv")
    assert "i.csv, line 1: expected a column 'item' with the ids of the items" in add(*files)
    assert right(add(*files, "--separator", "^"))
    assert "name what stands between fields, as --separator" in add(*files, "--separator", "~")
    assert "'~' splits line 1 of no file" in add(*files[:2], "--separator", "~")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "utf-32"])
@pytest.mark.parametrize("end", [".csv", ".txt", ".csv.gz"])
def test_a_byte_order_mark_tells_the_encoding(add, encoding, end):
    write(f"e{end}", text(EVENTS, "\t", NAMES["columns"]), encoding)
    write(f"i{end}", text(GOODS, "::", NAMES["items"]), encoding)
    assert right(add("--interactions", f"e{end}", "--items", f"i{end}"))


@pytest.mark.parametrize(
    ("of_events", "of_goods", "option"),
    [
        ("latin-1", "latin-1", "latin-1"),
        ("cp1252", "cp1252", "CP1252"),
        ("utf-8", "latin-1", "utf-8/latin-1"),
        ("latin-1", "utf-8", "latin-1/utf-8"),
        ("latin-1", "utf-16", "latin-1"),  # the mark of the other file counts
        ("utf-16-le", "utf-16-le", "utf-16-le"),
    ],
)
@pytest.mark.parametrize("end", [".csv", ".jsonl"])
def test_another_encoding_is_refused_and_named_as_the_message_says(
    add, end, of_events, of_goods, option
):
    for name, rows, names, encoding in (
        ("e", EVENTS, NAMES["columns"], of_events),
        ("i", GOODS, NAMES["items"], of_goods),
    ):
        objects = [
            json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False) for row in rows
        ]
        lines = text(rows, ";", names) if end == ".csv" else "\n".join(objects)
        write(f"{name}{end}", lines, encoding)
    files = ("--interactions", f"e{end}", "--items", f"i{end}")
    said = add(*files)
    assert "line 1: " in said or "line 2: " in said
    assert "--encoding" in said or end == ".jsonl"
    assert right(add(*files, "--encoding", option))


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("end", [".dat", ".json", ".jsonl"])
def test_text_of_two_bytes_a_character_without_a_mark_is_refused(add, encoding, end):
    rows = '{"user": "a", "item": 2}\n{"user": "b", "item": 4}\n'
    write(f"e{end}", "a;2\nb;4\n" if end == ".dat" else rows, encoding)
    options = ("--interactions", f"e{end}", *(("--columns", "user,item") if end == ".dat" else ()))
    assert f"--encoding {encoding}" in add(*options)
    made = add(*options, "--encoding", encoding)
    assert made.catalogue.raw_ids.tolist() == [2, 4]


def test_files_without_a_line_of_names(add):
    write("r.dat", text(EVENTS, "::"), "latin-1")
    write("m.dat", text([(*row, "x|y") for row in GOODS], "::"), "latin-1")
    files = ("--interactions", "r.dat", "--items", "m.dat", "--encoding", "latin-1")
    said = add(*files)
    assert "no column is recognised as the user or the item ('ann', 'é1', '4', '100')" in said
    assert "--columns user,item,..." in said
    named = (*files, "--columns", "user,item,rating,time")
    assert "--item-columns item,title,..." in add(*named)
    assert right(add(*named, "--item-columns", "item, title, genres"))
    assert right(
        add(
            *files,
            "--columns",
            "a,b,c,d",
            "--user-column",
            "a",
            "--item-column",
            "b",
            "--rating-column",
            "c",
            "--time-column",
            "d",
            "--item-columns",
            "b,title,x",
        )
    )
    assert "expected 3 fields with '::' between them, found 4" in add(
        *files, "--columns", "user,item,x"
    )


def test_a_line_of_names_is_no_row(add):
    write("e.csv", text(EVENTS, ",", NAMES["columns"]))
    said = add("--interactions", "e.csv", "--columns", "user,item,rating,time")
    assert "line 1: expected values, found the names of columns" in said


@pytest.mark.parametrize("end", [".json", ".json.gz"])
@pytest.mark.parametrize("shape", ["array", "indented", "lines"])
def test_json_is_an_array_or_an_object_a_line(add, end, shape):
    for name, rows, names in (("e", EVENTS, NAMES["columns"]), ("i", GOODS, NAMES["items"])):
        objects = [dict(zip(names, row, strict=True)) for row in rows]
        lines = "\n".join(map(json.dumps, objects)) + "\n\n"
        whole = json.dumps(objects, indent=2 if shape == "indented" else None)
        write(f"{name}{end}", lines if shape == "lines" else whole + "\n \n")
    assert right(add("--interactions", f"e{end}", "--items", f"i{end}"))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('{"data": [{"user": 1, "item": 2}]}', "line 1: found one object of lists or objects"),
        ('{"count": 1, "data": [{"user": 1, "item": 2}]}', "line 1: found one object of lists"),
        ('{"user": {"0": 1}, "item": {"0": 2}}', "to_json(orient='records')"),
        ('{\n"user": 1,\n"item": 2\n}', "line 1: expected a JSON object"),
        ('[{"user": 1, "item": 2}', "found the end of the file"),
        ('[{"user": 1, "item": 2}] []', "found '[]'"),
        ('[{"user": 1, "item": 2},\n {"user": 1}\n]', "line 2, object 2: expected an id as item"),
        ('[{"user": 1, "item": 2},\n\n]', "line 3, object 2: expected a JSON object"),
        ("[1]", "line 1, object 1: expected a JSON object, found 1"),
        ("[]", "expected an object, found the end of the file"),
        ("", "expected an object, found the end of the file"),
        ("user,item\n1,2\n", "a .json file holds one array of objects"),
        ("[" * 100_000, "maximum recursion depth"),
    ],
)
def test_json_of_another_shape_is_refused(add, content, expected):
    write("e.json", content)
    assert expected in add("--interactions", "e.json")


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (("--separator", ";"), "--separator is of a text file, and there is none"),
        (("--encoding", "latin-1"), "--encoding is of a text file, and there is none"),
        (("--quotes", "none"), "--quotes is of a text file, and there is none"),
        (("--columns", "user,item"), "--columns is of a text file, and there is none"),
        (("--item-columns", "item"), "--item-columns is of a text file, and there is none"),
        (("--separator", "tabb"), "did you mean 'tab'"),
        (("--encoding", "latn-1"), "did you mean 'latin-1'"),
        (("--columns", ""), "--columns must be names with commas between them"),
    ],
)
def test_an_option_that_cannot_help_is_refused(add, option, said):
    pq.write_table(pa.table({"user": [1], "item": [2]}), "e.parquet")
    assert said in add("--interactions", "e.parquet", *option)


def test_atomic_files_written_with_other_settings_of_recbole(add):
    Path("game").mkdir()
    write(
        "game/game.inter",
        text(EVENTS, ";", ("user_id:token", "item_id:token", "rating:float", "time:float")),
        "latin-1",
    )
    write("game/game.item", text(GOODS, ";", ("item_id:token", "title:token_seq")), "latin-1")
    folder = ("--recbole", "game")
    assert "found one field" in add(*folder, "--encoding", "latin-1")
    assert "expected utf8 text" in add(*folder, "--separator", ";")
    assert right(add(*folder, "--separator", ";", "--encoding", "latin-1"))
    assert "leave out the list of names" in add(*folder, "--columns", "a,b")


@pytest.mark.parametrize(
    "times",
    [
        ("1283900000", "1.2839e9", "1283900001"),
        ("1.2839e9", "1283900000", "1.283900001E+09"),
        ("1283900000.0", "1.2839e9", "1283900001"),
    ],
)
def test_scientific_notation_is_a_number(add, times):
    rows = [(user, item, "4e0", time) for (user, item, *_), time in zip(EVENTS, times, strict=True)]
    write("e.csv", text(rows, ",", NAMES["columns"]))
    objects = (f'{{"user":"{u}","item":"{i}","rating":{r},"time":{t}}}\n' for u, i, r, t in rows)
    write("e.jsonl", "".join(objects))
    objects = (f'{{"user":"{u}","item":"{i}","rating":{r},"time":"{t}"}}\n' for u, i, r, t in rows)
    write("text.jsonl", "".join(objects))
    for file in ("e.csv", "e.jsonl", "text.jsonl"):
        made = add("--interactions", file)
        assert made.times.tolist() == [1283900000, 1283900000, 1283900001]
        assert made.ratings.tolist() == [4, 4, 4]


@pytest.mark.parametrize("end", ["csv", "jsonl"])
def test_times_that_a_float_would_merge_are_refused(add, end):
    times = ("1283900000123456789", "1.5")
    rows = {
        "csv": "user,item,time\n" + "".join(f"1,2,{time}\n" for time in times),
        "jsonl": "".join(f'{{"user":1,"item":2,"time":{time}}}\n' for time in times),
    }
    write(f"e.{end}", rows[end])
    said = add("--interactions", f"e.{end}")
    assert said.startswith(f"e.{end}, line ")


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
@pytest.mark.parametrize(
    ("line", "separator"), [("sep=;", ";"), ('"sep=^"', "^"), ("sep=\t", "\t")]
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_line_in_which_excel_names_the_separator(add, end, line, separator, encoding):
    def put(name, rows, names=()):
        lines = f"{line}\n{text(rows, separator, names)}"
        write(name, lines.replace("\n", end), encoding)

    put("e.csv", EVENTS, NAMES["columns"])
    put("i.csv", GOODS, NAMES["items"])
    assert right(add("--interactions", "e.csv", "--items", "i.csv"))
    put("e.csv", EVENTS)
    named = ("--interactions", "e.csv", "--columns", "user,item,rating,time")
    assert right(add(*named, "--items", "i.csv"))
    put("e.csv", [*EVENTS, ("ann", "b", 1, "noon")], NAMES["columns"])
    assert "e.csv, line 6: expected a number as time" in add("--interactions", "e.csv")
    put("e.csv", [])
    said = "e.csv, line 2: expected a line with the names of the columns, found none"
    assert add("--interactions", "e.csv") == said


@pytest.mark.parametrize("end", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("time", ["31.01.2024 18:30", "1/31/2024", "Jan 31, 2024", "1,000", "noon"])
def test_a_time_that_is_none_is_met_with_those_that_are(add, end, time):
    write("e.csv", f'user,item,time\nann,b,"{time}"\n')
    write("e.jsonl", json.dumps({"user": "ann", "item": "b", "time": time}))
    pq.write_table(pa.table({"user": ["ann"], "item": ["b"], "time": [time]}), "e.parquet")
    said = add("--interactions", f"e.{end}")
    expected = "times that are all numbers or all dates (2024-01-31 or 2024-01-31T18:30:00) as time"
    assert said.endswith(f": expected {expected}, found {time!r}")


@pytest.mark.parametrize("other", ["e\u03011", "é１"])  # decomposed, and of full width
def test_ids_that_look_alike_are_told_apart(add, other):
    write("e.csv", "user,item\nann,é1\n")
    write("i.csv", f"item,title\n{other},Lamp\n")
    said = add("--interactions", "e.csv", "--items", "i.csv")
    assert "they differ in how Unicode writes the same characters" in said


@pytest.mark.parametrize("end", ["csv", "csv.gz", "json", "jsonl", "inter"])
@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (b"PK\x03\x04\x14\x00\x06", "a workbook or an archive; save its table as CSV"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a workbook; save its table as CSV"),
        (b"PAR1\x15\x04", "a Parquet file; let its name end in .parquet"),
        (b"SQLite format 3\0", "a database; save its table as CSV"),
        (b"BZh91AY&SY", "a bzip2 file; unpack it"),
        (b"\x28\xb5\x2f\xfd\x04", "a Zstandard file; unpack it"),
        (b"\xfd7zXZ\0\0", "an xz file; unpack it"),
    ],
)
def test_what_is_no_text_is_told_by_its_start(add, end, start, kind):
    Path("game").mkdir()
    write(f"game/game.{end}", start + b"\x08\0\0\0!\0\xff\n" * 99)
    files = ("--recbole", "game") if end == "inter" else ("--interactions", f"game/game.{end}")
    expected = f"game/game.{end}: expected text, found {kind}"
    assert add(*files) == expected
    assert add(*files, "--encoding", "latin-1") == expected


@pytest.mark.parametrize(
    ("titles", "line"),
    [
        (('"Weird Al" Yankovic', "Duran"), 2),
        (("Duran", '"Open'), 3),
        (('"Open', 'Close"'), 2),  # one row over two lines, if its quotes were marks
        (("Duran", '12"', '"Open', 'Close"', "Lamp"), 4),
        (("Duran", '"Open', 'Close"'), 3),
        (("Duran", '"Open', "Lamp", 'Close"'), 3),
    ],
)
def test_quotes_that_may_be_characters_are_named_as_the_message_says(add, titles, line):
    ids = range(len(titles))
    goods = [(item, "x", title, "y") for item, title in zip(ids, titles, strict=True)]
    write("e.csv", text([("ann", item) for item in ids], ",", ("user", "item")))
    write("i.tsv", text(goods, "\t", ("item", "x", "title", "y")))
    files = ("--interactions", "e.csv", "--items", "i.tsv")
    said = add(*files)
    assert said.startswith(f"i.tsv, line {line}: expected ")
    assert "say --quotes none" in said
    if "double" not in said:
        assert said == add(*files, "--quotes", "double")
    assert add(*files, "--quotes", "none").catalogue.titles == titles


def test_quotes_that_go_on_in_the_next_line_are_named_as_the_message_says(add):
    write("e.csv", "user,item\nann,1\n")
    write("i.tsv", 'item\ttitle\n1\t"two\nlines\tone tab"\n')
    files = ("--interactions", "e.csv", "--items", "i.tsv")
    assert "--quotes double" in add(*files)
    assert add(*files, "--quotes", "double").catalogue.titles == ("two lines one tab",)
    write("i.tsv", 'item\ttitle\n1\t"two\nlines"\n')
    assert add(*files).catalogue.titles == ("two lines",)
    write("i.tsv", 'item\ttitle\n1\t"Open\none\n')
    assert add(*files).endswith("unexpected end of data")  # no option helps


ALIGNED = (
    "  user  item   rating time\n   ann    é1        4  100 \n"
    "   bob     b        3   50\n   ann     b        5   70   \n   \n"
)


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("options", [(), ("--separator", "space"), ("--separator", "spaces")])
def test_columns_may_be_aligned_by_spaces(add, line_end, options):
    goods = "item   title\né1  Lämp,A|B \n b     Dish\n"
    for end in ("txt", "csv"):
        write(f"e.{end}", ALIGNED.replace("\n", line_end))
        write(f"i.{end}", goods.replace("\n", line_end))
        files = ("--interactions", f"e.{end}", "--items", f"i.{end}")
        if end == "csv" and not options:
            assert "as --separator" in add(*files)
            continue
        made = add(*files, *options)
        assert made.catalogue.titles == ("Dish", "Lämp,A|B")
        assert made.times.tolist() == [100, 50, 70]
    write("e.txt", ALIGNED.split("\n", 1)[1])
    made = add("--interactions", "e.txt", "--columns", "user,item,rating,time", *options)
    assert made.times.tolist() == [100, 50, 70]
    write("e.txt", ALIGNED.replace(" 50", "noon").replace("\n", line_end))
    assert add("--interactions", "e.txt", *options).startswith("e.txt, line 3: expected a number")


def test_one_space_is_taken_before_many(add):
    write("e.txt", "user item note time\nann b x 5\nbob b  7\n")
    assert add("--interactions", "e.txt").times.tolist() == [5, 7]
    said = add("--interactions", "e.txt", "--separator", "spaces")
    assert said == "e.txt, line 3: expected 4 fields with ' +' between them, found 3"


def test_how_files_are_written_is_shown_as_far_as_it_was_said(call_here, tmp_path):
    write(str(tmp_path / "e.tsv"), text(EVENTS, "\t", NAMES["columns"]))
    write(str(tmp_path / "i.jsonl"), '{"item": "b"}\n')
    files = ("--interactions", str(tmp_path / "e.tsv"), "--items", str(tmp_path / "i.jsonl"))
    assert call_here("data", "add", "mine", *files, "--quotes", "none")[0] == 0
    shown = " ".join(call_here("data", "show", "mine")[1].split())
    assert "written separator '\\t'; encoding utf8; quotes none; items_written encoding" in shown
