"""
A released split as plain files, as `recbench.questions.export` writes it.

``train*.jsonl``, ``val*.jsonl`` and ``test*.jsonl``: a row a line, ``{"history":[ids, oldest
first],"target":id}``; the ids are all JSON numbers or all texts. Rows of validation and test may
bring their own ``"candidates":[ids]``; other keys are left alone, and a note names them.
``items.tsv``: a header ``id<TAB>title``, then a line an item, its id as in
`recbench.data.id_field`. All UTF-8, gzipped or not.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from recbench.data.id_field import id_of
from recbench.data.readers.released import (
    Items,
    RawRow,
    RawSplit,
    SplitPart,
    broken,
    halves,
    is_int64,
    left_alone,
    rows_of,
    text_lines,
)
from recbench.data.titles import plain_title
from recbench.errors import DataError, UserError

_SHAPE = '{"history":[ids],"target":id}'
BEGINNINGS = ("train", "val", "test")
"""How the names of the three files begin."""


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
    train, validation, test = (file_of(folder, part) for part in BEGINNINGS)
    if train is None or validation is None:
        missing = "validation.jsonl" if train else "train.jsonl"
        raise UserError(f"{folder}: expected {missing}, found none; name the folder that holds it")
    files = [file for file in (train, validation, test) if file is not None]
    first = _rows(train, brings=False, like=None)
    like = first.rows[0].target
    found = [first, *(_rows(file, brings=True, like=like) for file in files[1:])]
    listed = folder / "items.tsv"
    items = Items(listed, _items(listed, numbers=isinstance(like, int)))
    learnt, *asked = (
        SplitPart(items.coded(file, "line", part.rows), items.candidates(file, "line", part.rows))
        for file, part in zip(files, found, strict=True)
    )
    notes = left_alone("Keys of the rows", (key for part in found for key in part.others))
    if test is None:
        asked, note = halves(asked[0], validation, "test")
        notes = (note, *notes)
    return RawSplit(items.catalogue, rows_of(folder, learnt, *asked), notes)


def file_of(folder: Path, part: str) -> Path | None:
    """Return the file of one of `BEGINNINGS`, None where there is none; UserError for several."""
    found = sorted(folder.glob(f"{part}*.jsonl")) + sorted(folder.glob(f"{part}*.jsonl.gz"))
    if len(found) > 1:
        names = " and ".join(file.name for file in found)
        raise UserError(f"{folder}: expected one file {part}*.jsonl, found {names}; leave one")
    return found[0] if found else None


class _Found(NamedTuple):
    """The rows of a file, and what else they hold."""

    rows: list[RawRow]
    others: dict[str, None]


def _rows(file: Path, brings: bool, like: int | str | None) -> _Found:
    """Read a file whose rows may bring candidates, and whose ids are of the kind of `like`."""
    found = _Found([], {})
    known = {"history", "target", "candidates"} if brings else {"history", "target"}
    for number, text in text_lines(file):
        try:
            row = json.loads(text)
        except (ValueError, RecursionError):
            raise broken(file, number, f"a row of JSON, {_SHAPE}", text) from None
        if not isinstance(row, dict) or not {"history", "target"} <= row.keys():
            raise broken(file, number, _SHAPE, text)
        found.others.update(dict.fromkeys(row.keys() - known))
        history, target = row["history"], row["target"]
        candidates = row.get("candidates") if brings else None
        if not isinstance(history, list):
            raise broken(file, number, _SHAPE, text)
        if not isinstance(candidates, list | None):
            raise broken(file, number, "candidates as a list of ids", text)
        kinds = {type(raw) for raw in (*history, target, *(candidates or ()))}
        like = target if like is None else like
        kinds.add(type(like))
        if kinds != {int} and kinds != {str}:
            raise broken(file, number, "ids that are all integers or all texts in all files", text)
        found.rows.append(RawRow(number, history, target, candidates))
    if not found.rows:
        raise DataError(f"{file}, line 1: expected {_SHAPE}, found the end of the file")
    return found


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
