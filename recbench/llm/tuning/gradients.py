"""
Gradients of many rows, compared without being kept.

A gradient by LoRA's weights has as many numbers as these (20 million of a model of 7 billion). Of
each row a sketch is kept: every number is added, with a random sign, to one of a few thousand
places (Charikar, Chen and Farach-Colton, ICALP 2002; Weinberger et al., ICML 2009). Scalar products
of sketches are those of the gradients on average, with a standard error of at most
sqrt(2 / places) in parts of the product of lengths; sums of sketches are sketches of sums.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from recbench.errors import UserError
from recbench.seeding import derived_seed


class Sketch:
    """
    Sketches of gradients by the same weights, all with the same signs and places.

    Parameters
    ----------
    weights
        By which the gradients are.
    places
        Numbers of a sketch; where the gradients have no more, a sketch is the gradient itself,
        with zeros behind it.
    """

    def __init__(self, weights: Sequence[Tensor], places: int) -> None:
        self.places, self.device = places, weights[0].device
        size = sum(weight.numel() for weight in weights)
        drawn = torch.Generator().manual_seed(derived_seed(0, "sketch"))
        self._place = torch.arange(size)
        self._sign = torch.ones(size, dtype=torch.int8)
        if size > places:
            self._place = torch.randint(places, (size,), generator=drawn)
            self._sign = torch.randint(2, (size,), generator=drawn).mul_(2).sub_(1).to(torch.int8)
        self._place, self._sign = self._place.to(self.device), self._sign.to(self.device)

    def __call__(self, gradients: Sequence[Tensor]) -> Tensor:
        """Return the sketch of one gradient, float32 [places]."""
        sketch, start = torch.zeros(self.places, device=self.device), 0
        for gradient in gradients:
            part = slice(start, start := start + gradient.numel())
            signed = gradient.float().flatten() * self._sign[part]
            sketch.index_add_(0, self._place[part], signed)
        return sketch


@contextmanager
def watched(module: nn.Module) -> Iterator[list[nn.Parameter]]:
    """
    Yield LoRA's weights, by which something may be differentiated inside the block.

    The module is in evaluation mode there, so without dropout; afterwards it is as it was.

    Raises
    ------
    UserError
        If there are none.
    """
    weights = [weight for name, weight in module.named_parameters() if "lora_" in name]
    if not weights:
        raise UserError("gradients are those of LoRA, and this adapter is another")
    before = [(weight, weight.requires_grad) for weight in module.parameters()]
    training = module.training
    module.eval().requires_grad_(False)
    for weight in weights:
        weight.requires_grad_(True)
    try:
        with torch.enable_grad():
            yield weights
    finally:
        for weight, learns in before:
            weight.requires_grad_(learns)
        module.train(training)
