"""
Checkpoints of a training: one safetensors file with the position as JSON in its header.

One file cannot be half new and half old: it is written aside and renamed.
"""

import json
import time
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from recbench.atomic_write import atomic_file
from recbench.neural.progress import Position

Tensors = dict[str, Tensor]


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
        self.path = folder / f"{name}-{key[:16]}.safetensors"
        self._key, self._interval, self._written = key, interval, time.monotonic()

    @property
    def due(self) -> bool:
        """Whether enough time has passed since the last file."""
        return time.monotonic() - self._written >= self._interval

    def write(self, position: Position, tensors: dict[str, Tensors]) -> None:
        """Replace the file by this position and these groups of tensors (weights, best, ...)."""
        flat = {
            f"{group}/{name}": tensor.detach().cpu().contiguous()
            for group, members in tensors.items()
            for name, tensor in members.items()
        }
        with atomic_file(self.path) as partial:
            save_file(flat, partial, {"key": self._key, "position": json.dumps(asdict(position))})
        self._written = time.monotonic()

    def read(self) -> tuple[Position, dict[str, Tensors]] | None:
        """Return what was last written, or None if there is nothing of this key."""
        if not self.path.exists():
            return None
        groups: dict[str, Tensors] = {}
        with safe_open(self.path, "pt") as file:
            header = file.metadata()
            if header["key"] != self._key:
                return None
            for name in file.keys():  # noqa: SIM118 (a safe_open is no mapping)
                group, _, member = name.partition("/")
                groups.setdefault(group, {})[member] = file.get_tensor(name)
        return Position(**json.loads(header["position"])), groups
