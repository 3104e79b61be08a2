"""A hash of the files in a folder that decide what a model or its tokenizer does."""

import hashlib
from collections.abc import Collection
from pathlib import Path

from recbench.file_digests import digest_once

SUFFIXES = {".json", ".safetensors", ".gguf", ".model", ".txt", ".jinja"}
"""Of files that decide what a model or its tokenizer does."""


def hashed(path: Path, names: Collection[str] | None = None) -> str:
    """Return the SHA-256 of a folder's files with their names: those of `SUFFIXES`, or `names`."""
    total = hashlib.sha256()
    for part in sorted(path.iterdir()):
        wanted = part.suffix.lower() in SUFFIXES if names is None else part.name in names
        if wanted and part.is_file():
            total.update(f"{part.name} {digest_once(part)}\n".encode())
    return total.hexdigest()
