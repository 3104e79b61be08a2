"""
Fill in what each kind of file may hold, in the docs: every cell is a file that was read.

    python tools/readers.py

A cell says ``yes`` where the file is read as it is meant, ``named`` where that takes an option of
``recbench data add``, ``left out`` where the rest of the file is read, ``refused`` where it ends
with one line that says why, and ``–`` where the kind of file has no such thing. To add a kind, say
in `KINDS` how it is written.
"""

import csv
import gzip
import io
import json
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from recbench.data.dataset import Dataset
from recbench.data.id_field import field_of
from recbench.data.imported import import_split
from recbench.data.own import Files, add
from recbench.data.readers.columns import Columns
from recbench.data.written import written_by
from recbench.errors import UserError

PAGE = Path(__file__).resolve().parents[1] / "docs" / "own-data.md"
BLOCK = re.compile(
    r"(?<=<!-- printed by: tools/readers.py -->\n).*?(?=<!-- end of print -->)", re.DOTALL
)

Row = Mapping[str, Any]


class Number(str):
    """A number as it is written."""


@dataclass(frozen=True)
class Case:
    """
    Interactions, items, and how they are written.

    Attributes
    ----------
    events, goods
        Their rows; no items for None.
    separator
        "" for that of the kind of file.
    encoding, line_end, end
        Of the text, of a line, and what follows the last one.
    between
        What stands before the last row.
    above
        What stands in a line of its own above all others, with the separator in it.
    header
        Whether the first line names the columns.
    packed
        Whether it is gzipped.
    """

    events: tuple[Row, ...]
    goods: tuple[Row, ...] | None
    separator: str = ""
    encoding: str = "utf-8"
    line_end: str = "\n"
    end: str = ""
    between: str = ""
    above: str = ""
    header: bool = True
    packed: bool = False


@dataclass(frozen=True)
class Probe:
    """
    One column of a table.

    Attributes
    ----------
    name
        What is tried.
    case
        The files.
    right
        Whether what was read is what was meant.
    options
        Of `written_by`, for where the files alone do not say enough.
    of
        The families of files that can be so.
    """

    name: str
    case: Case
    right: Callable[[Dataset], bool]
    options: Mapping[str, str] = field(default_factory=dict)
    of: str = "text json parquet atomic split"


@dataclass(frozen=True)
class Kind:
    """
    One row of the tables.

    Attributes
    ----------
    ends
        The ends of its files' names; each must give the same.
    family
        What it is to a `Probe`.
    written
        Writes rows as text or bytes.
    """

    ends: tuple[str, ...]
    family: str
    written: Callable[[Iterable[Row], Case], str | bytes]
    title: str = ""


# How kinds of files are written.


def lines_of(rows: list[str], case: Case) -> str:
    """Join lines, with what the case has between and after them."""
    *rest, last = rows
    return case.line_end.join([*rest, case.between + last]) + case.line_end + case.end


def quoted(fields: Iterable[str], separator: str) -> str:
    """Return a line of delimited text; quotes are of separators of one character."""
    if len(separator) > 1:
        return separator.join(fields)
    stream = io.StringIO()
    csv.writer(stream, delimiter=separator).writerow(fields)
    return stream.getvalue().removesuffix("\r\n")


def delimited(rows: Iterable[Row], case: Case, separator: str) -> str:
    """Write delimited text."""
    rows = list(rows)
    lines = [list(rows[0])] if case.header else []
    lines += [["" if value is None else str(value) for value in row.values()] for row in rows]
    between = case.separator or separator
    above = [case.above.format(between)] if case.above else []
    return lines_of([*above, *(quoted(line, between) for line in lines)], case)


def atomic(rows: Iterable[Row], case: Case) -> str:
    """Write one of RecBole's atomic files."""
    rows = list(rows)
    lines = [[f"{name}:token" for name in rows[0]]] if case.header else []
    lines += [["" if value is None else str(value) for value in row.values()] for row in rows]
    return lines_of([(case.separator or "\t").join(line) for line in lines], case)


def value_of_json(value: Any) -> str:
    """Write a value as JSON."""
    return value if isinstance(value, Number) else json.dumps(value, ensure_ascii=False)


def object_of_json(row: Row) -> str:
    """Write a row as an object."""
    pairs = (f"{json.dumps(name)}: {value_of_json(value)}" for name, value in row.items())
    return f"{{{', '.join(pairs)}}}"


def json_lines(rows: Iterable[Row], case: Case) -> str:
    """Write an object a line."""
    return lines_of([object_of_json(row) for row in rows], case)


def json_array(rows: Iterable[Row], case: Case) -> str:
    """Write one array of objects."""
    *rest, last = map(object_of_json, rows)
    return lines_of(["[", *(f"{one}," for one in rest), last, "]"], case)


def parquet(rows: Iterable[Row], _: Case) -> bytes:
    """Write a Parquet file."""
    rows, columns = list(rows), {}
    for name in rows[0]:
        values = [float(v) if isinstance(v := row[name], Number) else v for row in rows]
        columns[name] = pa.array(values, pa.uint64() if 2**63 in values else None)
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue().to_pybytes()


def split_rows(rows: Iterable[Row], case: Case) -> str:
    """Write two rows of a finished split, equal ones, for its three parts."""
    history, target = ([row["item"] for row in rows] * 2)[:2]
    row = {"history": [history], "target": target}
    return lines_of([object_of_json(row)] * 2, case)


def split_items(rows: Iterable[Row], case: Case) -> str:
    """Write the items of a finished split."""
    titles = [("id", "title"), *((row["item"], row.get("title") or "") for row in rows)]
    return lines_of([f"{field_of(item)}\t{title}" for item, title in titles], case)


KINDS = (
    Kind((".csv",), "text", lambda rows, case: delimited(rows, case, ",")),
    Kind((".tsv",), "text", lambda rows, case: delimited(rows, case, "\t")),
    Kind((".txt", ".dat", ".data"), "text", lambda rows, case: delimited(rows, case, ",")),
    Kind((".json",), "json", json_array),
    Kind((".json", ".jsonl", ".ndjson"), "json", json_lines, "JSON Lines"),
    Kind((".parquet",), "parquet", parquet),
    Kind((".inter",), "atomic", atomic, "`--recbole`"),
    Kind((".jsonl",), "split", split_rows, "`import-splits`"),
)


# What is tried.


def items_are(*ids: Any) -> Callable[[Dataset], bool]:
    """Tell whether the catalogue has these ids, of this type."""
    return lambda made: set(map(repr, made.catalogue.raw_ids.tolist())) == set(map(repr, ids))


def times_are(*times: int) -> Callable[[Dataset], bool]:
    """Tell whether these are the times."""
    return lambda made: made.timed and made.times.tolist() == list(times)


def ratings_are(*ratings: float) -> Callable[[Dataset], bool]:
    """Tell whether these are the ratings."""
    return lambda made: made.ratings is not None and made.ratings.tolist() == list(ratings)


def titles_are(*titles: str) -> Callable[[Dataset], bool]:
    """Tell whether the catalogue has these titles."""
    return lambda made: sorted(made.catalogue.titles) == sorted(titles)


USERS, ITEMS = ("ann", "bob"), ("lamp", "dish")


def events(items: tuple[Any, Any] = ITEMS, **columns: tuple[Any, Any]) -> tuple[Row, ...]:
    """Make two interactions."""
    columns = {"user": USERS, "item": items, **columns}
    return tuple(
        dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)
    )


def goods(items: tuple[Any, Any] = ITEMS, **columns: tuple[Any, Any]) -> tuple[Row, ...]:
    """Make the two items."""
    return tuple(
        {name: value for name, value in row.items() if name != "user"}
        for row in events(items, **columns)
    )


LISTED = goods(title=("Lämp", "Dish"))
PLAIN = Case(events(), goods(title=("Lamp", "Dish")))
UMLAUT = Case(events(), LISTED)
SOUND, UMLAUT_SOUND = titles_are("Lamp", "Dish"), titles_are("Lämp", "Dish")


def separators() -> Iterator[Probe]:
    """Try what stands between fields."""
    names = {",": "comma", "\t": "tab", ";": "semicolon", "|": "pipe", " ": "space"}
    names["   "] = "many spaces"
    for separator in (",", "\t", ";", "|", "::", " ", "   ", "^", "<>"):
        name = names.get(separator, f"`{separator}`")
        case = replace(PLAIN, separator=separator)
        named = "spaces" if separator == "   " else separator
        yield Probe(name, case, SOUND, {"separator": named}, of="text atomic")


def encodings() -> Iterator[Probe]:
    """Try how characters are written."""
    for name, encoding in (
        ("UTF-8", "utf-8"),
        ("with a mark", "utf-8-sig"),
        ("UTF-16 with a mark", "utf-16"),
        ("UTF-16 without", "utf-16-le"),
        ("Latin-1", "latin-1"),
        ("code page 1252", "cp1252"),
    ):
        case = replace(UMLAUT, encoding=encoding)
        yield Probe(name, case, UMLAUT_SOUND, {"encoding": encoding}, "text json atomic split")
    packed = replace(UMLAUT, packed=True)
    yield Probe("gzipped", packed, UMLAUT_SOUND, of="text json parquet atomic split")


def lines() -> Iterator[Probe]:
    """Try how lines are written."""
    of = "text json atomic split"
    yield Probe("line ends `\\r\\n`", replace(PLAIN, line_end="\r\n"), SOUND, of=of)
    yield Probe("blank last lines", replace(PLAIN, end="\n  \r\n\n"), SOUND, of=of)
    yield Probe("blank line between", replace(PLAIN, between="\n"), SOUND, of=of)
    named = {"columns": "user,item", "item_columns": "item,title"}
    yield Probe("no line of names", replace(PLAIN, header=False), SOUND, named, "text atomic")
    excel = Case(events(), PLAIN.goods, above="sep={}")
    yield Probe("first line `sep=;`", excel, SOUND, of="text")
    odd = goods(title=('Lamp, "red"', "Dish"))
    yield Probe("quoted fields", Case(events(), odd), titles_are('Lamp, "red"', "Dish"), of="text")


def times() -> Iterator[Probe]:
    """Try columns of times."""
    of = "text json parquet atomic"
    numbers = Number("1.2839e9"), Number("1283900001")
    for name, column, expected in (
        ("integers", (1283900000, 1283900001), (1283900000, 1283900001)),
        ("`1.2839e9`", numbers, (1283900000, 1283900001)),
        ("`.5` of a second", (1.5, 2.0), (1_500_000, 2_000_000)),
        ("integers, then `1.2839e9`", (5, Number("1.2839e9")), (5, 1283900000)),
        ("dates", ("1970-01-01", "1970-01-01 00:00:05"), (0, 5)),
        ("dates with a zone", ("1970-01-01T00:00:00Z", "1970-01-01T02:00:05+02:00"), (0, 5)),
        ("a date, then a number", ("1970-01-01", "5"), (0, 5)),
        ("one missing", (5, None), (5,)),
    ):
        yield Probe(name, Case(events(time=column), None), times_are(*expected), of=of)
    yield Probe("no column", Case(events(), None), lambda made: not made.timed, of=of)


def ids() -> Iterator[Probe]:
    """Try columns of ids."""
    for name, items, expected in (
        ("integers", (7, -8), (7, -8)),
        ("texts", ("lamp", "é 1"), ("lamp", "é 1")),
        ("`07`", ("07", "7"), ("07", "7")),
        ("beyond 64 bits", (2**63, 5), (str(2**63), "5")),
        ("spaces around", (" a ", "a"), (" a ", "a")),
        ("a line break", ("a\nb", "c"), ("a\nb", "c")),
        ("`1.5`", (1.5, 2.5), ("1.5", "2.5")),
        ("one missing", ("lamp", None), ("lamp",)),
    ):
        yield Probe(name, Case(events(items), goods(items, title=ITEMS)), items_are(*expected))


def ratings() -> Iterator[Probe]:
    """Try columns of ratings."""
    for name, column, expected in (
        ("integers", (3, 4), (3, 4)),
        ("`4.5`", (3.0, 4.5), (3, 4.5)),
        ("`4e0`", (Number("4e0"), Number("3E+00")), (4, 3)),
        ("one missing", (4, None), (4,)),
        ("words", ("good", "bad"), ()),
    ):
        case = Case(events(rating=column), None)
        yield Probe(name, case, ratings_are(*expected), of="text json parquet atomic")


def titles() -> Iterator[Probe]:
    """Try titles, and items without one."""
    of = "text json parquet atomic"
    yield Probe(
        "an empty one", Case(events(), goods(title=("Lamp", ""))), titles_are("Lamp", "unknown")
    )
    missing = Case(events(), goods(title=("Lamp", None)))
    yield Probe("one missing", missing, titles_are("Lamp", "unknown"), of="json parquet")
    untitled = Case(events(), goods(size=(1, 2)))
    yield Probe("no column", untitled, titles_are("lamp", "dish"), of=of)
    unlisted = Case(events(), goods(title=("Lamp", "Dish"))[:1])
    yield Probe("an item not listed", unlisted, titles_are("Lamp", "dish"))
    yield Probe("no items file", Case(events(), None), titles_are("lamp", "dish"), of=of)


TOPICS = {
    "separator": separators,
    "encoding": encodings,
    "lines": lines,
    "times": times,
    "ids": ids,
    "ratings": ratings,
    "titles": titles,
}


# What comes of it.


def file_written(folder: Path, name: str, end: str, content: str | bytes, case: Case) -> Path:
    """Write one file."""
    file = folder / f"{name}{end}{'.gz' if case.packed else ''}"
    data = content if isinstance(content, bytes) else content.encode(case.encoding)
    file.write_bytes(gzip.compress(data) if case.packed else data)
    return file


def read(kind: Kind, end: str, probe: Probe, options: Mapping[str, str], folder: Path) -> Dataset:
    """Write the files of a probe and add them as a user does."""
    case, silent, cache = probe.case, lambda _: None, folder / "cache"
    if kind.family == "split":
        rows = [{"item": row["item"]} for row in case.events]
        for part in ("train", "validation", "test"):
            file_written(folder, part, end, kind.written(rows, case), case)
        listed = split_items(case.goods or (), case)
        file_written(folder, "items", ".tsv", listed, replace(case, packed=False))
        return import_split("tried", folder, "rows", cache, silent)
    items = None
    if case.goods is not None:
        listed_end = ".item" if kind.family == "atomic" else end
        items = file_written(folder, "items", listed_end, kind.written(case.goods, case), case)
    rated = file_written(folder, "events", end, kind.written(case.events, case), case)
    names = ("separator", "encoding", "columns", "item_columns")
    written = written_by(*(options.get(name) for name in names))
    columns = Columns()
    format_name = "atomic" if kind.family == "atomic" else "table"
    return add("tried", Files(format_name, rated, items, columns, *written), cache, silent)


def outcome(kind: Kind, end: str, probe: Probe) -> str:
    """
    Return the cell of one kind of file and one probe.

    Raises
    ------
    AssertionError
        If something was read that is not what was written.
    """
    if kind.family not in probe.of.split():
        return "–"
    for said, options in (("yes", {}), ("named", probe.options)):
        with tempfile.TemporaryDirectory() as folder:
            try:
                made = read(kind, end, probe, options, Path(folder))
            except UserError:
                continue
        if probe.right(made):
            return said
        if made.ratings is None and "rating" in probe.case.events[0]:
            return "left out"
        raise AssertionError(f"{end}: {probe.name} is read as something else")
    return "refused"


def cell(kind: Kind, probe: Probe) -> str:
    """Return what all ends of a kind come to, which must be one thing."""
    (said,) = {outcome(kind, end, probe) for end in kind.ends}
    return said


def table(topic: str) -> str:
    """Return one table: a row a kind of file, a column a thing to try."""
    probes = list(TOPICS[topic]())
    lines = [[topic, *(probe.name for probe in probes)], ["---"] * (len(probes) + 1)]
    for kind in KINDS:
        cells = [cell(kind, probe) for probe in probes]
        if set(cells) != {"–"}:
            ends = ", ".join(f"`{end}`" for end in kind.ends)
            lines.append([kind.title or ends, *cells])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def tables() -> str:
    """Return all tables."""
    return "\n" + "\n".join(map(table, TOPICS)) + "\n"


def filled(page: str) -> str:
    """Return the page with the tables as they come out now."""
    return BLOCK.sub(lambda _: tables(), page)


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
