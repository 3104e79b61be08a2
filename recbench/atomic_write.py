"""
Files and folders are written aside and renamed: a reader never meets a half-written one.

They are on the disk itself before they have their name. Where the power fails or the system falls
over, what stands is whole, and what it was made from may have been removed.
"""

import errno
import os
import re
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PARTIAL = ".partial"
"""How the name of what is not whole yet ends; before it stands the id of the process."""


_BLOCK = 4096
"""Bytes that a file system gives out at once, as a rule."""


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
    OSError
        With the name of `target`, where the disk refuses: that it is full, for example.
    """
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
    partial = _aside(target)
    with naming(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield partial
            _for_others(partial)
            to_disk(partial)
            partial.replace(target)
            to_disk(target.parent)
        finally:
            partial.unlink(missing_ok=True)


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """
    Give an empty folder to fill, which becomes `target` when the block ends well.

    A folder that stands at `target` by then is replaced, and is never met half-removed. When the
    block raises, nothing is left.

    Raises
    ------
    OSError
        As `atomic_file`.
    """
    with naming(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with folder_aside(target) as partial:
            yield partial
            for path in (*partial.rglob("*"), partial):
                if not path.is_symlink():
                    _for_others(path)
                    to_disk(path)
            with folder_aside(target) as replaced:
                _exchange(partial, target, replaced)
            to_disk(target.parent)


def _exchange(partial: Path, target: Path, replaced: Path) -> None:
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
    partial = _aside(target)
    partial.mkdir()  # as the umask says: what `tempfile` makes is its owner's alone, renamed or not
    try:
        yield partial
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _for_others(path: Path) -> None:
    """Let others read a file as any that is made here: some libraries make theirs private."""
    own = path.stat().st_mode
    if stat.S_ISDIR(own) or own & 0o077:
        return
    # What is made here says it: the umask is that of all threads, and a folder may have its own.
    usual = path.with_name(f"{secrets.token_hex(4)}{PARTIAL}")
    with suppress(OSError):
        try:
            usual.touch(exist_ok=False)
            path.chmod(stat.S_IMODE(own | usual.stat().st_mode))
        finally:
            usual.unlink(missing_ok=True)


def _aside(target: Path) -> Path:
    """Name what becomes `target`: in containers on one disk, several processes have one id."""
    return target.with_name(f"{target.name}.{secrets.token_hex(4)}.{os.getpid()}{PARTIAL}")


def to_disk(path: Path) -> None:
    """Have the system write a file, or the names in a folder, to the disk now, not some day."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system that cannot be told
            raise
    finally:
        os.close(handle)


def writer_of(partial: Path) -> int | None:
    """Return the id of the process that writes, or wrote, what is not whole; None if unknown."""
    process = partial.name.removesuffix(PARTIAL).rpartition(".")[2]
    return int(process) if process.isdecimal() else None


@contextmanager
def naming(target: Path) -> Iterator[None]:
    """
    Name what could not be written, in the operating system's own error.

    Some libraries leave the name out (Arrow, Python's own writes), others raise errors of their own
    with the system's number in the text (safetensors), or tell how much they wrote alone (numpy).
    """
    try:
        yield
    except Exception as error:
        number = _number(error)
        if number is None or getattr(error, "filename", None):
            raise
        raise OSError(number, os.strerror(number), str(target)) from error


def _number(error: Exception) -> int | None:
    """Return the number by which the operating system told what went wrong, if it did."""
    if isinstance(error, OSError):
        return errno.ENOSPC if re.search(r"requested and \d+ written", str(error)) else error.errno
    found = re.search(r"\(os error (\d+)\)", str(error))
    return int(found[1]) if found else None


def check_writable(folder: Path) -> None:
    """Raise OSError now, not when hours of work are to be written into a folder, which is made."""
    with naming(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(_BLOCK))  # a full disk may still take an empty one
