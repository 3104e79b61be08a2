"""Hashes of what files and folders hold."""

import hashlib
from pathlib import Path


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits; OSError where it cannot be read."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def folder_digest(folder: Path, *, without: str | None = None) -> str:
    """Return the SHA-256 over the names and contents of all files below a folder, but for one."""
    total = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        if name == without:
            continue
        total.update(f"{name} {file_digest(path)}\n".encode())
    return total.hexdigest()
