"""What every format of answers comes down to: a key and what was answered, row by row."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from recbench.errors import DataError
from recbench.outside.sheet import Sheet

Field = Literal["scores", "ranking", "whole", "top", "text"]
"""
How a row answers. ``scores``: a list in the order shown, or an object of each id and its score.
``ranking``: ids, the best first. ``text``: what was written. Of a program that ranks whatever items
it knows, an object of ids and scores, those that are no candidates passed over: ``whole`` where all
candidates must be among them, ``top`` where the others are worse.
"""


@dataclass(frozen=True)
class Given:
    """
    One row of a file of answers, of which nothing has been looked at yet.

    Attributes
    ----------
    where
        In the file: ``line 3``.
    key
        Of the question.
    field
        How it is answered.
    value
        The answer.
    shown
        The candidates in the order that the row itself names, or None.
    """

    where: str
    key: Any
    field: Field
    value: Any
    shown: Any = None


Reader = Callable[[Path, Sheet], Iterator[Given]]
"""Reads a file of one format; DataError, with file and place, for what is not of it."""


def wrong(file: Path, where: str, expected: str, found: Any, remedy: str = "") -> DataError:
    """Say what was expected and what was found, at one place of a file."""
    shown = found if isinstance(found, Words) else Words(ascii(found)[:60])
    return DataError(
        f"{file}, {where}: expected {expected}, found {shown}{'; ' if remedy else ''}{remedy}"
    )


class Words(str):
    """Words of ours about what was found, which stand as they are."""
