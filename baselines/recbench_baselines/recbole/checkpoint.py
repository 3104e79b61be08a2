"""
A file that RecBole's trainer saved, read without running anything that is in it.

Such a file is a pickle. Torch's restricted reader builds tensors, numbers and texts; whatever else
the file names, RecBole's configuration first, is put in the place of an inert object that holds
what it would be made of.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recbench.data.catalogue import Catalogue
from recbench.errors import DataError, UserError
from recbench_baselines.recbole.settings import RecBoleSettings

PADDING = "[PAD]"
"""RecBole's token of no item, the first of its table."""


@dataclass(frozen=True)
class Saved:
    """What is of use in such a file: whose it is, how it was configured, and its weights."""

    model: str
    configuration: dict[str, Any]
    weights: dict[str, Tensor]


class _Inert:
    """Stands for an object that is not made; it has the attributes that the file gives it."""

    def __init__(self, *_: object) -> None:
        pass


def read(file: Path) -> Saved:
    """
    Read a file of RecBole's trainer.

    Raises
    ------
    DataError
        If it is missing, no such file, or asks for what torch never lets a file ask for.
    """
    if not file.is_file():
        raise DataError(f"{file}: expected a checkpoint of RecBole, found no file")
    try:
        named = torch.serialization.get_unsafe_globals_in_checkpoint(str(file))
        with torch.serialization.safe_globals([(_Inert, name) for name in named]):
            found = torch.load(file, map_location="cpu", weights_only=True)
        config, weights = found["config"], found["state_dict"]
        saved = Saved(config.model, dict(config.final_config_dict), dict(weights))
    except Exception as error:  # a broken or hostile file may fail in any way
        said = " ".join(str(error).split())[:200]
        raise DataError(
            f"{file}: expected a checkpoint as RecBole 1.2.1 saves it (config, state_dict); "
            f"nothing of it was run: {type(error).__name__}: {said}"
        ) from error
    if not all(isinstance(one, Tensor) for one in saved.weights.values()):
        raise DataError(f"{file}: expected tensors in its state_dict, found others")
    return saved


def check_settings(file: Path, saved: Saved, model: str, settings: RecBoleSettings) -> None:
    """Refuse a checkpoint of another model or of other hyper-parameters, with the way out."""
    if saved.model != model:
        raise UserError(f"{file} is of {saved.model}: take --model recbole:{saved.model}")
    wanted = settings.hyperparameters() | {"MAX_ITEM_LIST_LENGTH": settings.max_length}
    others = {
        key: saved.configuration[key]
        for key, value in wanted.items()
        if key in saved.configuration and not _equal(saved.configuration[key], value)
    }
    if others:
        named = {
            "max_length" if key == "MAX_ITEM_LIST_LENGTH" else key: others[key] for key in others
        }
        words = " ".join(f"--set {key}={_text(value)}" for key, value in named.items())
        raise UserError(f"{file} was trained with other settings; add {words}")


def put(file: Path, saved: Saved, module: nn.Module) -> None:
    """Copy a checkpoint's weights into a module; DataError where they do not fit."""
    try:
        module.load_state_dict(saved.weights)
    except RuntimeError as error:
        said = " ".join(str(error).split())[:300]
        raise DataError(
            f"{file}: expected weights for the items of item_tokens, as many: {said}"
        ) from error


def item_places(file: Path, catalogue: Catalogue) -> tuple[NDArray[np.int64], int]:
    """
    Read which row of RecBole's table each item of a catalogue has.

    Returns
    -------
    places : ndarray
        int64 [items].
    rows : int
        Rows of the table, the padding's included.

    Raises
    ------
    DataError
        If the file is missing, does not begin with the padding, has a token twice, or lacks an item
        of the catalogue.
    """
    if not file.is_file():
        raise DataError(f"{file}: expected the items in RecBole's order, found no file")
    try:
        tokens = file.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise DataError(f"{file}: expected text in UTF-8, one item a line") from None
    if tokens[:1] != [PADDING]:
        found = repr(tokens[0]) if tokens else "nothing"
        raise DataError(f"{file}, line 1: expected {PADDING}, RecBole's first token, found {found}")
    rows: dict[str, int] = {}
    for row, token in enumerate(tokens):
        if rows.setdefault(token, row) != row:
            raise DataError(
                f"{file}, line {row + 1}: expected every item once, found {token!r} as in line "
                f"{rows[token] + 1}"
            )
    ids = [str(one) for one in catalogue.raw_ids.tolist()]
    if lacking := [one for one in ids if one not in rows]:
        raise DataError(
            f"{file}: expected all {len(ids)} items of the catalogue, found {len(lacking)} missing "
            f"({lacking[0]!r} first): RecBole's model cannot rank what it does not know"
        )
    return np.array([rows[one] for one in ids], dtype=np.int64), len(tokens)


def _equal(theirs: Any, ours: Any) -> bool:
    return theirs == ours or str(theirs) == str(ours)


def _text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
