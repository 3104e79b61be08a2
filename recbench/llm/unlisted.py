"""
Language models whose prompts list no candidates: they write, and rank the whole catalogue by it.

Each question is answered by itself, not in a batch: where two words are as likely, rounding chooses
between them, batches round otherwise, and all that follows would be other words. A row's scores
depend on that row alone.
"""

from abc import abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recbench.errors import RecbenchError
from recbench.hardware.memory import if_it_fits
from recbench.llm.inference.reader import Reader
from recbench.llm.prompted import Answers
from recbench.llm.prompts.wording import UNLISTED
from recbench.llm.prompts.writer import Prompt
from recbench.llm.recommender import TunedLanguageModel
from recbench.llm.settings import UnlistedSettings
from recbench.neural.curve import Point
from recbench.neural.precision import computing
from recbench.neural.ranking import full_ranking_ndcg, full_ranks
from recbench.questions.queries import Queries
from recbench.recommender import Recommender, Runtime, TrainingData
from recbench.seeding import generator

Decoder = Callable[[Reader, Prompt], NDArray[np.float32]]
"""Scores of all items, float32 [items], by what is written behind a prompt."""

_TOO_LARGE = (
    "the memory of the device does not suffice for one question; take a shorter --history, a "
    "smaller model or --device cpu, and of a beam search fewer beams"
)
_TRIED = 2
"""Titles that a model is tried with behind a prompt, the longest."""


class UnlistedLanguageModel(TunedLanguageModel, Recommender):
    """A language model that is tuned to write the next title, having read a history alone."""

    question = UNLISTED

    settings: UnlistedSettings
    _decoding: tuple[object, Decoder] | None = None

    def fit(self, data: TrainingData, runtime: Runtime) -> dict[str, Any]:
        """Tune it; what looked at it on the way, in the midst of training, is made anew."""
        report = super().fit(data, runtime)
        self._decoding = None
        return report

    def score(self, queries: Queries, runtime: Runtime) -> NDArray[np.float32]:
        """Return the scores of candidates, cut from those of the whole catalogue."""
        self._check_context(queries.histories.shape[1], 0)
        none = np.empty((len(queries), 0), dtype=np.int32)
        prompts = self.writer.prompts(queries.histories, none, np.zeros(len(queries), dtype=bool))
        longest = max(prompts, key=lambda prompt: len(prompt.ids))
        if not self._is_able(longest, self._tried):
            self._try(self.module, longest, self._tried, runtime)
        reader = self._reader()
        scores = np.empty(queries.candidates.shape, dtype=np.float32)
        for row, prompt in enumerate(prompts):
            with computing(self._precision, self.module.device):
                of_all = if_it_fits(partial(self._of_all, reader, prompt))
            if of_all is None:
                raise RecbenchError(_TOO_LARGE)
            scores[row] = of_all[queries.candidates[row]]
        return scores

    @abstractmethod
    def _decoder(self) -> Decoder:
        """Make what ranks the writer's catalogue; made once, for all questions."""

    def _figures(self, scores: NDArray[np.float32]) -> Point:  # noqa: ARG002
        """Say more of validation rows, by the scores of all items, [rows, items]."""
        return {}

    # What all share.

    def _of_all(self, reader: Reader, prompt: Prompt) -> NDArray[np.float32]:
        """Return the scores of all items, which are read themselves with the first question."""
        return self._decoder_of_catalogue()(reader, prompt)

    def _decoder_of_catalogue(self) -> Decoder:
        if self._decoding is None or self._decoding[0] is not self.writer:
            self._decoding = self.writer, self._decoder()
        return self._decoding[1]

    @property
    def _tried(self) -> Answers:
        order = np.argsort(-self.writer.lengths, kind="stable")[:_TRIED]
        return [self.writer.answers[item] for item in order]

    def _listed(self, candidates: int) -> int:  # noqa: ARG002
        return 0

    def _longest(self, data: TrainingData, candidates: int) -> tuple[Prompt, Answers]:
        prompt, _ = super()._longest(data, candidates)
        return prompt, self._tried

    def _look(self, data: TrainingData, runtime: Runtime) -> tuple[Callable[[], Point], str]:
        random = generator(runtime.seed, "examples")
        rows = data.validation[random.permutation(len(data.validation))[: self.settings.curve_rows]]

        def look() -> Point:
            asked = Queries.of_all(rows.histories, len(data.catalogue))
            scores = self.score(asked, runtime)
            is_hit, ndcg = full_ranks(scores, rows)[0] <= 10, full_ranking_ndcg(scores, rows)
            figures = {"HitRatio@10": float(is_hit.mean()), "NDCG@10": float(ndcg.mean())}
            return figures | self._figures(scores)

        return look, "NDCG@10"
