"""Files of tensors that know their own digest: safetensors alone would read a changed byte."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from recbench.atomic_write import atomic_file
from recbench.errors import DataError
from recbench.sealed import SEAL
from recbench.settings import digest


def write_tensors(
    path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, str] | None = None
) -> None:
    """Write tensors and texts `about` them as safetensors, aside first, with a digest of both."""
    held = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    header = dict(about or {})
    header[SEAL] = _digest(held, header)
    with atomic_file(path) as partial:
        save_file(held, partial, header)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """
    Read back what `write_tensors` wrote: tensors on the CPU, and what was said about them.

    What has no digest was written before there were any, and is read as it is.

    Raises
    ------
    DataError
        If the file cannot be read, or is not as it was written.
    """
    try:
        with safe_open(path, "pt") as file:
            about = dict(file.metadata() or {})
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise DataError(f"{path} cannot be read ({error})") from None
    written = about.pop(SEAL, None)
    if written is not None and written != _digest(tensors, about):
        raise DataError(f"{path} was changed after it was written")
    return tensors, about


def _digest(tensors: Mapping[str, Tensor], about: Mapping[str, str]) -> str:
    """Return the SHA-256 of names, kinds, shapes and bytes, and of what is said about them."""
    hashed = hashlib.sha256(digest(dict(about)).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        hashed.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        hashed.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return hashed.hexdigest()
