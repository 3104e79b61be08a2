"""
A released split as plain files, as `recbench.questions.export` writes it.

``train*.jsonl``, ``val*.jsonl`` and ``test*.jsonl``: a row a line, ``{"history":[ids, oldest
first],"target":id}``, other keys are left alone; the ids are all JSON numbers or all texts.
``items.tsv``: a header ``id<TAB>title``, then a line an item, its id as in
`recbench.data.id_field`. All UTF-8, gzipped or not.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from recbench.data.id_field import id_of
from recbench.data.ragged import chosen
from recbench.data.readers.released import Items, RawRow, RawSplit, broken, is_int64, text_lines
from recbench.data.released import Rows
from recbench.data.titles import plain_title
from recbench.errors import DataError, UserError

_SHAPE = '{"history":[ids],"target":id}'


def read(folder: Path) -> RawSplit:
    """
    Read the folder.

    Returns
    -------
    RawSplit
        Without a test file the second half of the validation rows is the test part.

    Raises
    ------
    UserError
        If a part has no file or several.
    DataError
        With file, line and reason, for what is broken in them.
    """
    train, validation, test = (_file(folder, part) for part in ("train", "val", "test"))
    if train is None or validation is None:
        missing = "validation.jsonl" if train else "train.jsonl"
        raise UserError(f"{folder}: expected {missing}, found none; name the folder that holds it")
    rows = {file: _rows(file) for file in (train, validation, test) if file is not None}
    numbers = isinstance(rows[train][0].target, int)
    listed = folder / "items.tsv"
    items = Items(listed, _items(listed, numbers))
    coded = {file: items.coded(file, "line", raw) for file, raw in rows.items()}
    if test is not None:
        return RawSplit(items.catalogue, Rows(coded[train], coded[validation], coded[test]))
    whole = coded[validation]
    if len(whole) < 2:
        raise UserError(f"{validation}: expected two rows or a test file, found one row")
    half = len(whole) // 2
    first, second = np.split(np.arange(len(whole)), [half])
    note = (
        f"There was no test file: the first {half} rows of {validation.name} validate, the "
        f"other {len(second)} test."
    )
    halves = Rows(coded[train], chosen(whole, first), chosen(whole, second))
    return RawSplit(items.catalogue, halves, (note,))


def _file(folder: Path, part: str) -> Path | None:
    found = sorted(folder.glob(f"{part}*.jsonl")) + sorted(folder.glob(f"{part}*.jsonl.gz"))
    if len(found) > 1:
        names = " and ".join(file.name for file in found)
        raise UserError(f"{folder}: expected one file {part}*.jsonl, found {names}; leave one")
    return found[0] if found else None


def _rows(file: Path) -> list[RawRow]:
    rows: list[RawRow] = []
    for number, text in text_lines(file):
        try:
            row = json.loads(text)
        except (ValueError, RecursionError):
            raise broken(file, number, f"a row of JSON, {_SHAPE}", text) from None
        if not isinstance(row, dict) or not {"history", "target"} <= row.keys():
            raise broken(file, number, _SHAPE, text)
        history, target = row["history"], row["target"]
        if not isinstance(history, list):
            raise broken(file, number, _SHAPE, text)
        kinds = {type(raw) for raw in (*history, target)}
        if rows:
            kinds.add(type(rows[0].target))
        if kinds != {int} and kinds != {str}:
            raise broken(file, number, "ids that are all integers or all texts", text)
        rows.append(RawRow(number, history, target))
    if not rows:
        raise DataError(f"{file}, line 1: expected {_SHAPE}, found the end of the file")
    return rows


def _items(file: Path, numbers: bool) -> Iterator[tuple[int, int | str, str]]:
    """Yield line, id and title; ids are integers where those of the rows are."""
    for number, text in text_lines(file):
        raw, *titles = text.split("\t")
        if number == 1 and text != "id\ttitle":
            raise broken(file, number, "the header 'id<TAB>title'", text)
        if len(titles) != 1:
            raise broken(file, number, "an id, a tab and a title", text)
        if number > 1:
            yield number, _id(file, number, raw, numbers), plain_title(titles[0])


def _id(file: Path, number: int, field: str, as_number: bool) -> int | str:
    if as_number:
        if not is_int64(field):
            raise broken(file, number, "an integer as id, as in the rows", field)
        return int(field)
    try:
        return id_of(field)
    except ValueError:
        expected = "an id, as a JSON text where it begins with a quote"
        raise broken(file, number, expected, field) from None
