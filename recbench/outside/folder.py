"""
A folder of frozen questions: two tables that hold the same, and a manifest.

``questions.jsonl`` and ``questions.parquet`` have a row an example: ``key``, ``history`` and
``history_titles`` (oldest first), ``candidates`` and ``candidate_titles``, and ``prompt`` where it
was asked for. In a full ranking the candidates are all items, once for all rows: ``items.jsonl``
and ``items.parquet`` (``id``, ``title``). The manifest is written last.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from recbench.atomic_write import atomic_file
from recbench.errors import DataError, UserError
from recbench.file_digests import file_digest
from recbench.llm.prompts.wording import Wording
from recbench.outside.manifest import MANIFEST, Manifest, read_manifest
from recbench.outside.sheet import Sheet
from recbench.questions.split import PAD

QUESTIONS, ITEMS = "questions", "items"

_ITEM_FILES = {f"{ITEMS}.jsonl", f"{ITEMS}.parquet"}

_ROWS_AT_ONCE = 2_000

Row = dict[str, Any]


def write_questions(
    sheet: Sheet,
    pack_seed: int,
    folder: Path,
    prompts: bool = False,
    report: Callable[[str], None] = lambda _: None,
) -> Manifest:
    """
    Write a sheet into a folder.

    Parameters
    ----------
    sheet
        What is asked.
    pack_seed
        From which its candidates were drawn.
    folder
        Made if it is missing. Files of these names are replaced, items of earlier questions
        removed, others left alone; without a manifest, which is written last, a folder is not
        complete.
    prompts
        Whether each row holds its question in the words that recbench's language models read.
    report
        Told that other questions were replaced, where some were.

    Raises
    ------
    UserError
        If prompts are wanted of a sheet that is not to be answered in text; if another program's
        manifest stands in the folder.
    """
    if prompts and sheet.kind != "text":
        raise UserError("--with-prompts writes questions for texts; leave out --kind scores")
    earlier = _earlier(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name in set() if earlier is None else _ITEM_FILES & earlier.files.keys():
        (folder / name).unlink(missing_ok=True)
    (folder / MANIFEST).unlink(missing_ok=True)
    files = _write(folder, QUESTIONS, _questions(sheet, prompts), _columns(sheet, prompts))
    if sheet.question.protocol.full:
        kinds = {"id": _id_type(sheet), "title": pa.string()}
        files |= _write(folder, ITEMS, _items(sheet), kinds)
    manifest = Manifest.of(sheet, pack_seed, files)
    if earlier is not None and not earlier.asks_as(manifest):
        report(
            f"{folder} held other questions, which are replaced: {earlier.dataset} under "
            f"{earlier.protocol}, pack {earlier.digests.pack}"
        )
    with atomic_file(folder / MANIFEST) as partial:
        partial.write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return manifest


def _earlier(folder: Path) -> Manifest | None:
    """Read what the folder says that it holds; refuse one with such a file that is not ours."""
    if not (folder / MANIFEST).exists():
        return None
    try:
        return read_manifest(folder)
    except DataError:
        raise UserError(
            f"{folder / MANIFEST} is not of recbench questions, and would be replaced; name "
            "another folder by --out, or move it away"
        ) from None


def check_files(folder: Path, manifest: Manifest) -> None:
    """
    Check that what is there of a folder's files is as it was written.

    Raises
    ------
    DataError
        For a file that was changed.
    """
    for name, wanted in manifest.files.items():
        file = folder / Path(name).name
        if file.is_file() and file_digest(file) != wanted:
            raise DataError(
                f"{file} was changed since it was written: its SHA-256 is not that of "
                f"{folder / MANIFEST}; make the questions anew with: recbench questions"
            )


def _questions(sheet: Sheet, prompts: bool) -> Iterator[Row]:
    """Give the rows by key."""
    question = sheet.question
    catalogue, card = question.split.catalogue, question.dataset.card
    ids, titles = catalogue.raw_ids.tolist(), catalogue.titles
    wording = Wording(card.verb, *card.noun)
    for number in sheet.order:
        history = question.split.test.histories[number]
        met = history[history != PAD].tolist()
        row: Row = {
            "key": sheet.keys[number],
            "history": [ids[code] for code in met],
            "history_titles": [titles[code] for code in met],
        }
        if not question.protocol.full:
            shown = sheet.shown(number).tolist()
            row["candidates"] = [ids[code] for code in shown]
            row["candidate_titles"] = [titles[code] for code in shown]
        if prompts:
            row["prompt"] = wording.question(row["history_titles"], row["candidate_titles"])
        yield row


def _columns(sheet: Sheet, prompts: bool) -> dict[str, pa.DataType]:
    ids, texts = pa.list_(_id_type(sheet)), pa.list_(pa.string())
    columns = {"key": pa.string(), "history": ids, "history_titles": texts}
    if not sheet.question.protocol.full:
        columns |= {"candidates": ids, "candidate_titles": texts}
    return columns | ({"prompt": pa.string()} if prompts else {})


def _items(sheet: Sheet) -> Iterator[Row]:
    catalogue = sheet.question.split.catalogue
    for one, title in zip(catalogue.raw_ids.tolist(), catalogue.titles, strict=True):
        yield {"id": one, "title": title}


def _id_type(sheet: Sheet) -> pa.DataType:
    is_integer = sheet.question.split.catalogue.raw_ids.dtype == np.int64
    return pa.int64() if is_integer else pa.string()


def _write(
    folder: Path, name: str, rows: Iterable[Row], columns: dict[str, pa.DataType]
) -> dict[str, str]:
    """Write rows as JSON Lines and as Parquet; return each file's SHA-256 by its name."""
    lines, table = folder / f"{name}.jsonl", folder / f"{name}.parquet"
    schema, left = pa.schema(columns), iter(rows)
    with (
        atomic_file(lines) as of_lines,
        atomic_file(table) as of_table,
        of_lines.open("w", encoding="utf-8", newline="\n") as stream,
        parquet.ParquetWriter(of_table, schema, compression="zstd") as writer,
    ):
        while chunk := list(islice(left, _ROWS_AT_ONCE)):
            for row in chunk:
                stream.write(json.dumps(row, ensure_ascii=False) + "\n")
            writer.write_table(pa.Table.from_pylist(chunk, schema))
    return {file.name: file_digest(file) for file in (lines, table)}
