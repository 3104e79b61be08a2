"""The output head: where it is computed, and that scores come out of it in float32."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from peft import PeftModel
from torch import Tensor, nn
from transformers import PreTrainedModel

_CAST_AT_ONCE = 1 << 24
"""Weights that are turned into float32 at once: 64 MiB, where a head may have 0.5 GB."""


@contextmanager
def head_on(lm: PeftModel | PreTrainedModel, reads: Tensor) -> Iterator[None]:
    """
    Let the output head see the hidden states of some places alone inside the block.

    Without gradients its logits are float32, whatever the rest computes in: bfloat16 keeps 8 bits,
    so that large logits that differ would tie. In training they are as the rest is.

    Parameters
    ----------
    lm
        Whose head it is.
    reads
        bool [B, T], P places: logits become [P, V].
    """
    head = lm.get_output_embeddings()
    own, usual = vars(head).get("forward"), head.forward

    def forward(hidden: Tensor) -> Tensor:
        hidden = hidden[reads]
        plain = isinstance(head, nn.Linear) and head.weight.is_floating_point()
        exact = plain and not torch.is_grad_enabled()
        return _float32_logits(hidden, head.weight, head.bias) if exact else usual(hidden)

    head.forward = forward
    try:
        yield
    finally:
        if own is None:
            del head.forward
        else:  # accelerate puts one there, too
            head.forward = own


def _float32_logits(hidden: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    with torch.autocast(hidden.device.type, enabled=False):
        hidden = hidden.float()
        if weight.dtype == torch.float32:
            return nn.functional.linear(hidden, weight, bias)
        logits = hidden.new_empty(*hidden.shape[:-1], len(weight))
        rows = max(1, _CAST_AT_ONCE // weight.shape[1])
        for part, out in zip(weight.split(rows), logits.split(rows, dim=-1), strict=True):
            out.copy_(nn.functional.linear(hidden, part.float()))
        return logits if bias is None else logits + bias
