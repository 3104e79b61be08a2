"""A hash of what a folder holds."""

import hashlib
from pathlib import Path


def folder_digest(folder: Path, *, without: str | None = None) -> str:
    """Return the SHA-256 over the names and contents of all files below a folder, but for one."""
    total = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        if name == without:
            continue
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        total.update(f"{name} {content}\n".encode())
    return total.hexdigest()
