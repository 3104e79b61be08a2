"""All titles of a catalogue, read once: a million take hours, so that what is read is kept."""

import shutil
import time
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

import torch
from torch import Tensor

from recbench.errors import DataError
from recbench.llm.text_encoder.title_encoder import TitleEncoder
from recbench.neural.tensor_file import read_tensors, write_tensors

SECONDS = 30.0
"""Least time between two files."""


@torch.no_grad()
def read_all(encoder: TitleEncoder, tokens: Sequence[list[int]], folder: Path) -> Tensor:
    """
    Read titles, and go on where a process that was killed has stopped.

    Parameters
    ----------
    encoder, tokens
        Of which titles: the same ones whenever this folder is named.
    folder
        Where it is kept what has been read, of one process at a time; made when needed, and left to
        the caller to be removed.

    Returns
    -------
    Tensor
        float32 [n, w] on the CPU, the bits of ``encoder(tokens)``.
    """
    order, parts = encoder.parts(tokens)
    ends = list(accumulate(map(len, parts)))
    read = _kept(folder)
    if (there := sum(map(len, read))) not in {0, *ends}:  # of another recbench
        shutil.rmtree(folder)
        read, there = [], 0
    new: list[Tensor] = []
    written = time.monotonic()
    for end, part in zip(ends, parts, strict=True):
        if end <= there:
            continue
        new.append(encoder.part(part).cpu())
        if time.monotonic() - written >= SECONDS:
            read.append(torch.cat(new))
            write_tensors(folder / f"{len(read):06d}.safetensors", {"vectors": read[-1]})
            new, written = [], time.monotonic()
    return torch.cat([*read, *new])[order.argsort()]


def _kept(folder: Path) -> list[Tensor]:
    """Read files as far as they can be read; what follows is removed."""
    found: list[Tensor] = []
    files = sorted(folder.glob("*.safetensors"))
    for number, file in enumerate(files):
        try:
            found.append(read_tensors(file)[0]["vectors"])
        except (DataError, KeyError):
            for one in files[number:]:
                one.unlink()
            break
    return found
