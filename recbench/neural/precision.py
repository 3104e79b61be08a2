"""In what arithmetic a model computes: one value from which it is loaded, run and recorded."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import torch

Choice = Literal["auto", "float32", "bfloat16"]
"""What a user may ask for; ``"auto"`` is bfloat16 where a device computes with it natively."""


@dataclass(frozen=True)
class Precision:
    """
    An arithmetic.

    Attributes
    ----------
    name
        As a record gives it: ``"float32"`` or ``"bfloat16"``.
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
    Have cuDNN multiply float32 in float32 inside the block, not in TF32 with its 10 bits.

    Other products keep torch's own default, which is the same.
    """
    cudnn = torch.backends.cudnn
    kept = {"benchmark": cudnn.benchmark, "deterministic": cudnn.deterministic}
    with cudnn.flags(enabled=cudnn.enabled, allow_tf32=False, **kept):
        yield
