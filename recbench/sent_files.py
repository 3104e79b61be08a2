"""The files of a folder as one value, which another machine can be sent."""

import os
from collections.abc import Mapping
from pathlib import Path

from recbench.atomic_write import PARTIAL
from recbench.data.toml_cards import inside
from recbench.errors import UserError

Files = Mapping[str, bytes]
"""Contents by their path below a folder, with slashes."""

State = Mapping[str, tuple[int, int, int]]
"""What changes with a file, by its path: its place on the disk, its size, when it was written."""

LOCK = "lock"
"""A lock tells of a process of its own machine."""


def state_of(folder: Path) -> State:
    """
    Return what shows whether files below a folder were changed.

    Locks are left out, and what is half-written.

    Raises
    ------
    FileNotFoundError
        If one goes meanwhile.
    """
    found = {}
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.endswith(PARTIAL)]
        for name in names:
            if name != LOCK and not name.endswith(PARTIAL):
                file = Path(parent, name)
                about = file.stat()
                seen = about.st_ino, about.st_size, about.st_mtime_ns
                found[file.relative_to(folder).as_posix()] = seen
    return found


def read_changed(folder: Path, known: State) -> tuple[State, Files] | None:
    """
    Read the files below a folder whose state is another one than is known.

    Returns
    -------
    tuple or None
        None where the state is that one, and where a file was changed meanwhile: then they might
        not fit each other.
    """
    try:
        state = state_of(folder)
        if state == known:
            return None
        files = {path: (folder / path).read_bytes() for path in state}
        return (state, files) if state_of(folder) == state else None
    except FileNotFoundError:
        return None


def write_files(files: Files, folder: Path) -> None:
    """
    Write files below a folder, which is made.

    Raises
    ------
    UserError
        For a path that leads out of the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for path, content in files.items():
        try:
            file = folder / inside(path)
        except ValueError as error:
            raise UserError(str(error)) from None
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
