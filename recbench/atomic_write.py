"""Files and folders are written aside and renamed: a reader never meets a half-written one."""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PARTIAL = ".partial"
"""How the name of what is not whole yet ends; before it stands the id of the process."""


@contextmanager
def atomic_file(target: Path) -> Iterator[Path]:
    """
    Give a path to write, which becomes `target` when the block ends well.

    Missing parents of `target` are made; a file that stands there is replaced. When the block
    raises, nothing is left.

    Raises
    ------
    IsADirectoryError
        If a folder stands at `target`.
    """
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.{os.getpid()}{PARTIAL}")
    try:
        yield partial
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """
    Give an empty folder to fill, which becomes `target` when the block ends well.

    A folder that stands at `target` by then is replaced, and is never met half-removed. When the
    block raises, nothing is left.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with folder_aside(target) as partial:
        yield partial
        with folder_aside(target) as replaced:
            if target.is_dir():
                with suppress(FileNotFoundError):  # another process has just done the same
                    target.rename(replaced)
            try:
                partial.rename(target)
            except OSError:
                # Another one finished the same folder in between: its content is as good as ours.
                if not target.is_dir():
                    if any(replaced.iterdir()):
                        replaced.rename(target)
                    raise


@contextmanager
def folder_aside(target: Path) -> Iterator[Path]:
    """Give an empty folder beside `target`, which is removed when the block ends."""
    suffix = f".{os.getpid()}{PARTIAL}"
    partial = Path(tempfile.mkdtemp(prefix=f"{target.name}.", suffix=suffix, dir=target.parent))
    try:
        yield partial
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def writer_of(partial: Path) -> int | None:
    """Return the id of the process that writes, or wrote, what is not whole; None if unknown."""
    process = partial.name.removesuffix(PARTIAL).rpartition(".")[2]
    return int(process) if process.isdecimal() else None
