"""
Prompts that are read once, for all that is asked behind them.

Keys, values and states of a batch of prompts are kept, so that the likelihoods of answers and what
the model writes both go on from them. All but the last token of a prompt is read: that one stands
at the head of whatever follows. Prompts are padded on the left and positions counted from a
prompt's own first token: nothing depends on what else is in the batch.
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from transformers.utils import ModelOutput

from recbench.errors import RecbenchError
from recbench.llm.inference.hybrid import HybridLM
from recbench.llm.prompts.writer import Prompt

_CACHES = ("past_key_values", "cache_params")
"""Names under which transformers returns what a model has read, and takes it back."""


@dataclass(frozen=True)
class Prefix:
    """
    A batch of prompts, read but for their last tokens.

    Attributes
    ----------
    cache
        What the model keeps of them, under the name by which it takes it back.
    mask
        bool [B, P]: which places hold tokens; padding stands on the left.
    next
        int64 [B]: the token that is read next.
    positions
        int64 [B]: its position.
    """

    cache: dict[str, Any]
    mask: Tensor
    next: Tensor
    positions: Tensor

    def chosen(self, rows: Tensor) -> "Prefix":
        """Return the prompts of int64 [n], any choice of them; this prefix is used up."""
        for kept in self.cache.values():
            kept.reorder_cache(rows)
        return Prefix(self.cache, self.mask[rows], self.next[rows], self.positions[rows])

    def repeated(self, repeats: int = 1) -> "Prefix":
        """Return a copy in which every prompt stands `repeats` times, adjacent."""
        copy = replace(self, cache=deepcopy(self.cache))
        if repeats == 1:
            return copy  # of a cache that knows no rows, too
        rows = torch.arange(len(self.next), device=self.next.device)
        return copy.chosen(rows.repeat_interleave(repeats))


def read(model: HybridLM, prompts: Sequence[Prompt]) -> Prefix:
    """
    Read prompts, at least two tokens each, of which the last is a word's.

    Parameters
    ----------
    model
        In evaluation mode, its gate held.
    prompts
        B of them.
    """
    device = model.device
    longest = max(len(prompt.ids) for prompt in prompts) - 1
    gaps = [longest + 1 - len(prompt.ids) for prompt in prompts]
    padded = [[0] * gap + prompt.ids[:-1] for gap, prompt in zip(gaps, prompts, strict=True)]
    items = [item for prompt in prompts for item in prompt.items]
    mask = torch.arange(longest, device=device) >= torch.tensor(gaps, device=device)[:, None]
    output, _ = model.run(
        torch.zeros_like(mask),
        positions=(mask.cumsum(dim=1) - 1).clamp_min(0),
        inputs_embeds=model.embed(torch.tensor(padded, device=device), items),
        attention_mask=mask.long(),
        use_cache=True,
    )
    last = torch.tensor([prompt.ids[-1] for prompt in prompts], device=device)
    return Prefix(_cache(output), mask, last, mask.sum(dim=1))


def step(model: HybridLM, prefix: Prefix) -> tuple[Prefix, Tensor]:
    """
    Read the next token of every row; `prefix` is used up.

    Returns
    -------
    prefix : Prefix
        With the token that was read last still standing as the next one, to be replaced.
    logits : Tensor
        float32 [B, V], of the token that follows.
    """
    tokens = prefix.next[:, None]
    mask = torch.cat([prefix.mask, torch.ones_like(tokens, dtype=torch.bool)], dim=1)
    output, logits = model.run(
        torch.ones_like(tokens, dtype=torch.bool),
        positions=prefix.positions[:, None],
        input_ids=tokens,
        attention_mask=mask.long(),
        use_cache=True,
        **prefix.cache,
    )
    return Prefix(_cache(output), mask, prefix.next, prefix.positions + 1), logits


def _cache(output: ModelOutput) -> dict[str, Any]:
    for name in _CACHES:
        if (kept := output.get(name)) is not None:
            return {name: kept}
    raise RecbenchError("the language model keeps nothing of what it reads")
