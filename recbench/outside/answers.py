"""
Answers from a file, checked row by row and put where they belong.

Whatever is not exactly one sound answer to each question is refused: nothing is filled in, and
nothing is left out but items that are no candidates, of a program that ranks whatever it knows.
"""

import hashlib
import math
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from recbench.errors import DataError
from recbench.evaluation.full_ranking import ranks_among_all
from recbench.outside.given import Field, Given, Words, wrong
from recbench.outside.sheet import Sheet
from recbench.questions.candidates import Pack

KINDS: dict[Field, Literal["scores", "ranking", "text"]] = {
    "scores": "scores",
    "whole": "scores",
    "ranking": "ranking",
    "top": "ranking",
    "text": "text",
}
"""What a record calls each way to answer."""

OTHER_QUESTIONS = (
    "name the questions that were answered: their folder by --questions, or by the same options as "
    "they were made with, --kind and --draws among them"
)

Fault = Callable[[str, Any], DataError]
"""Says what was expected of a row's answer, and what was found."""


@dataclass(frozen=True)
class Answers:
    """
    One answer to each question.

    Attributes
    ----------
    given
        What the file holds.
    digest
        SHA-256 of the answers by example: the same whatever the file's format and order.
    scores
        float32 [rows * draws, C], in the pack's order; None of texts and of a full ranking.
    rank
        int32 [rows], of a full ranking; else None.
    texts
        [rows], or None.
    unnamed
        How many rows are a ranking that names no candidate at all.
    """

    given: Literal["scores", "ranking", "text"]
    digest: str
    scores: NDArray[np.float32] | None = None
    rank: NDArray[np.int32] | None = None
    texts: list[str] | None = None
    unnamed: int = 0


def read_answers(file: Path, rows: Iterable[Given], sheet: Sheet) -> Answers:
    """
    Read the answers to a sheet.

    Parameters
    ----------
    file
        For the messages.
    rows
        What was found in it, in any order.
    sheet
        What was asked.

    Raises
    ------
    DataError
        For a key that is none of the sheet's, or comes twice; a question without an answer; scores
        that are not one finite number a candidate; ids that are no candidate's or come twice; a
        text where none can be matched; rows that answer in different ways.
    """
    taken = _Taken(file, sheet)
    for row in rows:
        taken.add(row)
    return taken.complete()


@dataclass
class _Taken:
    """The answers taken so far, by example."""

    file: Path
    sheet: Sheet
    where: dict[int, str] = field(default_factory=dict)
    values: dict[int, Any] = field(default_factory=dict)
    hashes: dict[int, bytes] = field(default_factory=dict)
    kind: Field | None = None
    unnamed: int = 0

    def add(self, row: Given) -> None:
        """Check one row and keep its answer."""
        example = self._example(row)
        self.kind = self.kind or row.field
        if row.field != self.kind:
            found, remedy = Words(row.field), "answer all rows in one way"
            raise wrong(self.file, row.where, f"{self.kind}, as above", found, remedy)
        shown = [self.sheet.ids[code] for code in self.sheet.shown(example).tolist()]
        if row.shown is not None and _texts_of(row.shown) != shown:
            raise self._fault(row)("the candidates of the question, in its order", row.shown)
        if row.field == "text":
            value: Any = self._text(row)
            self.hashes[example] = hashlib.sha256(value.encode()).digest()
        else:
            numbers = self._numbers(row, shown)
            self.unnamed += KINDS[row.field] == "ranking" and not numbers.any()
            self.hashes[example] = hashlib.sha256(numbers.astype("<f8").tobytes()).digest()
            value = self._placed(example, in_float32(numbers))
        self.values[example], self.where[example] = value, row.where

    def complete(self) -> Answers:
        """Return the answers, if every question has one."""
        sheet, total = self.sheet, len(self.sheet.keys)
        if missing := [number for number in sheet.order if number not in self.values]:
            raise DataError(
                f"{self.file}: {len(missing)} of {total} questions have no answer, the first that "
                f"of key {sheet.keys[missing[0]]}; answer every row of questions.jsonl"
            )
        if self.kind == "top" and self.unnamed == total:
            raise DataError(
                f"{self.file}: no row names a candidate of its question; write items by their ids "
                "in questions.jsonl"
            )
        assert self.kind is not None  # there is a row, since there are questions
        given = KINDS[self.kind]
        hashed = hashlib.sha256(given.encode())
        for number in range(total):
            hashed.update(self.hashes[number])
        values = [self.values[number] for number in range(total)]
        if given == "text":
            return Answers(given, hashed.hexdigest(), texts=values)
        if sheet.question.protocol.full:
            ranks = np.array(values, dtype=np.int32)
            return Answers(given, hashed.hexdigest(), rank=ranks, unnamed=self.unnamed)
        scores = np.concatenate(values)
        return Answers(given, hashed.hexdigest(), scores=scores, unnamed=self.unnamed)

    def _example(self, row: Given) -> int:
        example = self.sheet.examples.get(row.key) if isinstance(row.key, str) else None
        if example is None:
            raise wrong(self.file, row.where, "the key of a question", row.key, OTHER_QUESTIONS)
        if before := self.where.get(example):
            found = Words(f"key {row.key} again, which is answered at {before}")
            raise wrong(self.file, row.where, "each question once", found, "answer each once")
        return example

    def _text(self, row: Given) -> str:
        if not self.sheet.takes_text:
            remedy = "make the questions with --kind text, which asks one draw of candidates"
            raise wrong(self.file, row.where, "scores or a ranking", Words("a text"), remedy)
        if not isinstance(row.value, str):
            remedy = 'write "" where the system wrote nothing'
            raise wrong(self.file, row.where, "a text", row.value, remedy)
        # Half a character, as JSON may hold, is no text for a file.
        return row.value.encode("utf-8", "replace").decode()

    def _fault(self, row: Given) -> Fault:
        def fault(expected: str, found: Any) -> DataError:
            remedy = "scores and ids are those of the row with this key in questions.jsonl"
            return wrong(self.file, f"{row.where}, key {row.key}", expected, found, remedy)

        return fault

    def _numbers(self, row: Given, shown: list[str]) -> NDArray[np.float64]:
        """Return a number for each item that is shown, float64 [U], the higher the better."""
        fault = self._fault(row)
        if row.field == "ranking":
            return _of_ranking(row.value, shown, fault)
        if row.field == "scores" and isinstance(row.value, list):
            if len(row.value) != len(shown):
                raise fault(f"{len(shown)} scores", Words(f"{len(row.value)}"))
            return np.array([_number(one, fault) for one in row.value])
        if not isinstance(row.value, dict):
            raise fault("a list of scores, or an object of ids and scores", row.value)
        if row.field != "scores":
            _check_known(row.value, self.sheet.codes, "items of the dataset", fault)
        return _of_object(row.value, shown, row.field, fault)

    def _placed(self, example: int, single: NDArray[np.float32]) -> Any:
        """Return the scores of each draw, float32 [draws, C]; of a full ranking the rank."""
        pack = self.sheet.question.pack
        if not isinstance(pack, Pack):
            return ranks_among_all(pack, np.array([example]), single[None])[0]
        shown = self.sheet.shown(example)
        order = np.argsort(shown)
        slots = order[np.searchsorted(shown, pack.candidates[example], sorter=order)]
        return single[slots]


def in_float32(numbers: NDArray[np.float64]) -> NDArray[np.float32]:
    """
    Return scores as they are ranked and stored, in the order of `numbers`.

    Where float32 would make ties of different numbers, or cannot hold one, their dense ranks.

    Examples
    --------
    >>> in_float32(np.array([0.5, 0.25, 0.5]))
    array([0.5 , 0.25, 0.5 ], dtype=float32)
    >>> in_float32(np.array([1.0, 1.0 + 1e-12, -1e300]))
    array([1., 2., 0.], dtype=float32)
    """
    distinct, ranks = np.unique(numbers, return_inverse=True)
    with np.errstate(over="ignore"):
        single = numbers.astype(np.float32)
    same = np.isfinite(single).all() and len(np.unique(single)) == len(distinct)
    return single if same else ranks.astype(np.float32)


def _of_ranking(value: Any, shown: Sequence[str], fault: Fault) -> NDArray[np.float64]:
    named = _texts_of(value)
    if named is None:
        raise fault("a list of ids, the best first", value)
    places = {one: place for place, one in enumerate(named)}
    if len(places) < len(named):
        twice = next(one for place, one in enumerate(named) if places[one] != place)
        raise fault("each id once", Words(f"{ascii(twice)[:60]} twice"))
    _check_known(named, set(shown), "ids of candidates", fault)
    worst = len(named)
    return np.array([worst - places.get(one, worst) for one in shown], dtype=np.float64)


def _of_object(
    value: Mapping[str, Any], shown: Sequence[str], field: Field, fault: Fault
) -> NDArray[np.float64]:
    """Return the numbers of an object; of the `top` dense ranks, below which what is not named."""
    if field == "scores":
        _check_known(value, set(shown), "ids of candidates", fault)
    missing = [one for one in shown if one not in value]
    if missing and field != "top":
        raise fault("a score of every candidate", Words(f"none of {ascii(missing[0])[:60]}"))
    numbers = {one: _number(value[one], fault) for one in shown if one in value}
    if field != "top":
        return np.array(list(numbers.values()))
    ranks = {number: rank for rank, number in enumerate(sorted(set(numbers.values())), start=1)}
    found = [ranks[numbers[one]] if one in numbers else 0 for one in shown]
    return np.array(found, dtype=np.float64)


def _check_known(named: Iterable[str], known: Container[str], what: str, fault: Fault) -> None:
    for one in named:
        if one not in known:
            raise fault(what, one)


def _number(value: Any, fault: Fault) -> float:
    if type(value) in (int, float):
        try:
            if math.isfinite(number := float(value)):
                return number + 0.0  # no negative nought, which is another one in a digest
        except OverflowError:
            pass
    raise fault("finite numbers", value)


def _texts_of(ids: Any) -> list[str] | None:
    """Return ids as texts; None where they are no list of integers and texts."""
    if not isinstance(ids, list) or not all(type(one) in (int, str) for one in ids):
        return None
    return [str(one) for one in ids]
