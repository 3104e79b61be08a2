"""
Fill in what each kind of file may hold, in the docs: every cell is a file that was read.

    python tools/readers.py

A cell says ``yes`` where the file is read as it is meant, ``named`` where that takes an option of
``recbench data add``, ``left out`` where the rest of the file is read, ``refused`` where it ends
with one line that says why, and ``–`` where the kind of file has no such thing. To add a kind, say
in `file_kinds.KINDS` how it is written; what is tried stands in `file_probes.TOPICS`.
"""

import gzip
import re
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import typer
from file_kinds import KINDS, Case, Kind, atomic, split_items
from file_probes import TOPICS, Probe

from recbench.data.dataset import Dataset
from recbench.data.imported import import_split
from recbench.data.own import add
from recbench.data.own_files import Files
from recbench.data.readers.columns import Columns
from recbench.data.released import PARTS
from recbench.data.written import written_by
from recbench.errors import UserError

PAGE = Path(__file__).resolve().parents[1] / "docs" / "own-data.md"
BLOCK = re.compile(
    r"(?<=<!-- printed by: tools/readers.py -->\n).*?(?=<!-- end of print -->)", re.DOTALL
)


def file_written(folder: Path, name: str, end: str, content: str | bytes, case: Case) -> Path:
    """Write one file."""
    file = folder / f"{name}{end}{'.gz' if case.packed else ''}"
    data = content if isinstance(content, bytes) else content.encode(case.encoding)
    file.write_bytes(gzip.compress(data) if case.packed else data)
    return file


def read(kind: Kind, end: str, probe: Probe, options: Mapping[str, str], folder: Path) -> Dataset:
    """Write the files of a probe and add them as a user does."""
    case, items = probe.case, None
    if "split" in kind.family:
        return read_split(kind, end, case, folder)
    if case.goods is not None:
        listed_end = ".item" if kind.family == "atomic" else end
        items = file_written(folder, "items", listed_end, kind.written(case.goods, case), case)
    rated = file_written(folder, "events", end, kind.written(case.events, case), case)
    names = ("separator", "encoding", "columns", "item_columns")
    written = written_by(*(options.get(name) for name in names))
    format_name = "atomic" if kind.family == "atomic" else "table"
    files = Files(format_name, rated, items, Columns(), *written)
    return add("tried", files, folder / "cache", silent)


def read_split(kind: Kind, end: str, case: Case, folder: Path) -> Dataset:
    """Write a finished split and import it as a user does."""
    rows = [{"item": row["item"]} for row in case.events]
    recbole = kind.family == "presplit"
    for part in PARTS:
        name = f"tried.{part}" if recbole else part
        file_written(folder, name, end, kind.written(rows, case), case)
    if not recbole:
        listed = split_items(case.goods or (), case)
        file_written(folder, "items", ".tsv", listed, replace(case, packed=False))
    elif case.goods is not None:
        file_written(folder, "tried", ".item", atomic(case.goods, case), case)
    return import_split("tried", folder, None, folder / "cache", silent)


def silent(_: str) -> None:
    """Say nothing."""


def outcome(kind: Kind, end: str, probe: Probe) -> str:
    """
    Return the cell of one kind of file and one probe.

    Raises
    ------
    AssertionError
        If something was read that is not what was written.
    """
    if kind.family not in probe.of.split() or probe.name in kind.lacks:
        return "–"
    for said, options in (("yes", {}), ("named", probe.options)):
        with tempfile.TemporaryDirectory() as folder:
            try:
                made = read(kind, end, probe, options, Path(folder))
            except UserError:
                continue
        if probe.right(made):
            return said
        if made.ratings is None and "rating" in probe.case.events[0]:
            return "left out"
        raise AssertionError(f"{end}: {probe.name} is read as something else")
    return "refused"


def cell(kind: Kind, probe: Probe) -> str:
    """Return what all ends of a kind come to, which must be one thing."""
    (said,) = {outcome(kind, end, probe) for end in kind.ends}
    return said


def table(topic: str) -> str:
    """Return one table: a row a kind of file, a column a thing to try."""
    probes = list(TOPICS[topic]())
    lines = [[topic, *(probe.name for probe in probes)], ["---"] * (len(probes) + 1)]
    for kind in KINDS:
        cells = [cell(kind, probe) for probe in probes]
        if set(cells) != {"–"}:
            ends = ", ".join(f"`{end}`" for end in kind.ends)
            lines.append([kind.title or ends, *cells])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def tables() -> str:
    """Return all tables."""
    return "\n" + "\n".join(map(table, TOPICS)) + "\n"


def filled(page: str) -> str:
    """Return the page with the tables as they come out now."""
    return BLOCK.sub(lambda _: tables(), page)


def main() -> None:
    """Fill in the tables of kinds of files."""
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
