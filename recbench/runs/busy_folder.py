"""Folders that other processes write to meanwhile: what goes while it is looked for is no error."""

import os
from collections.abc import Iterator
from itertools import chain
from pathlib import Path


def below(folder: Path) -> Iterator[Path]:
    """
    Yield all files and folders below a folder; nothing where there is none.

    ``Path.rglob`` fails where a folder goes between being listed and being entered.
    """
    for at, *names in os.walk(folder):
        yield from (Path(at) / name for name in chain(*names))


def changed(path: Path) -> float:
    """Return when a file or folder was changed last, seconds since 1970; 0 if it has gone."""
    try:
        return path.lstat().st_mtime
    except OSError:
        return 0.0
