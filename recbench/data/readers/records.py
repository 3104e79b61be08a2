"""
Records, one a line, as McAuley's group publishes them: JSON, or the text of a Python dictionary.

Nothing is evaluated. A dictionary of the usual shape (texts, numbers, and lists and dictionaries of
them) is taken apart by one regular expression, which is several times as fast as
`ast.literal_eval`; whatever it does not know goes there. The two agree wherever both know a line.
"""

import ast
import json
import re
import warnings
from array import array
from codecs import BOM_UTF8
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa

from recbench.data.readers.files import lines
from recbench.data.readers.raw import Coded, ids_of
from recbench.errors import DataError

Record = dict[str, object]

_TEXT = r"""u?(?:'[^'\\\r\n]*+(?:\\.[^'\\\r\n]*+)*+'|"[^"\\\r\n]*+(?:\\.[^"\\\r\n]*+)*+")"""
_NUMBER = r"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:e[-+]?[0-9]++)?"
_SCALAR = rf"(?:{_TEXT}|{_NUMBER}|True|False|None)"
_DEPTH = 3  # of lists and dictionaries inside the record
_NO_LITERAL = (ValueError, SyntaxError, MemoryError, RecursionError)


def records(file: Path, fields: Sequence[str]) -> Iterator[tuple[int, Record]]:
    """
    Yield each line's number, from 1, and those of the fields that it has.

    Raises
    ------
    DataError
        With file and line, for a line that is no record in UTF-8; for a file without lines; where
        a gzipped file is damaged.
    """
    number = 0
    for number, line in lines(file):
        try:
            text = (line.removeprefix(BOM_UTF8) if number == 1 else line).decode()
        except UnicodeDecodeError:
            raise DataError(f"{file}, line {number}: expected utf8 text") from None
        record = _record(text.strip(), tuple(fields))
        if record is None:
            found = repr(text.strip()[:40]) if text.strip() else "an empty line"
            raise DataError(f"{file}, line {number}: expected a record, found {found}")
        yield number, record
    if not number:
        raise DataError(f"{file}, line 1: expected a record, found the end of the file")


def text_of(record: Record, field: str, file: Path, line: int) -> str:
    """
    Return a text; "" where the record has none, a whole number as it is written.

    Halves of a character beyond the first 65,536 (surrogates, which UTF-8 cannot write) are put
    together, or replaced if they stand alone.

    Raises
    ------
    DataError
        With file and line, for anything else, or a text with a NUL in it.
    """
    value = record.get(field)
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or "\x00" in value:
        raise DataError(f"{file}, line {line}: expected text as {field}, found {value!r}")
    if value.isascii():
        return value
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


class Coder:
    """Collects a column of ids one by one, each distinct id kept once."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._codes = array("i")

    def __len__(self) -> int:
        return len(self._codes)

    def __contains__(self, value: str) -> bool:
        return value in self._numbers

    def add(self, value: str) -> None:
        """Put an id at the end of the column."""
        self._codes.append(self._numbers.setdefault(value, len(self._numbers)))

    @property
    def texts(self) -> list[str]:
        """The distinct ids, in order of their first appearance."""
        return list(self._numbers)

    def column(self) -> Coded:
        """Return the column."""
        codes = np.frombuffer(self._codes, dtype=np.int32).copy()
        return Coded(codes, ids_of(pa.array(self.texts, pa.string())))


def _record(line: str, fields: tuple[str, ...]) -> Record | None:
    """Return the wanted fields, None if the line is no record."""
    whole = _json(line) if line.startswith('{"') else None
    if whole is None:
        if found := _pattern(fields).fullmatch(line):
            tokens = zip(fields, found.groups(), strict=True)
            return {field: _value(token) for field, token in tokens if token is not None}
        whole = _literal(line)
    return {f: whole[f] for f in fields if f in whole} if isinstance(whole, dict) else None


def _json(line: str) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


@lru_cache
def _pattern(fields: tuple[str, ...]) -> re.Pattern[str]:
    """Build the shape of a record, in which each wanted field is a group (its last value)."""
    value = _SCALAR
    for _ in range(_DEPTH):
        pairs = rf"\{{(?:{_TEXT}: {value}(?:, |(?=\}})))*+\}}"
        value = rf"(?:{_SCALAR}|\[(?:{value}(?:, |(?=\])))*+\]|{pairs})"
    wanted = "".join(rf"u?(?:'{field}'|\"{field}\"): ({value})|" for field in fields)
    return re.compile(rf"\{{(?>(?:{wanted}{_TEXT}: {value})(?:, |(?=\}})))*+\}}", re.DOTALL)


def _value(token: str) -> object:
    quote = token[-1]
    if quote in "'\"" and "\\" not in token:
        return token[token.index(quote) + 1 : -1]
    return _literal(token)


def _literal(text: str) -> object:
    """Return what a Python literal says, None if it is none."""
    with warnings.catch_warnings():  # an unknown escape such as "\d" stays as it is
        warnings.simplefilter("ignore")
        try:
            return ast.literal_eval(text)
        except _NO_LITERAL:
            return None
