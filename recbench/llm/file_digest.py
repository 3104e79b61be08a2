"""What the files of a language model, an adapter or a prompt hold, as one hash."""

import hashlib
from collections.abc import Collection
from pathlib import Path

SUFFIXES = {".json", ".safetensors", ".gguf", ".model", ".txt", ".jinja"}
"""Of files that decide what a model or its tokenizer does."""


def hashed(path: Path, names: Collection[str] | None = None) -> str:
    """Return the SHA-256 of a folder's files with their names: those of `SUFFIXES`, or `names`."""
    total = hashlib.sha256()
    for part in sorted(path.iterdir()):
        wanted = part.suffix.lower() in SUFFIXES if names is None else part.name in names
        if wanted and part.is_file():
            with part.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            total.update(f"{part.name} {content}\n".encode())
    return total.hexdigest()
