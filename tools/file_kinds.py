"""Kinds of files, and how each is written: what `tools/readers.py` tries is read."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from recbench.data.id_field import field_of

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
    title
        What the tables call it; "" for its ends.
    lacks
        Names of probes of which it can hold nothing.
    """

    ends: tuple[str, ...]
    family: str
    written: Callable[[Iterable[Row], Case], str | bytes]
    title: str = ""
    lacks: tuple[str, ...] = ()


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


def presplit(rows: Iterable[Row], case: Case) -> str:
    """Write the same two rows as RecBole takes them."""
    history, target = ([row["item"] for row in rows] * 2)[:2]
    return atomic([{"item_list": history, "item": target}] * 2, case)


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
    Kind((".inter",), "presplit", presplit, "`import-splits`, RecBole's", ("spaces around",)),
)
