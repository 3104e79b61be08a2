"""
The file ``test.csv`` that LLaRA and iLoRA write (Liao et al. and Kong et al., both 2024).

Their ``on_test_epoch_end`` stores a table of ``generate`` (the first line of what was written),
``real`` (the title they hold for right, which is not read here) and ``cans`` (the titles of the
candidates, as Python writes a list). It has no keys: a row answers the question with the same
candidates.
"""

import ast
import csv
import io
import warnings
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from recbench.data.readers.files import content
from recbench.errors import UserError
from recbench.outside.given import Given, Words, wrong
from recbench.outside.sheet import Sheet

COLUMNS = ("generate", "real", "cans")

_AGAIN = "ask LLaRA about the candidates of questions.jsonl, and leave test.csv as it is written"

Titles = tuple[str, ...]


def read(file: Path, sheet: Sheet) -> Iterator[Given]:
    """Read what was generated, by the candidates of each row."""
    if not sheet.takes_text:
        raise UserError(f"{file}: LLaRA answers in text; make the questions with --kind text")
    keys = _keys(sheet)
    reader = csv.reader(io.StringIO(content(file), newline=""), strict=True)
    try:
        header = next(reader, [])
        if header[-len(COLUMNS) :] != list(COLUMNS) or len(header) > len(COLUMNS) + 1:
            raise wrong(file, "line 1", f"the columns {', '.join(COLUMNS)}", header, _AGAIN)
        for fields in reader:
            where = f"line {reader.line_num}"
            if len(fields) != len(header):
                found = Words(str(len(fields)))
                raise wrong(file, where, f"{len(header)} fields", found, _AGAIN)
            written, _, shown = fields[-len(COLUMNS) :]
            meant = keys.get(_titles(shown, file, where), [])
            if len(meant) != 1:
                found = Words(f"those of {len(meant) or 'none'}")
                raise wrong(file, where, "the candidates of one question", found, _AGAIN)
            yield Given(where, meant[0], "text", written)
    except csv.Error as error:
        where = f"line {reader.line_num}"
        raise wrong(file, where, "CSV as pandas writes it", Words(str(error)), _AGAIN) from None


def _keys(sheet: Sheet) -> dict[Titles, list[str]]:
    """Return the keys of the questions that show the same titles, in whatever order."""
    titles, found = sheet.question.split.catalogue.titles, defaultdict(list)
    for number, key in enumerate(sheet.keys):
        found[tuple(sorted(titles[code] for code in sheet.shown(number)))].append(key)
    return found


def _titles(cell: str, file: Path, where: str) -> Titles:
    """Read a list as Python writes it; nothing is executed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = ast.literal_eval(cell)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        found = cell
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise wrong(file, where, "a list of titles as cans", cell, _AGAIN)
    return tuple(sorted(found))
