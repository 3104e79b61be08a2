"""The hub: what is on this machine is taken without asking, and no answer is waited for long."""

import hashlib
from functools import cache
from pathlib import Path
from threading import Thread
from typing import Any

from huggingface_hub import constants, is_offline_mode, try_to_load_from_cache
from huggingface_hub.utils import get_session

from recbench.errors import RecbenchError
from recbench.llm.weights.places import OnHub
from recbench.llm.weights.snapshot import PARTS, is_whole

SECONDS = 5.0
"""Longest that the hub is waited for: its own client tries for minutes."""


def cached_config(place: OnHub) -> Path | None:
    """Return the configuration of a model that is on this machine, else None."""
    found = try_to_load_from_cache(place.id, "config.json", revision=place.revision)
    return Path(found) if isinstance(found, str) else None


def folder_of(where: dict[str, Any]) -> Path:
    """Return the folder of a model that was read, of the keywords by which transformers did it."""
    name, revision = where["pretrained_model_name_or_path"], where.get("revision")
    if revision is None:
        return Path(name)
    config = cached_config(OnHub(name, revision))
    assert config is not None, "what was read from the hub is kept"
    return config.parent


def knows(place: OnHub, name: str) -> bool:
    """Tell whether this machine has a file of a model, or knows that there is none."""
    return try_to_load_from_cache(place.id, name, revision=place.revision) is not None


def cached_model(place: OnHub) -> Path | None:
    """
    Return the folder of a model that is on this machine with weights and tokenizer, else None.

    Raises
    ------
    RecbenchError
        If a file is not as it was downloaded.
    """
    config = cached_config(place)
    if config is None:
        return None
    folder = config.parent
    if (folder / PARTS).is_file():
        _check(folder / PARTS)  # which says what else belongs to the whole
    if not is_whole(folder):
        return None
    _check_all(folder)
    return folder


@cache  # once a process: weights may be large
def _check_all(folder: Path) -> None:
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            _check(file)


def _check(file: Path) -> None:
    """Hold a file to its name in the hub's cache: its SHA-256 if it is large, else git's hash."""
    blob = file.resolve()
    kind = {64: "sha256", 40: "sha1"}.get(len(blob.name)) if file.is_symlink() else None
    if kind is None:  # a cache without links keeps no names
        return
    hashed = hashlib.new(kind, usedforsecurity=False)
    if kind == "sha1":
        hashed.update(f"blob {blob.stat().st_size}\0".encode())
    with blob.open("rb") as stream:
        while block := stream.read(1 << 20):
            hashed.update(block)
    if hashed.hexdigest() != blob.name:
        raise RecbenchError(
            f"{file} is not as it was downloaded: remove {blob}, and the same command downloads it "
            "again"
        )


def check_reachable() -> None:
    """
    Find out whether the hub answers at all, before its client tries again and again.

    Raises
    ------
    ConnectionError
        If it does not within `SECONDS`, looking up its name included.
    """
    if not (is_offline_mode() or _answers()):
        raise ConnectionError(f"{constants.ENDPOINT} does not answer")


@cache
def _answers() -> bool:
    answers: list[object] = []

    def ask() -> None:
        try:
            answers.append(get_session().head(constants.ENDPOINT, timeout=SECONDS))
        except Exception:  # whatever its client raises, there was no answer
            return

    asking = Thread(target=ask, daemon=True)  # nothing bounds how long a name is looked up
    asking.start()
    asking.join(SECONDS)
    return bool(answers)
