"""`data add`, of files whose columns hold other things than they seem to."""

import json
import shlex

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

NOW = 1_700_000_000
ROWS = [(f"u{u}", f"i{(u + k) % 8}", NOW + 100 * k + u) for k in range(6) for u in range(10)]
TITLES = [f"Thing number {i}, of many things that have a long name" for i in range(8)]


@pytest.fixture
def call(call_inside):
    return call_inside


@pytest.fixture
def add(call, tmp_path):
    """Write a CSV file of the lines and add it as `mine`."""

    def run(header, rows, *options):
        lines = [header, *(",".join(map(str, row)) for row in rows)]
        (tmp_path / "events.csv").write_text("\n".join(lines) + "\n")
        return call("data", "add", "mine", "--interactions", "events.csv", *options)

    return run


@pytest.fixture
def refused(add, call, tmp_path):
    """Add what is to be refused in one line, with nothing left behind; return the line."""

    def run(*arguments, by=None):
        code, out, err = (by or add)(*arguments)
        assert (code, out) == (2, ""), err
        assert err.count("\n") == 1, err
        assert not (tmp_path / "cache").exists()
        return err.removeprefix("error: ").rstrip("\n")

    return run


def show(call, *options):
    return " ".join(call("data", "show", "mine", *options)[1].split())


def finding(call, name):
    found = json.loads(call("data", "doctor", "mine", "--format", "json")[1])
    return next(one for one in found if one["name"] == name)


@pytest.mark.parametrize(
    "name", ["item_id_list", "history", "itemIds", "item_seq", "Sequence", "clicked_movies", "hist"]
)
@pytest.mark.parametrize("value", ["i1 i2", "[1]", "i1|i2", "i1;i2"])
def test_a_column_of_histories_in_text_is_refused(refused, call, name, value):
    said = refused(f"user,{name},item", [("u", "i0", "i1"), ("u", value, "i3")])
    assert f"events.csv: column '{name}' holds several items a row" in said
    assert "are read by recbench data import-splits . --name mine; else leave that" in said
    assert call("data", "import-splits", "--help")[0] == 0


@pytest.mark.parametrize(
    ("row", "column"),
    [
        ({"history": ["a", "b"], "target": "c"}, "history"),
        ({"user": 1, "item": [1, 2]}, "item"),
        ({"user": 1, "item_id": 1, "item_ids": [1, 2]}, "item_ids"),
        ({"user": 1, "things": [1, 2]}, "things"),
    ],
)
@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_a_column_of_lists_is_refused(refused, call, tmp_path, kind, row, column):
    file = tmp_path / f"events.{kind}"
    if kind == "jsonl":
        file.write_text(json.dumps(row) + "\n")
    else:
        pq.write_table(pa.Table.from_pylist([row]), file)
    options = ("--item-column", "things") if column == "things" else ()
    said = refused("data", "add", "mine", "--interactions", file.name, *options, by=call)
    assert f"{file.name}: column '{column}' holds several items a row" in said


def test_ids_that_are_lists_are_refused(refused):
    said = refused("user,item", [("u", '"[1, 2]"'), ("v", '"[2]"')])
    assert "column 'item' holds several items a row" in said


def test_histories_of_recbole_are_refused(refused, call, tmp_path):
    folder = tmp_path / "my data"
    folder.mkdir()
    text = "user_id:token\titem_id_list:token_seq\titem_id:token\nu\ta\tb\n"
    (folder / "my.inter").write_text(text)
    said = refused("data", "add", "mine", "--recbole", "my data", by=call)
    assert "column 'item_id_list' holds several items a row" in said
    assert f"recbench data import-splits {shlex.quote(str(folder))} --name mine; else" in said
    for part in (1, 2, 3):
        (folder / f"my.part{part}.inter").write_text(text)
    (folder / "my.inter").unlink()
    said = refused("data", "add", "mine", "--recbole", "my data", by=call)
    assert "found my.part1.inter, my.part2.inter, my.part3.inter; parts of one split are" in said
    assert f"import-splits {shlex.quote(str(folder))} --name NAME" in said


def test_naming_a_column_of_histories_makes_no_items_of_it(refused):
    said = refused("user,history", [("u", "a b"), ("v", "a")], "--item-column", "history")
    assert "column 'history' holds several items a row" in said


def test_what_only_looks_like_a_history_is_read(add, call, tmp_path):
    def read(said):
        code, out, _ = said
        return code == 0 and out.splitlines()[0].endswith(": 60 interactions, 8 items")

    rows = [(*row, k, "a b", "x") for k, row in enumerate(ROWS)]
    assert read(add("user,item,time,seq,genres,history", rows))
    call("data", "remove", "mine")
    rows = [(user, item.replace("i", "red lamp "), time) for user, item, time in ROWS]
    assert read(add("user,products,time", rows, "--item-column", "products"))
    call("data", "remove", "mine")
    folder = tmp_path / "my"
    folder.mkdir()
    lines = [f"{user}\t{item}\tdrama comedy" for user, item, _ in ROWS]
    header = "user_id:token\titem_id:token\tclass:token_seq\n"
    (folder / "my.inter").write_text(header + "\n".join(lines) + "\n")
    items = [f"i{i}\t{title}\tdrama comedy" for i, title in enumerate(TITLES)]
    header = "item_id:token\ttitle:token_seq\tclass:token_seq\n"
    (folder / "my.item").write_text(header + "\n".join(items) + "\n")
    assert read(call("data", "add", "mine", "--recbole", "my"))
    rows = [{"user": u, "item": i, "helpful": [1, 2]} for u, i, _ in ROWS]
    (tmp_path / "e.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert read(call("data", "add", "other", "--interactions", "e.jsonl"))


@pytest.mark.parametrize("key", ["id", "_id", "ID", "index", "Unnamed: 0", ""])
def test_a_key_of_rows_is_no_item(refused, add, key):
    rows = [(k, *row) for k, row in enumerate(ROWS)]
    said = refused(f"{key},user,goods,time", rows)
    assert "events.csv: no column is recognised as the item" in said
    assert "name it with --item-column" in said
    code, out, err = add(f"{key},user,goods,time", rows, "--item-column", "goods")
    assert (code, out.splitlines()[0]) == (0, "mine: 60 interactions, 8 items")
    assert "once" not in err


def test_a_column_that_is_named_for_one_thing_is_not_taken_for_another(add):
    rows = [(user, k % 5, time, 4) for k, (user, _, time) in enumerate(ROWS)]
    _, out, err = add("user,rating,date,stars", rows, "--item-column", "rating")
    assert out.startswith("mine: 60 interactions, 5 items")
    assert "item is 'rating', time is 'date', rating is 'stars'" in err


@pytest.mark.parametrize(
    ("header", "options", "said"),
    [
        ("user,time", (), "item ('time'); name it with --item-column"),
        ("user", (), "no column is recognised as the item, and none is left; a table of"),
        ("x", ("--user-column", "x"), "no column is recognised as the item, and none is left"),
        ("x", ("--item-column", "x"), "no column is recognised as the user, and none is left"),
        (
            "user,item",
            ("--time-column", "item"),
            "no column is recognised as the item, and none is left",
        ),
    ],
)
def test_a_remedy_names_no_option_that_cannot_help(refused, header, options, said):
    rows = [row[: header.count(",") + 1] for row in ROWS]
    assert said in refused(header, rows, *options)


@pytest.mark.parametrize("key", ["id", "_id"])
def test_a_key_of_the_item_table_is_one(add, tmp_path, key):
    lines = [f'i{i},"{title}"' for i, title in enumerate(TITLES)]
    (tmp_path / "goods.csv").write_text(f"{key},title\n" + "\n".join(lines) + "\n")
    code, _, err = add("user,item,time", ROWS, "--items", "goods.csv")
    assert code == 0
    assert err.count("\n") == 1


@pytest.mark.parametrize("role", ["item", "user"])
def test_ids_that_occur_once_each_are_said_to_number_the_rows(add, call, role):
    rows = [(k, *row) for k, row in enumerate(ROWS)]
    other = {"item": "user", "user": "item"}[role]
    columns = {other: f"{other}_id", role: "goods"}
    header = f"id,{columns['user']},{columns['item']},time"
    code, _, err = add(header, rows, f"--{role}-column", "id")
    assert code == 0
    said = f"60 of the 60 {role}s occur once: 'id' may number the rows"
    assert said in err
    assert said in show(call)
    assert f"name the column of {role}s with --{role}-column" in err
    call("data", "remove", "mine")
    code, _, err = add(header, rows, f"--{role}-column", "goods")
    assert (code, "once" in err) == (0, False)


@pytest.mark.parametrize(
    ("change", "count"),
    [
        (lambda k, t: t * 1000 if k % 4 else t, 15),
        (lambda k, t: t if k % 4 else t * 1000, 15),
        (lambda k, t: 0 if k % 6 == 0 else t, 10),
        (lambda k, t: -1 if k % 6 == 0 else t, 10),
        (lambda k, t: t * 10**9 if k % 6 == 0 else t * 10**6, 10),
    ],
)
def test_times_of_two_magnitudes_are_said(add, call, change, count):
    rows = [(user, item, change(k, time)) for k, (user, item, time) in enumerate(ROWS)]
    code, _, err = add("user,item,time", rows)
    assert code == 0
    said = f"{count} of the 60 times are of another magnitude than the rest, the first in events.c"
    assert said in err
    assert said in show(call)
    found = finding(call, "times of another magnitude")
    assert (found["count"], found["of"], found["severity"]) == (count, 60, "warning")


@pytest.mark.parametrize(
    ("times", "said"),
    [
        (lambda k, t: t * 10**9, "time: 2023-11-14T22:13:20 to 2023-11-14T22:21:49, read as nano"),
        (lambda k, t: 20240101 + k % 31, "time: 2024-01-01 to 2024-01-31, read as dates written"),
        (lambda k, t: k // 10, "time: 1970-01-01T00:00:00 to 1970-01-01T00:00:05, read as sec"),
        (lambda k, t: t / 2, "time: 1996-12-07T23:06:40 to 1996-12-07T23:10:54, read as micro"),
    ],
)
def test_times_of_one_magnitude_are_shown_in_one_unit(add, call, times, said):
    rows = [(user, item, times(k, time)) for k, (user, item, time) in enumerate(ROWS)]
    if isinstance(rows[0][2], float):
        rows = [(user, item, f"{time:.1f}") for user, item, time in rows]
    code, _, err = add("user,item,time", rows)
    assert (code, "magnitude" in err) == (0, False)
    assert said in show(call)
    assert finding(call, "times of another magnitude")["count"] == 0


@pytest.mark.parametrize("broken", ["", "good", "nan", "NA", "1e999"])
def test_ratings_are_needed_only_by_what_goes_by_them(refused, add, call, broken, tmp_path):
    rows = [(*row, broken if k == 7 else 4) for k, row in enumerate(ROWS)]
    said = refused("user,item,time,rating", rows, "--min-rating", "3")
    assert "events.csv, line 9: expected a" in said
    assert said.endswith("; mend it, or leave out --min-rating")
    code, out, err = add("user,item,time,rating", rows)
    assert code == 0
    assert "The ratings are left out, as one cannot be read: events.csv, line 9: expected a" in err
    assert "rating is" not in err
    (prepared,) = (tmp_path / "cache/datasets/mine").iterdir()
    for file in prepared.iterdir():
        file.unlink()
    prepared.rmdir()
    assert call("data", "prepare", "--dataset", "mine")[1].split()[-1] == out.split()[-1]
    call("data", "remove", "mine")
    assert out.split()[-1] == add("user,item,time", ROWS)[1].split()[-1]


def test_what_python_writes_for_a_missing_rating_or_title(call, tmp_path):
    rows = [{"user": u, "item": i, "time": t, "rating": float("nan")} for u, i, t in ROWS]
    (tmp_path / "events.jsonl").write_text("\n".join(map(json.dumps, rows)))
    items = [{"item": f"i{i}", "title": "Seven" if i == 7 else float("nan")} for i in range(8)]
    (tmp_path / "items.json").write_text(json.dumps(items))
    files = "--interactions", "events.jsonl", "--items", "items.json"
    code, _, err = call("data", "add", "mine", *files)
    assert code == 0
    assert "The ratings are left out" in err
    assert "found nothing" in err
    assert "items without one: 7" in show(call)


def test_ratings_that_can_be_read_are_kept_as_before(add, call):
    rated = [(*row, 4) for row in ROWS]
    _, with_ratings, err = add("user,item,time,rating", rated)
    assert "rating is 'rating'" in err
    call("data", "remove", "mine")
    assert add("user,item,time", ROWS)[1] != with_ratings


def test_two_columns_of_ratings_and_none(refused, add):
    rows = [(*row, 4, 5) for row in ROWS]
    assert "expected one column 'rating'" in refused(
        "user,item,time,rating,rating", rows, "--min-rating", "3"
    )
    assert add("user,item,time,rating,rating", rows)[0] == 0


def test_what_is_broken_besides_the_rating_is_said(refused):
    rows = [*ROWS, ("u", "i1", "noon", "")]
    said = refused("user,item,time,rating", [(*row, "good")[:4] for row in rows])
    assert "events.csv, line 62: expected a number as time, found 'noon'" in said


@pytest.mark.parametrize(
    ("there", "here", "why"),
    [
        ("00{}", "{}", "'001' there, 1 here: they differ in leading zeros"),
        ("{}", "00{}", "1 there, '001' here: they differ in leading zeros"),
        ("{}.0", "{}", "'1.0' there, 1 here: they differ in a decimal point"),
        ("i{} ", "i{}", "'i1 ' there, 'i1' here: they differ in spaces around them"),
        ("i{}", "I{}", "'i1' there, 'I1' here: they differ in upper and lower case"),
        ("'i{}'", "i{}", "\"'i1'\" there, 'i1' here: they differ in quotes around them"),
        (" I0{}.0", "i0{}", "they differ in more than one of spaces around them, leading zeros"),
        ("i{}", "{}", "'i1' there, 1 here; write"),
    ],
)
def test_why_the_ids_of_two_tables_do_not_meet_is_said(refused, add, tmp_path, there, here, why):
    def ids(pattern):
        return [pattern.format(i) for i in range(1, 9)]

    def goods(names):
        lines = [f"{name},T" for name in names]
        (tmp_path / "goods.csv").write_text("item,title\n" + "\n".join(lines) + "\n")

    rows = [(user, ids(there)[int(item[1:])], time) for user, item, time in ROWS]
    goods(ids(here))
    said = refused("user,item,time", rows, "--items", "goods.csv")
    assert said.startswith("goods.csv: expected items of the interactions, found none in 'item': ")
    assert why in said
    assert said.endswith("; write the ids alike in both tables")
    (tmp_path / "goods.csv").write_text("movie,title,key\nx,A,i1\n")
    said = refused("user,item,time", ROWS, "--items", "goods.csv")
    assert said.endswith(
        "found none in 'movie': 'i0' there, 'x' here; write the ids alike in both tables, or call "
        "the column that holds them 'item'"
    )
    (tmp_path / "goods.csv").write_text("key,title\ni1,A\n")
    said = refused("user,item,time", ROWS, "--items", "goods.csv")
    assert "found 'key', 'title'; call the one that holds them 'item'; if line 1 holds no" in said
    goods([*ids(here)[1:], ids(there)[0]])
    code, _, err = add("user,item,time", rows, "--items", "goods.csv")
    assert code == 0
    assert (
        "7 of the 8 items interacted with are not in goods.csv: their ids are their titles" in err
    )
    assert " there, " in err


def test_the_kind_of_ids_is_shown_where_files_tell(refused, call, tmp_path):
    rows = [{"user": 1, "item": i} for i in (1, 2)]
    (tmp_path / "e.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    pq.write_table(pa.table({"item": ["01", "02"], "title": ["A", "B"]}), tmp_path / "g.parquet")
    asked = ("data", "add", "mine", "--interactions", "e.jsonl", "--items", "g.parquet")
    assert "1 there, '01' here: they differ in leading zeros" in refused(*asked, by=call)


@pytest.mark.parametrize("text", ["nan", "NaN", "None", "null", "<NA>", "N/A", "  "])
@pytest.mark.parametrize("role", ["user", "item"])
def test_an_id_that_is_written_as_a_missing_one_is_named(add, call, text, role):
    rows = [list(row) for row in ROWS]
    for k in (4, 9):
        rows[k][("user", "item").index(role)] = text
    code, _, err = add("user,item,time", rows)
    assert code == 0
    said = f"2 interactions have {text!r} as {role}, the first in events.csv, line 6: so programs"
    assert said in err
    assert " ".join(said.split()) in show(call)
    assert finding(call, "ids of missing items")["count"] == (2 if role == "item" else 0)
    call("data", "remove", "mine")
    kept = [row for row in rows if text not in row]
    assert "missing id" not in add("user,item,time", kept)[2]


def test_titles_that_are_written_as_missing_ones_are_named(add, tmp_path):
    lines = [f"i{i},{'nan' if i % 2 else 'T'}" for i in range(8)]
    (tmp_path / "goods.csv").write_text("item,title\n" + "\n".join(lines) + "\n")
    err = add("user,item,time", ROWS, "--items", "goods.csv")[2]
    assert "4 items have the title 'nan' or the like" in err


@pytest.mark.parametrize(
    ("options", "left", "shown"),
    [
        (("--pairs", "first"), "60 of 70 interactions, 8 of 8 items", "pairs first"),
        (("--pairs", "earliest"), "60 of 70 interactions, 8 of 8 items", "pairs earliest"),
        (("--min-per-item", "9"), "55 of 70 interactions, 8 of 8 items", "min_per_item 9"),
        (
            ("--min-per-item", "9", "--catalogue", "kept"),
            "55 of 70 interactions, 6 of 8 items",
            "min_per_item 9; catalogue kept",
        ),
        (
            ("--min-per-item", "9", "--min-per-user", "6"),  # of four users
            "26 of 70 interactions, 8 of 8 items",
            "min_per_item 9; min_per_user 6",
        ),
    ],
)
def test_interactions_are_chosen_as_by_the_rules_of_a_card(add, call, options, left, shown):
    again = [(*ROWS[k][:2], NOW - k) for k in range(10)]
    code, out, err = add("user,item,time", [*ROWS, *again], *options)
    assert code == 0
    assert out.startswith("mine: 70 interactions, 8 items")
    assert f"{' '.join(options)} leaves {left}" in err
    assert shown in show(call)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--pairs", "last"), "Invalid value for '--pairs'"),
        (("--min-per-item", "0"), "Invalid value for '--min-per-item'"),
        (("--min-per-user", "-1"), "Invalid value for '--min-per-user'"),
        (("--min-per-user", "two"), "Invalid value for '--min-per-user'"),
        (("--catalogue", "some"), "Invalid value for '--catalogue'"),
        (("--title-length", "9"), "Invalid value for '--title-length'"),
        (
            ("--min-per-user", "7", "--pairs", "first"),
            "--pairs first --min-per-user 7 leaves no interaction of these data; ask for less",
        ),
        (("--min-per-item", "999"), "--min-per-item 999 leaves no interaction"),
        (("--min-rating", "3"), "has no ratings for --min-rating to go by; name their column with"),
        (
            ("--rating-column", "time", "--min-rating", "1e12"),
            "--min-rating 1000000000000.0 leaves",
        ),
        (("--rating-column", "user"), "no column is recognised as the user ('item', 'time'); name"),
        (("--title-column", "title"), "there is none: add one, or leave the option out"),
    ],
)
def test_what_cannot_be_asked_for_is_one_line(refused, options, said):
    assert said in refused("user,item,time", ROWS, *options)


def test_titles_are_cut(add, call, tmp_path):
    lines = [f'i{i},"{title}"' for i, title in enumerate([*TITLES[:7], "Short"])]
    (tmp_path / "goods.csv").write_text("item,title\n" + "\n".join(lines) + "\n")
    code, out, err = add("user,item,time", ROWS, "--items", "goods.csv", "--title-length", "20")
    assert code == 0
    assert "7 of 8 titles are cut to 20 characters." in err
    assert "titles of at most 20 characters" in show(call)
    assert call("data", "export", "--dataset", "mine", "--out", "out")[0] == 0
    kept = [line.split("\t")[1] for line in (tmp_path / "out/items.tsv").read_text().splitlines()]
    assert kept[1:] == [f"Thing number {i}, of…" for i in range(7)] + ["Short"]
    call("data", "remove", "mine")
    assert add("user,item,time", ROWS, "--items", "goods.csv")[1] != out
