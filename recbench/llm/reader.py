"""Questions put to a language model, in the way that its architecture is able to answer them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from recbench.llm.abilities import Abilities
from recbench.llm.generation import LineEnds, anew, behind, greedy
from recbench.llm.hybrid import HybridLM
from recbench.llm.prefix import Prefix, read
from recbench.llm.prompts import Prompt
from recbench.llm.scoring import log_likelihoods, pack, stepped_log_likelihoods, tails

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

    def rows(self) -> "Iterator[Batch]":
        """Yield every row alone."""
        for row in range(len(self.prompts)):
            one = slice(row, row + 1)
            users = None if self.users is None else self.users[one]
            yield Batch(self.prompts[one], users, self.answers[one], self.limits[one])


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

    def _answer(self, batch: Batch) -> tuple[Tensor | None, list[Tokens]]:
        prefix = None
        if self._needs_prefix(batch):
            with self.model.reading(batch.users):
                prefix = read(self.model, batch.prompts)
        scores = self._likelihoods(batch, prefix) if batch.answers else None
        return scores, self._written(batch, prefix) if batch.limits else []

    def _needs_prefix(self, batch: Batch) -> bool:
        reads, writes = bool(batch.answers), bool(batch.limits)
        able = self.abilities
        return (reads and able.reads != "plain") or (writes and able.writes == "cached")

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
            if prefix is None or self.abilities.writes == "plain":
                advance = anew(self.model, batch.prompts)
            else:
                advance = behind(self.model, prefix)
            return greedy(advance, batch.limits, self.ends)
