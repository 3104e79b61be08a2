"""
A file that RecBole's trainer saved, read without running anything that is in it.

It is an archive with a pickle and the numbers of every tensor beside it. Torch's own restricted
reader does not know the pickle's protocol (4), so it is read as a description
(`recbench.data.readers.pickled`): RecBole's configuration and whatever else it names is never made.
"""

import math
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recbench.data.archive import DAMAGED
from recbench.data.catalogue import Catalogue
from recbench.data.readers.pickled import LARGEST, Call, Name, Stored, described
from recbench.errors import DataError, UserError
from recbench.settings import LARGEST as LARGEST_NUMBER
from recbench_baselines.recbole.settings import RecBoleSettings

PADDING = "[PAD]"
"""RecBole's token of no item, the first of its table."""

_SHOWN = 200
"""Most characters of what is wrong with a file, which it may have a say in."""

_TENSOR = "torch._utils._rebuild_tensor_v2"
_TYPES = {
    "torch.FloatStorage": torch.float32,
    "torch.DoubleStorage": torch.float64,
    "torch.HalfStorage": torch.float16,
    "torch.LongStorage": torch.int64,
    "torch.IntStorage": torch.int32,
    "torch.BoolStorage": torch.bool,
}


@dataclass(frozen=True)
class Saved:
    """What is of use in such a file: whose it is, how it was configured, and its weights."""

    model: str
    configuration: dict[str, Any]
    weights: dict[str, Tensor]


def read(file: Path) -> Saved:
    """
    Read a file of RecBole's trainer.

    Raises
    ------
    DataError
        If it is missing or no such file.
    """
    if not file.is_file():
        raise DataError(f"{file}: expected a checkpoint of RecBole, found no file")
    with file.open("rb") as stream:
        try:
            with zipfile.ZipFile(stream) as archive:
                return _read(file, archive)
        except RuntimeError as error:  # of torch, and of an encrypted archive
            raise _no_checkpoint(file, str(error)) from error
        except (*DAMAGED, LookupError, TypeError, AttributeError) as error:
            raise _no_checkpoint(file, f"{type(error).__name__}: {error}") from error


def _read(file: Path, archive: zipfile.ZipFile) -> Saved:
    for info in archive.infolist():
        if info.compress_type != zipfile.ZIP_STORED:
            raise _no_checkpoint(file, f"{info.filename} is compressed, as torch never does")
    # What lies over one another would come to more than the file that holds it.
    if sum(info.file_size for info in archive.infolist()) > file.stat().st_size:
        raise _no_checkpoint(file, "its parts come to more bytes than it has itself")
    pickles = [name for name in archive.namelist() if name.endswith("data.pkl")]
    if len(pickles) != 1:
        raise _no_checkpoint(file, f"it has {len(pickles)} files data.pkl")
    pickle, root = pickles[0], pickles[0].removesuffix("data.pkl")
    if archive.getinfo(pickle).file_size > LARGEST:
        raise _no_checkpoint(file, f"{pickle} has more than {LARGEST} bytes")
    order = f"{root}byteorder"
    if order in archive.namelist() and archive.read(order) != b"little":
        raise _no_checkpoint(file, "its numbers are not little-endian")
    found = described(archive.read(pickle), str(file), None, beside=True)
    config = found["config"].state
    model, configured = config["model"], config["final_config_dict"]
    if not (isinstance(model, str) and model.isidentifier()):
        raise _no_checkpoint(file, "its configuration names no model")
    if not isinstance(configured, dict):
        raise _no_checkpoint(file, "its final_config_dict is no dict")
    return Saved(model, configured, _tensors(archive, root, found["state_dict"]))


def _tensors(archive: zipfile.ZipFile, root: str, weights: Any) -> dict[str, Tensor]:
    """Make the tensors that a state dict describes: by names alone, and of nothing else."""
    if not isinstance(weights, dict):
        raise ValueError("its state_dict is no dict")
    for name, call in weights.items():
        if not isinstance(name, str):
            raise ValueError(f"a weight of its state_dict is called {name!r}, which is no text")
        if not (isinstance(call, Call) and call.name == _TENSOR):
            raise ValueError(f"{name} of its state_dict is no tensor")
    return {name: _tensor(archive, root, call) for name, call in weights.items()}


def _tensor(archive: zipfile.ZipFile, root: str, call: Call) -> Tensor:
    """Make the tensor that a call describes from the numbers that lie beside the pickle."""
    stored, offset, size, stride, *_ = call.args
    if not isinstance(stored, Stored):
        raise ValueError("a tensor without numbers beside the pickle")
    _, kind, key, _, count = stored.id
    if not (isinstance(kind, Name) and isinstance(key, str) and isinstance(count, int)):
        raise ValueError("a tensor whose numbers are not named as torch names them")
    if kind.path not in _TYPES:
        raise ValueError(f"numbers of the type {kind.path} are not known")
    dtype, content = _TYPES[kind.path], bytearray(archive.read(f"{root}data/{key}"))
    if len(content) != count * dtype.itemsize:
        raise ValueError(f"{key} has {len(content)} bytes, not {count} numbers")
    if math.prod(size) > count:
        raise ValueError(f"{key} has {count} numbers, and a tensor of {math.prod(size)}")
    numbers = torch.frombuffer(content, dtype=dtype) if content else torch.empty(0, dtype=dtype)
    return numbers.as_strided(size, stride, offset).clone()


def _no_checkpoint(file: Path, why: str) -> DataError:
    said = " ".join(why.split())[:_SHOWN]
    return DataError(
        f"{file}: expected a checkpoint as RecBole 1.2.1 saves it; nothing of it was run: {said}"
    )


def check_settings(file: Path, saved: Saved, model: str, settings: RecBoleSettings) -> None:
    """Refuse a checkpoint of another model or of other hyper-parameters, with the way out."""
    if saved.model != model:
        raise UserError(f"{file} is of {saved.model}: take --model recbole:{saved.model}")
    wanted = settings.hyperparameters() | {"MAX_ITEM_LIST_LENGTH": settings.max_length}
    theirs = {key: saved.configuration[key] for key in wanted if key in saved.configuration}
    for key, value in theirs.items():
        if not _is_plain(value):
            raise _no_checkpoint(file, f"{key} of its configuration is no setting")
    # RecBole keeps what it was given, even where nothing follows from it.
    idle = settings.idle(wanted | theirs, settings.max_length)
    others = {
        key: value
        for key, value in theirs.items()
        if key not in idle and not _equal(value, wanted[key])
    }
    if others:
        named = {
            "max_length" if key == "MAX_ITEM_LIST_LENGTH" else key: others[key] for key in others
        }
        words = " ".join(f"--set {key}={_text(value)}" for key, value in named.items())
        raise UserError(f"{file} was trained with other settings; add {words}")


def put(file: Path, saved: Saved, module: nn.Module) -> None:
    """Copy a checkpoint's weights into a module; DataError where they do not fit or are NaN."""
    own = module.state_dict()
    for name, tensor in saved.weights.items():
        if not torch.isfinite(tensor.to(own[name].dtype) if name in own else tensor).all():
            raise DataError(f"{file}: expected finite weights, found others in {name}")
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


def _is_plain(value: Any) -> bool:
    """Tell whether a setting can be this: a pickle may hold lists that nobody could print."""
    parts = value if isinstance(value, list | tuple) else [value]
    return len(parts) <= _SHOWN and all(map(_is_word, parts))


def _is_word(value: Any) -> bool:
    """Tell whether a value is None, a number that has a use, or text of one line."""
    if isinstance(value, str):
        return len(value) <= _SHOWN and value.isprintable()
    return value is None or (isinstance(value, int | float) and abs(value) <= LARGEST_NUMBER)


def _equal(theirs: Any, ours: Any) -> bool:
    return theirs == ours or str(theirs) == str(ours)


def _text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
