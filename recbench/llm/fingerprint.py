"""What a language model is: the same name may hold other weights tomorrow."""

import hashlib
from collections.abc import Collection
from functools import cache
from importlib.resources import files
from pathlib import Path

from transformers.utils.hub import cached_file

from recbench.llm.places import InFolder, OnHub, place_of
from recbench.llm.reading import explained, quiet

SUFFIXES = {".json", ".safetensors", ".gguf", ".model", ".txt", ".jinja"}
"""Of files that decide what a model or its tokenizer does."""


def fingerprint(llm: str) -> str:
    """
    Return the commit of a model on the hub, or the SHA-256 of a local model's files.

    Parameters
    ----------
    llm
        As for `recbench.llm.places.place_of`.

    Raises
    ------
    UserError, RecbenchError
        As `recbench.llm.backbone.load_backbone` does: a name that is none fails here, before
        anything is trained.
    """
    place = place_of(llm)
    if isinstance(place, OnHub):
        return commit(place)
    return hashed(place.path) if isinstance(place, InFolder) else place.digest()


@cache  # so that what was fingerprinted is what is loaded, whatever the hub does in between
def commit(place: OnHub) -> str:
    """Return the commit that a model's revision is, by its configuration, which is fetched."""
    with quiet():
        try:
            config = cached_file(place.id, "config.json", revision=place.revision)
        except OSError as error:
            raise explained(place.id, error) from error
    return Path(str(config)).parent.name


def prompt_files() -> str:
    """Return the SHA-256 of the wording of all prompts."""
    return hashed(Path(str(files("recbench.llm"))) / "prompts")


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
