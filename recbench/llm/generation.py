"""
Greedy answers, ended at the line's end.

Prompts are padded on the left and positions are counted from a prompt's own first token, so what is
written does not depend on what else is in the batch. Keys and values of earlier tokens are cached.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedTokenizerBase

from recbench.llm.hybrid import HybridLM
from recbench.llm.prompts import Prompt


@dataclass(frozen=True)
class LineEnds:
    """
    Where an answer ends.

    Attributes
    ----------
    tokens
        bool [V]: tokens that contain a line end, or end the text.
    leading
        Tokens at the answer's beginning that still belong to the prompt's last line and end
        nothing.
    """

    tokens: Tensor
    leading: int = 0

    @classmethod
    def of(
        cls,
        tokenizer: PreTrainedTokenizerBase,
        vocabulary: int,
        leading: int = 0,
        ends: Collection[int] = (),
    ) -> "LineEnds":
        """
        Find the line ends of a tokenizer.

        Parameters
        ----------
        tokenizer
            Its vocabulary is looked through once.
        vocabulary
            Number of the model's logits.
        leading
            See above.
        ends
            Other tokens that end an answer, such as the one that ends a chat's turn.
        """
        tokens = _line_ends(tokenizer, min(vocabulary, len(tokenizer)))
        marks = torch.zeros(vocabulary, dtype=torch.bool)
        marks[[*tokens, *ends]] = True
        return cls(marks, leading)


@lru_cache(maxsize=2)  # a model's own, and that of a copy
def _line_ends(tokenizer: PreTrainedTokenizerBase, vocabulary: int) -> tuple[int, ...]:
    """Return the tokens whose text has a line end, and the one that ends a text."""
    texts = tokenizer.batch_decode([[token] for token in range(vocabulary)])
    ends = [token for token, text in enumerate(texts) if "\n" in text]
    last = tokenizer.eos_token_id
    return (*ends, *([] if last is None else [last]))


def greedy(
    model: HybridLM, prompts: Sequence[Prompt], limits: Sequence[int], ends: LineEnds
) -> list[list[int]]:
    """
    Continue prompts with the most likely token each time.

    Parameters
    ----------
    model
        In evaluation mode, its gate held.
    prompts
        B prompts.
    limits
        Most tokens of each answer, at least 1.
    ends
        Where to stop.

    Returns
    -------
    list of list of int
        The tokens written, the line end included where one was reached.
    """
    device = model.device
    longest = max(len(prompt.ids) for prompt in prompts)
    gaps = [longest - len(prompt.ids) for prompt in prompts]
    padded = [[0] * gap + prompt.ids for gap, prompt in zip(gaps, prompts, strict=True)]
    ids = torch.tensor(padded, device=device)
    mask = torch.arange(longest, device=device) >= torch.tensor(gaps, device=device)[:, None]
    positions = (mask.cumsum(dim=1) - 1).clamp_min(0)
    inputs = {"inputs_embeds": model.embed(ids, [i for prompt in prompts for i in prompt.items])}
    most, stops = torch.tensor(limits, device=device), ends.tokens.to(device)
    cache, finished, written = DynamicCache(), torch.zeros_like(most, dtype=torch.bool), []
    while not finished.all():
        logits = model.lm(
            **inputs,
            attention_mask=mask.long(),
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits[:, -1]  # [B, V]
        token = logits.argmax(dim=-1)
        written.append(torch.where(finished, -1, token))
        finished = finished | (len(written) >= most)
        if len(written) > ends.leading:
            finished = finished | stops[token]
        inputs = {"input_ids": token[:, None]}
        positions = positions[:, -1:] + 1
        mask = torch.cat([mask, mask.new_ones(len(prompts), 1)], dim=1)
    columns = torch.stack(written, dim=1).tolist()  # [B, steps]
    return [[token for token in row if token >= 0] for row in columns]
