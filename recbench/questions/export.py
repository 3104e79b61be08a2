"""A split as plain text, for any other program: three files of rows and the titles."""

import json
from contextlib import ExitStack
from itertools import repeat
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recbench.atomic_write import atomic_file
from recbench.data.catalogue import Catalogue
from recbench.data.id_field import field_of
from recbench.questions.split import PAD, Examples, Split


def export(split: Split, folder: Path) -> None:
    """
    Write ``train.jsonl``, ``validation.jsonl``, ``test.jsonl`` and ``items.tsv`` into `folder`.

    Parameters
    ----------
    split
        What to write: exactly the rows that the protocol uses, in its order.
    folder
        Made if it is missing; files of these names are replaced, others are left alone.

    Notes
    -----
    A row is ``{"history":[raw ids, oldest first],"target":raw id}`` without spaces; integer ids
    are JSON numbers. Where the rows bring their candidates, ``"candidates":[raw ids]`` follows, by
    ascending raw id. ``items.tsv`` has a header line, then raw id, tab, title, by ascending raw
    id; an id that no field could hold is a JSON text (`recbench.data.id_field`).
    """
    parts = {
        "train": (split.train, None),
        "validation": (split.validation, split.given_validation),
        "test": (split.test, split.given_test),
    }
    with ExitStack() as whole:  # no file of this split beside those of another
        for name, (examples, given) in parts.items():
            partial = whole.enter_context(atomic_file(folder / f"{name}.jsonl"))
            _write_rows(examples, given, split.catalogue, partial)
        _write_items(split.catalogue, whole.enter_context(atomic_file(folder / "items.tsv")))


def _write_rows(
    examples: Examples, given: NDArray[np.int32] | None, catalogue: Catalogue, file: Path
) -> None:
    ids = catalogue.raw_ids.tolist()
    brought = repeat(None) if given is None else given.tolist()
    with file.open("w", encoding="utf-8", newline="\n") as stream:
        pairs = zip(examples.histories.tolist(), examples.targets.tolist(), strict=True)
        for (history, target), candidates in zip(pairs, brought, strict=False):
            row = {"history": [ids[i] for i in history if i != PAD], "target": ids[target]}
            if candidates is not None:
                row["candidates"] = [ids[i] for i in candidates]
            stream.write(json.dumps(row, separators=(",", ":"), ensure_ascii=False) + "\n")


def _write_items(catalogue: Catalogue, file: Path) -> None:
    with file.open("w", encoding="utf-8", newline="\n") as stream:
        stream.write("id\ttitle\n")
        for raw_id, title in zip(catalogue.raw_ids.tolist(), catalogue.titles, strict=True):
            stream.write(f"{field_of(raw_id)}\t{title}\n")
