"""
A run as TREC's evaluation reads it: ``key Q0 item rank score tag``, one line an item.

As ``trec_eval`` does, it goes by the score and not by the rank that is written; but ties count
against the system. Items that are no candidates are passed over.
"""

from collections.abc import Iterator
from pathlib import Path

from recbench.data.readers.files import lines
from recbench.outside.given import Given, Words, wrong
from recbench.outside.sheet import Sheet

_LINE = "a line of six fields, as: key Q0 item rank score tag"
_REMEDY = "write the run as for trec_eval, in UTF-8"


def read(file: Path, _: Sheet) -> Iterator[Given]:
    """Read the items of each key, wherever its lines stand."""
    runs: dict[str, tuple[str, dict[str, float]]] = {}
    for number, line in lines(file):
        where = f"line {number}"
        try:
            fields = line.decode().split()
            if not fields:
                continue
            key, _q0, item, _rank, score, _tag = fields
            value = float(score)
        except ValueError:
            found = Words(ascii(line[:60].decode(errors="replace")))
            raise wrong(file, where, _LINE, found, _REMEDY) from None
        run = runs.setdefault(key, (where, {}))[1]
        if item in run:
            raise wrong(file, where, "each item of a key once", Words(f"{item!a} again"), _REMEDY)
        run[item] = value
    for key, (where, run) in runs.items():
        yield Given(where, key, "top", run)
