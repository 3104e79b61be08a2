"""The folder in which the hub's client keeps a model: whether it is all there."""

import json
from pathlib import Path

PARTS = "model.safetensors.index.json"
"""Says in which files weights are that stand in several."""

_WEIGHTS = "model.safetensors"
_TOKENIZER = ("tokenizer.json", "tokenizer_config.json")


def is_whole(folder: Path) -> bool:
    """Tell whether weights and tokenizer are there, by the names of files and the list of parts."""
    if any(not path.exists() for path in folder.rglob("*")):
        return False  # a link to what was removed
    if not any((folder / name).is_file() for name in _TOKENIZER):
        return False
    if not (folder / PARTS).is_file():
        return (folder / _WEIGHTS).is_file()
    try:
        parts = _parts(folder)
    except (ValueError, KeyError, TypeError, AttributeError):
        return False  # whoever reads the weights says what is wrong with it
    return all(part.is_file() for part in parts)


def weight_files(folder: Path) -> list[Path]:
    """Return the files from which transformers has read the weights of a model."""
    if (folder / _WEIGHTS).is_file():
        return [folder / _WEIGHTS]
    return sorted(_parts(folder)) if (folder / PARTS).is_file() else []


def _parts(folder: Path) -> set[Path]:
    weights = json.loads((folder / PARTS).read_bytes())["weight_map"]
    return {folder / part for part in weights.values()}
