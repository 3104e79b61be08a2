"""Hashes of what files and folders hold."""

import hashlib
from functools import cache
from pathlib import Path

_BLOCK = 1 << 20


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits; OSError where it cannot be read."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_once(*files: Path) -> str:
    """
    Return the SHA-256 of files, one behind the other, which are read once while they stay.

    For weights: a run asks six times what a language model is, and its files may be of many GB. A
    file is another one when its size, its place on the disk or a time of a change is another.
    """
    return _known(tuple((file.absolute(), *_stamp(file)) for file in files))


def _stamp(file: Path) -> tuple[int, int, int, int]:
    stat = file.stat()
    return stat.st_size, stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns


@cache
def _known(files: tuple[tuple[Path, int, int, int, int], ...]) -> str:
    total = hashlib.sha256()
    for path, *_ in files:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                total.update(block)
    return total.hexdigest()


def folder_digest(folder: Path, *, without: str | None = None) -> str:
    """Return the SHA-256 over the names and contents of all files below a folder, but for one."""
    total = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        if name == without:
            continue
        total.update(f"{name} {file_digest(path)}\n".encode())
    return total.hexdigest()
