"""Objects, one a line (JSON Lines)."""

import json
from codecs import BOM_UTF8
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from recbench.data.readers.files import lines
from recbench.errors import DataError
from recbench.outside.given import Words, wrong

LINES = "write JSON Lines: one object a line, in UTF-8"


def objects(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """
    Yield the place and the object of each line; empty lines are passed over.

    Raises
    ------
    DataError
        For a line that is none, or names a field twice; for a file that is not there.
    """
    for number, line in lines(file):
        where = f"line {number}"
        try:
            text = (line.removeprefix(BOM_UTF8) if number == 1 else line).decode().strip()
            if not text:
                continue
            found = json.loads(text, object_pairs_hook=_each_once)
        except UnicodeDecodeError:
            raise wrong(file, where, "UTF-8 text", Words("other bytes"), LINES) from None
        except (ValueError, RecursionError) as error:
            found = Words(" ".join(str(error).split())[:100])
            raise wrong(file, where, "a JSON object", found, LINES) from None
        if not isinstance(found, dict):
            raise wrong(file, where, "a JSON object", found, LINES)
        yield where, found


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"an object that names {ascii(twice)[:40]} twice")
    return found


def check_file(file: Path) -> None:
    """
    Check that a path is a file that can be read twice.

    Raises
    ------
    DataError
        If it is not there, or no plain file.
    """
    if not file.exists():
        raise DataError(f"{file}: expected a file of answers, found none; check the path")
    if not file.is_file():
        raise DataError(f"{file}: expected a file of answers, found no plain file; name a file")
