"""
Language models whose prompts list the candidates.

They rank these by the likelihood of their titles and write their answer as text, both behind one
reading of the prompt.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from recbench.llm.inference.batching import Rows, in_batches, rows_at_once
from recbench.llm.inference.reader import Batch
from recbench.llm.prompted import PromptedLanguageModel
from recbench.llm.prompts.wording import Question
from recbench.llm.prompts.writer import MARGIN
from recbench.neural.precision import computing
from recbench.neural.ties import scored_once
from recbench.questions.queries import Queries
from recbench.recommender import RankingAnswerer, Runtime


class ListedLanguageModel(PromptedLanguageModel, RankingAnswerer):
    """A prompted language model behind the contract of `RankingAnswerer`."""

    _halved = 0

    def score(self, queries: Queries, runtime: Runtime) -> NDArray[np.float32]:
        """Return the log-likelihood of every candidate's title with its line end."""
        return self._read(queries, runtime, writes=False)[0]

    def answer(self, queries: Queries, runtime: Runtime) -> list[str]:
        """Return what the model writes, greedily, up to the line's end."""
        return self._read(queries, runtime, scores=False)[1]

    def score_and_answer(
        self, queries: Queries, runtime: Runtime
    ) -> tuple[NDArray[np.float32], list[str]]:
        """Return what `score` and `answer` do, having read every prompt once."""
        return self._read(queries, runtime)

    def reword(self, words: Question) -> None:
        """Ask in the words of a template."""
        self.writer = self.writer.in_words(words)

    def title_lengths(self) -> NDArray[np.int32]:
        """Return int32 [items]: tokens of each title with its line end."""
        return self.writer.lengths

    def account(self, runtime: Runtime) -> dict[str, Any]:  # noqa: ARG002
        """Return how often fewer questions had to be read at once, if this process had to."""
        return {"halved": self._halved} if self._halved else {}

    def _read(
        self, queries: Queries, runtime: Runtime, *, scores: bool = True, writes: bool = True
    ) -> tuple[NDArray[np.float32], list[str]]:
        likelihoods = np.empty(queries.candidates.shape, dtype=np.float32)
        texts = [""] * len(queries)
        for rows, (found, written) in self._in_batches(queries, runtime, scores, writes):
            if found is not None:
                likelihoods[rows] = found.cpu().numpy()
            for row, tokens in zip(rows, written, strict=False):
                texts[row] = self.writer.read(tokens, queries.candidates[row])
        if scores:
            likelihoods = scored_once(likelihoods, queries, self._read_as)
        return likelihoods, texts

    def _read_as(self, item: int) -> tuple[int, ...]:
        """Return the tokens by which an item is scored."""
        return tuple(self.writer.answers[item])

    def _in_batches(
        self, queries: Queries, runtime: Runtime, scores: bool, writes: bool
    ) -> Iterator[tuple[Rows, tuple[Tensor | None, list[list[int]]]]]:
        """Read queries in batches of prompts of like length, the longest first."""
        shown = queries.histories.shape[1], queries.candidates.shape[1]
        self._check_context(*shown)
        hybrid = np.full(len(queries), self.module.projector is not None)
        prompts = self.writer.prompts(queries.histories, queries.candidates, hybrid)
        lengths = self.writer.lengths[queries.candidates]  # [B, C]
        tokens = np.array([len(prompt.ids) for prompt in prompts]) + lengths.sum(axis=1)
        order = np.argsort(-tokens, kind="stable")
        users = self._gate_inputs(queries)
        answers = [[self.writer.answers[item] for item in row] for row in queries.candidates]
        limits = (lengths.max(axis=1) + MARGIN).tolist()
        if not self._is_able(prompts[order[0]], answers[order[0]]):
            self._try(self.module, prompts[order[0]], answers[order[0]], runtime)
        reader = self._reader()
        config, device, precision = self.module.lm.config, self.module.device, self._precision
        copies = lengths.shape[1] if scores and reader.abilities.reads == "stepped" else 1
        places = int(lengths.sum(axis=1).max())

        def size_at(place: int) -> int:
            length = int(tokens[order[place]]) * copies
            return rows_at_once(config, length, places, device, "reading", precision)

        def compute(rows: Rows) -> tuple[Tensor | None, list[list[int]]]:
            batch = Batch(
                [prompts[i] for i in rows],
                None if users is None else users[rows],
                [answers[i] for i in rows] if scores else [],
                [limits[i] for i in rows] if writes else [],
            )
            with computing(precision, device):
                return reader.answer(batch)

        def halved(line: str) -> None:
            self._halved += 1
            runtime.report(line)

        return in_batches(order, size_at, compute, halved)
