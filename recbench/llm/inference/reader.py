"""Questions put to a language model, in the way that its architecture is able to answer them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recbench.llm.inference.abilities import Abilities
from recbench.llm.inference.generation import Advance, LineEnds, anew, behind, greedy
from recbench.llm.inference.hybrid import HybridLM
from recbench.llm.inference.prefix import Prefix, read
from recbench.llm.inference.scoring import log_likelihoods, pack, stepped_log_likelihoods, tails
from recbench.llm.inference.trie import Trie, search
from recbench.llm.prompts.writer import Prompt

Tokens = list[int]


@dataclass(frozen=True)
class Batch:
    """
    Questions that are read together.

    Attributes
    ----------
    prompts
        B of them, at least two tokens each.
    users
        What the gate sees of each row, [B, width]; None without a gate.
    answers
        For each prompt the same number C of answers whose likelihoods are wanted; empty for none.
    limits
        Most tokens to write behind each prompt; empty for nothing.
    """

    prompts: Sequence[Prompt]
    users: Tensor | None
    answers: Sequence[Sequence[Sequence[int]]] = ()
    limits: Sequence[int] = ()

    def part(self, rows: slice) -> "Batch":
        """Return some of the rows."""
        users = None if self.users is None else self.users[rows]
        return Batch(self.prompts[rows], users, self.answers[rows], self.limits[rows])

    def rows(self) -> "Iterator[Batch]":
        """Yield every row alone."""
        for row in range(len(self.prompts)):
            yield self.part(slice(row, row + 1))


@dataclass(frozen=True)
class Reader:
    """
    A language model with what is known of its abilities.

    Attributes
    ----------
    model
        Evaluated; its gate is held here.
    abilities
        For batches no longer than ``abilities.tokens``.
    ends
        Where a written answer stops.
    """

    model: HybridLM
    abilities: Abilities
    ends: LineEnds

    def answer(self, batch: Batch) -> tuple[Tensor | None, list[Tokens]]:
        """
        Read the prompts once, for all that is asked of them.

        Returns
        -------
        likelihoods
            float32 [B, C], or None where there are no answers.
        written
            Tokens a row; empty where there are no limits.
        """
        parts = [batch] if self.abilities.together else batch.rows()
        found = [self._answer(part) for part in parts]
        scores = [score for score, _ in found if score is not None]
        written = [tokens for _, rows in found for tokens in rows]
        return torch.cat(scores) if scores else None, written

    def search(self, prompt: Prompt, trie: Trie, beams: int) -> NDArray[np.float32]:
        """
        Find what the model would write behind a prompt, were it to write a title of a trie.

        Returns and parameters are those of `recbench.llm.inference.trie.search`.
        """
        batch = Batch([prompt], None, limits=[1])
        prefix = self._prefix(batch)
        with self.model.reading(None):
            return search(self._advance(batch, prefix), trie, beams)

    def _answer(self, batch: Batch) -> tuple[Tensor | None, list[Tokens]]:
        prefix = self._prefix(batch)
        scores = self._likelihoods(batch, prefix) if batch.answers else None
        return scores, self._written(batch, prefix) if batch.limits else []

    def _prefix(self, batch: Batch) -> Prefix | None:
        """Read the prompts, if what is asked of them goes on from there."""
        reads, writes = bool(batch.answers), bool(batch.limits)
        able = self.abilities
        if not ((reads and able.reads != "plain") or (writes and able.writes == "cached")):
            return None
        with self.model.reading(batch.users):
            return read(self.model, batch.prompts)

    def _likelihoods(self, batch: Batch, prefix: Prefix | None) -> Tensor:
        model, prompts, answers = self.model, batch.prompts, batch.answers
        if prefix is not None and self.abilities.reads == "stepped":
            with model.reading(batch.users, repeats=len(answers[0])):
                return stepped_log_likelihoods(model, prefix, answers)
        with model.reading(batch.users):
            if prefix is not None and self.abilities.reads == "packed":
                packed = pack(tails(prompts), answers, model.device)
                return log_likelihoods(model, packed, prefix)
            columns = [
                log_likelihoods(model, pack(prompts, [[own[one]] for own in answers], model.device))
                for one in range(len(answers[0]))
            ]
            return torch.cat(columns, dim=1)

    def _written(self, batch: Batch, prefix: Prefix | None) -> list[Tokens]:
        with self.model.reading(batch.users):
            return greedy(self._advance(batch, prefix), batch.limits, self.ends)

    def _advance(self, batch: Batch, prefix: Prefix | None) -> Advance:
        if prefix is None or self.abilities.writes == "plain":
            return anew(self.model, batch.prompts)
        return behind(self.model, prefix)
