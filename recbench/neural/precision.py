"""In what arithmetic a model computes: one value from which it is loaded, run and recorded."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import torch

Choice = Literal["auto", "float32", "bfloat16"]
"""What a user may ask for; ``"auto"`` is bfloat16 where a device computes with it natively."""

NAMES = ("float32", "bfloat16")
"""All that a `Precision` of ours may be called."""

_LESS = {"tf32", "bf16"}
"""How torch may be told to multiply float32 in fewer bits."""


@dataclass(frozen=True)
class Precision:
    """
    An arithmetic.

    Attributes
    ----------
    name
        As a record gives it, one of `NAMES`.
    weights
        Type in which frozen weights are loaded; what is trained is float32 in any case.
    autocast
        Type in which matrices are multiplied, whatever that of their numbers; None: as they are.
    """

    name: str
    weights: torch.dtype
    autocast: torch.dtype | None


FLOAT32 = Precision("float32", torch.float32, None)
"""Of everything that is not told otherwise: ID models are small, and are float32 everywhere."""


def training_precision(choice: Choice, device: torch.device) -> Precision:
    """
    Return in what a language model is trained on a device.

    On a GPU bfloat16 weights take half the memory; on a CPU weights stay float32, in which they
    are then read (`reading_precision`).
    """
    if choice == "float32" or (choice == "auto" and not computes_bfloat16(device)):
        return FLOAT32
    weights = torch.float32 if device.type == "cpu" else torch.bfloat16
    return Precision("bfloat16", weights, torch.bfloat16)


def reading_precision(choice: Choice, device: torch.device) -> Precision:
    """Return in what it scores and answers there: as it is trained, but float32 on every CPU."""
    return FLOAT32 if device.type == "cpu" else training_precision(choice, device)


def computes_bfloat16(device: torch.device) -> bool:
    """Whether a device multiplies bfloat16 matrices natively: faster than float32, not slower."""
    if device.type == "cuda":
        with torch.cuda.device(device):
            return torch.cuda.is_bf16_supported(including_emulation=False)
    # The only question torch offers for a CPU; absent in builds for other processors.
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    return bool(supported())


@contextmanager
def computing(precision: Precision, device: torch.device) -> Iterator[None]:
    """
    Compute in `precision` inside the block: for forward passes, whatever is around the block.

    A backward pass belongs outside; it takes the types that the forward pass took.
    """
    mixed = precision.autocast is not None
    with torch.autocast(device.type, torch.bfloat16, enabled=mixed), whole_float32():
        yield


@contextmanager
def whole_float32() -> Iterator[None]:
    """
    Multiply float32 in float32 inside the block, not in TF32 with its 10 bits, nor in bfloat16.

    So it is on every device, whatever a plug-in or the environment allows torch; what they allow
    holds again afterwards. Torch is told in both of its ways: it fails where they differ.
    """
    if _is_whole():  # as in each step of a training, inside its own block
        yield
        return
    # The older way puts back what the newer one has for all parts of torch at once.
    with _each_part_whole(), _all_whole(), _each_part_whole():
        yield


@contextmanager
def without_subnormals() -> Iterator[None]:
    """
    Take for zero, inside the block, what is smaller than float32 can hold in full (1.2e-38).

    A CPU computes with such numbers in a slow way of its own. After some epochs the gradients of a
    softmax over a catalogue are full of them: a backward pass of RecBole's NextItNet took five
    times as long. What Adam makes of one moves no weight. It holds for this thread of a CPU.
    """
    before = bool(torch.full((1,), 1e-40) * 1 == 0)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


def _is_whole() -> bool:
    """Whether torch is told so already, in both ways."""
    if any(part.fp32_precision in _LESS for part in _parts()):
        return False
    return torch.get_float32_matmul_precision() == "highest" and not _may_convolve_in_tf32()


@contextmanager
def _each_part_whole() -> Iterator[None]:
    """Tell each part of torch that multiplies, which is the way since torch 2.9."""
    before = [(part, part.fp32_precision) for part in _parts()]
    for part, precision in before:
        if precision in _LESS:
            part.fp32_precision = "ieee"
    try:
        yield
    finally:
        for part, precision in before:
            part.fp32_precision = "none"  # as it was where that of all parts holds
            if part.fp32_precision != precision:
                part.fp32_precision = precision


@contextmanager
def _all_whole() -> Iterator[None]:
    """Tell all of torch, in the way that every version has; no part may be told otherwise."""
    cudnn, products = torch.backends.cudnn, torch.get_float32_matmul_precision()
    convolutions = _may_convolve_in_tf32()
    if products != "highest":
        torch.set_float32_matmul_precision("highest")
    cudnn.allow_tf32 = False
    try:
        yield
    finally:
        if products != "highest":
            torch.set_float32_matmul_precision(products)
        cudnn.allow_tf32 = convolutions


def _may_convolve_in_tf32() -> bool:
    """Whether all of cuDNN is told so, in the older way; no part of it may be."""
    try:
        return bool(torch.backends.cudnn.allow_tf32)
    except RuntimeError:  # torch fails where the ways differ, and no part says so
        return True


@cache
def _parts() -> list[Any]:
    """Return the parts of torch that have a precision of their own; none before torch 2.9."""
    named = [("cuda", "matmul"), ("cudnn", "conv"), ("cudnn", "rnn")]
    named += [("mkldnn", part) for part in ("matmul", "conv", "rnn")]
    found = (getattr(getattr(torch.backends, room), part, None) for room, part in named)
    return [part for part in found if hasattr(part, "fp32_precision")]
