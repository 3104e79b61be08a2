"""What a language model is: the same name may hold other weights tomorrow."""

import hashlib
from importlib.resources import files
from pathlib import Path

from transformers.utils.hub import cached_file

from recbench.llm.backbone import TINY, explained, quiet, source

SUFFIXES = {".json", ".safetensors", ".gguf", ".model", ".txt", ".jinja"}
"""Of files that decide what a model or its tokenizer does."""


def fingerprint(llm: str) -> str:
    """
    Return the commit of a model on the hub, or the SHA-256 of a local model's files.

    Parameters
    ----------
    llm
        As for `recbench.llm.backbone.load_backbone`.

    Raises
    ------
    UserError, RecbenchError
        As `load_backbone` does: a name that is none fails here, before anything is trained.
    """
    if llm == TINY:
        return hashed(Path(str(files("recbench.llm"))) / TINY)
    found = source(llm)
    place = Path(found["pretrained_model_name_or_path"])
    if "gguf_file" in found:
        return hashed(place / found["gguf_file"])
    if place.is_dir():
        return hashed(place)
    with quiet():
        try:
            config = cached_file(llm, "config.json")
        except OSError as error:
            raise explained(llm, error) from error
    return Path(str(config)).parent.name


def prompt_files() -> str:
    """Return the SHA-256 of the wording of all prompts."""
    return hashed(Path(str(files("recbench.llm"))) / "prompts")


def hashed(path: Path) -> str:
    """Return the SHA-256 of a file, or of a folder's files with their names."""
    parts = [path] if path.is_file() else sorted(path.iterdir())
    total = hashlib.sha256()
    for part in parts:
        if part.suffix.lower() in SUFFIXES and part.is_file():
            with part.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            total.update(f"{part.name} {content}\n".encode())
    return total.hexdigest()
