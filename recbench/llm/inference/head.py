"""The output head: where it is computed, and that scores come out of it in float32."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, TypeGuard

import torch
from peft import PeftModel
from peft.tuners import lora
from peft.utils import ModulesToSaveWrapper
from torch import Tensor, nn
from transformers import PreTrainedModel

_CAST_AT_ONCE = 1 << 24
"""Weights that are turned into float32 at once: 64 MiB, where a head may have 0.5 GB."""


@contextmanager
def head_on(lm: PeftModel | PreTrainedModel, reads: Tensor) -> Iterator[None]:
    """
    Let the output head see the hidden states of some places alone inside the block.

    Without gradients its logits are float32, whatever the rest computes in: bfloat16 keeps 8 bits,
    so that large logits that differ would tie. In training they are as the rest is, and so they are
    where an adapter other than LoRA stands on the head, or its weights are in few bits.

    Parameters
    ----------
    lm
        Whose head it is.
    reads
        bool [B, T], P places: logits become [P, V].
    """
    head = lm.get_output_embeddings()
    usual = head.forward

    def forward(hidden: Tensor) -> Tensor:
        hidden = hidden[reads]
        if torch.is_grad_enabled() or not all(w.is_floating_point() for w in head.parameters()):
            return usual(hidden)
        if _is_product(head):
            return _float32_logits(hidden, head.weight, head.bias)
        if not _is_made_of_products(head):
            return usual(hidden)
        with torch.autocast(hidden.device.type, enabled=False), _products_in_float32(head):
            return usual(hidden.float())

    with _given(head, forward):
        yield


def _is_product(module: Any) -> TypeGuard[nn.Linear]:
    """Whether a module multiplies by its weights and does nothing else, as some adapters do."""
    return isinstance(module, nn.Linear) and type(module).forward is nn.Linear.forward


def _is_made_of_products(head: Any) -> bool:
    """Whether an adapter stands on a head that adds to its product, or takes its place."""
    if isinstance(head, ModulesToSaveWrapper):
        return all(map(_is_product, (head.original_module, *head.modules_to_save.values())))
    if type(head) is not lora.Linear or head.lora_variant:  # DoRA scales the weights
        return False
    return _is_product(head.get_base_layer())


@contextmanager
def _products_in_float32(head: nn.Module) -> Iterator[None]:
    """Let every product with narrow weights in a head give float32 inside the block."""
    with ExitStack() as stack:
        for part in head.modules():
            if _is_product(part) and part.weight.dtype != torch.float32:
                exact = partial(_float32_logits, weight=part.weight, bias=part.bias)
                stack.enter_context(_given(part, exact))
        yield


@contextmanager
def _given(module: nn.Module, forward: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Have a module compute by another function inside the block."""
    own = vars(module).get("forward")
    module.forward = forward
    try:
        yield
    finally:
        if own is None:
            del module.forward
        else:  # accelerate puts one there, too
            module.forward = own


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
