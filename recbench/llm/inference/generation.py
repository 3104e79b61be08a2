"""
How a language model goes on behind prompts, and answers that it writes so.

These are greedy, up to the line's end; `recbench.llm.inference.trie` goes on with many beginnings
at once.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Protocol

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from recbench.llm.inference.hybrid import HybridLM
from recbench.llm.inference.prefix import Prefix, step
from recbench.llm.inference.scoring import pack, run_packed
from recbench.llm.prompts.writer import Prompt


class Advance(Protocol):
    """Goes on behind B prompts, and behind what was written there."""

    def __call__(self, tokens: Tensor | None, rows: Tensor | None = None) -> Tensor:
        """
        Return the logits of what comes next, [B, V].

        Parameters
        ----------
        tokens
            int64 [B], written last; None at first.
        rows
            int64 [B], behind which rows of the call before each of them stands: any choice of
            them; None for all of them in their order.
        """


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
            Other tokens that end an answer: the one that ends a chat's turn, and those that the
            model names (`recbench.llm.weights.particulars.closing_tokens`).
        """
        found = {*_line_ends(tokenizer, min(vocabulary, len(tokenizer))), *ends}
        if tokenizer.eos_token_id is not None:
            found.add(tokenizer.eos_token_id)
        marks = torch.zeros(vocabulary, dtype=torch.bool)
        # A tokenizer may name an end that its model was never given, and so can never write.
        marks[[token for token in found if token < vocabulary]] = True
        return cls(marks, leading)


@lru_cache(maxsize=2)  # a model's own, and that of a copy
def _line_ends(tokenizer: PreTrainedTokenizerBase, vocabulary: int) -> tuple[int, ...]:
    """Return the tokens whose text has a line end."""
    texts = tokenizer.batch_decode([[token] for token in range(vocabulary)])
    return tuple(token for token, text in enumerate(texts) if "\n" in text)


def greedy(advance: Advance, limits: Sequence[int], ends: LineEnds) -> list[list[int]]:
    """
    Write the most likely token each time.

    Parameters
    ----------
    advance
        Goes on behind B prompts: `behind` what was read, or `anew`.
    limits
        Most tokens of each answer, at least 1.
    ends
        Where to stop.

    Returns
    -------
    list of list of int
        The tokens written, the line end included where one was reached.
    """
    token: Tensor | None = None
    written: list[Tensor] = []
    finished = torch.zeros(len(limits), dtype=torch.bool)
    while not finished.all():
        token = advance(token).argmax(dim=-1)
        finished = finished.to(token.device)
        written.append(torch.where(finished, -1, token))
        finished = finished | (torch.tensor(limits, device=token.device) <= len(written))
        if len(written) > ends.leading:
            finished = finished | ends.tokens.to(token.device)[token]
        token = token.masked_fill(finished, 0)  # what follows an end is of no interest
    columns = torch.stack(written, dim=1).tolist()  # [B, steps]
    return [[token for token in row if token >= 0] for row in columns]


def behind(model: HybridLM, prefix: Prefix) -> Advance:
    """Go on from what was read, a token at a time; `prefix` is used up."""

    def advance(tokens: Tensor | None, rows: Tensor | None = None) -> Tensor:
        nonlocal prefix
        if rows is not None:
            prefix = prefix.chosen(rows)
        if tokens is not None:
            prefix = replace(prefix, next=tokens)
        prefix, logits = step(model, prefix)
        return logits

    return advance


def anew(model: HybridLM, prompts: Sequence[Prompt]) -> Advance:
    """Read prompts and what is behind them anew for every token: slow, and always right."""
    longer = list(prompts)

    def advance(tokens: Tensor | None, rows: Tensor | None = None) -> Tensor:
        nonlocal longer
        if rows is not None:
            longer = [longer[row] for row in rows.tolist()]
        if tokens is not None:
            longer = [
                Prompt([*prompt.ids, token], prompt.items)
                for prompt, token in zip(longer, tokens.tolist(), strict=True)
            ]
        return run_packed(model, pack(longer, [[[0]]] * len(longer), model.device))

    return advance
