"""
A static site: an index, a page of each table, and all of them as one report.

A folder that stands there already is replaced where it holds a site and nothing else: ``site.json``
names the files of one with their SHA-256.
"""

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from recbench.atomic_write import atomic_folder
from recbench.errors import UserError
from recbench.file_digests import file_digest
from recbench.report.contents import contents
from recbench.report.page import Link, check_installed, index, page
from recbench.runs.leaderboard import Table
from recbench.runs.systems import question
from recbench.settings import digest

INDEX, REPORT, CONTENTS = "index.html", "report.html", "site.json"

EXAMPLES = 100
"""Single examples shown of each table, at most."""


def write_site(folder: Path, tables: Sequence[Table], report: Callable[[str], None]) -> list[str]:
    """
    Write a site; titles are left out. The same records give the same bytes on the same processor.

    Parameters
    ----------
    folder
        Complete at once, or not touched.
    tables
        From `recbench.runs.leaderboard.leaderboard`; at least one.
    report
        Told one line about what cannot be shown.

    Returns
    -------
    list of str
        The files that were written.

    Raises
    ------
    UserError
        If something else than a site stands at `folder`.
    NotInstalledError
        If a package is missing that draws pages.
    """
    check_free(folder)
    check_installed()
    sections = contents(tables, None, EXAMPLES, report)
    pages = dict(zip(map(name_of, tables), sections, strict=True))
    links = [Link(name, section.title, section.runs) for name, section in pages.items()]
    texts = {name: page([section], INDEX) for name, section in pages.items()}
    texts |= {REPORT: page(sections, INDEX), INDEX: index(links, REPORT)}
    with atomic_folder(folder) as partial:
        for name, text in texts.items():
            (partial / name).write_text(text, encoding="utf-8")
        hashes = {name: file_digest(partial / name) for name in sorted(texts)}
        (partial / CONTENTS).write_text(json.dumps(hashes, indent=2) + "\n", encoding="utf-8")
    return [*hashes, CONTENTS]


def name_of(table: Table) -> str:
    """Name the page of a table: the same as long as the question is."""
    record = table.record
    words = f"{record.dataset}-{record.protocol}-{digest(question(record))[:8]}"
    return re.sub("[^A-Za-z0-9.]+", "-", words) + ".html"


def check_free(folder: Path) -> None:
    """
    Check that nothing of the user's is written over.

    Raises
    ------
    UserError
        If there is a file, or a folder that holds anything but a site as it was written.
    """
    if not folder.exists() and not folder.is_symlink():
        return
    other = _other(folder)
    if other:
        raise UserError(f"{folder} is not written over: {other}; name another folder by --site")


def _other(folder: Path) -> str:
    """Say what else a folder is or holds than a site; empty for nothing else."""
    if folder.is_symlink() or not folder.is_dir():
        return "it is a link or a file"
    there = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
    if not there:
        return ""
    try:
        named = dict(json.loads(there.pop(CONTENTS).read_text(encoding="utf-8")))
    except (OSError, KeyError, ValueError, TypeError):
        return f"it has no {CONTENTS}, as a site of recbench has"
    for name, path in sorted(there.items()):
        if name not in named or not path.is_file() or file_digest(path) != named[name]:
            return f"{name} is not as recbench wrote it"
    return ""
