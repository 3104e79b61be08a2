"""
Checkpoints of a training: one safetensors file with the position as JSON in its header.

One file cannot be half new and half old: it is written aside and renamed. It knows its own digest,
and what is not as it was written is not gone on with.
"""

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from glob import escape
from pathlib import Path

import torch
from torch import Tensor, nn

from recbench.errors import DataError
from recbench.neural.progress import Position
from recbench.neural.tensor_file import read_tensors, write_tensors

Tensors = dict[str, Tensor]

_KEY = 16
"""Digits of a key in a file's name."""


def learnt(module: nn.Module) -> Tensors:
    """
    Return what training changes: parameters that require gradients and persistent buffers.

    Returns
    -------
    dict of str to Tensor
        By dotted name, sharing memory with the module.
    """
    tensors = {n: p.detach() for n, p in module.named_parameters() if p.requires_grad}
    stored = module.state_dict()
    return tensors | {n: b.detach() for n, b in module.named_buffers() if n in stored}


@torch.no_grad()
def restore(target: Tensors, source: Tensors) -> None:
    """Copy tensors into those of the same name, in place; KeyError where names differ."""
    if missing := target.keys() ^ source.keys():
        raise KeyError(f"tensors {sorted(missing)[:3]} are not in both")
    for name, tensor in target.items():
        tensor.copy_(source[name])


def copied(tensors: Tensors) -> Tensors:
    """Copy tensors to CPU memory of their own."""
    return {name: tensor.detach().to("cpu", copy=True) for name, tensor in tensors.items()}


class Checkpoint:
    """
    The checkpoint file of one training.

    Parameters
    ----------
    folder
        Made when needed.
    name
        Beginning of the file's name.
    key
        Digest of all that decides the numbers; a file with another key is left alone.
    interval
        Least number of seconds between two files.
    """

    def __init__(self, folder: Path, name: str, key: str, interval: float) -> None:
        self.path = folder / f"{name}-{key[:_KEY]}.safetensors"
        self._name = name
        self._key, self._interval, self._written = key, interval, time.monotonic()

    def others(self) -> list[Path]:
        """Return the files of the same name that have other keys."""
        place = self.path.parent
        found = place.glob(f"{escape(self._name)}-{'[0-9a-f]' * _KEY}.safetensors")
        return [file for file in found if file != self.path]

    @property
    def due(self) -> bool:
        """Whether enough time has passed since the last file."""
        return time.monotonic() - self._written >= self._interval

    def write(self, position: Position, tensors: dict[str, Tensors]) -> None:
        """Replace the file by this position and these groups of tensors (weights, best, ...)."""
        flat = {
            f"{group}/{name}": tensor
            for group, members in tensors.items()
            for name, tensor in members.items()
        }
        about = {"key": self._key, "position": json.dumps(asdict(position))}
        write_tensors(self.path, flat, about)
        self._written = time.monotonic()

    def read(self, report: Callable[[str], None]) -> tuple[Position, dict[str, Tensors]] | None:
        """Return what was last written, or None if there is nothing of this key, or damaged."""
        if not self.path.exists():
            return None
        try:
            flat, header = read_tensors(self.path)
        except DataError as error:
            report(f"{error}; this training begins anew")
            return None
        if header.get("key") != self._key:
            return None
        groups: dict[str, Tensors] = {}
        for name, tensor in flat.items():
            group, _, member = name.partition("/")
            groups.setdefault(group, {})[member] = tensor
        return Position(**json.loads(header["position"])), groups
