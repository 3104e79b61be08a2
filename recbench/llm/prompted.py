"""
The base class of language models that are asked by prompts.

They rank candidates by the likelihood of their titles and write their answer as text, both behind
one reading of the prompt. `recbench.llm.recommender` adds what tunes them.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import peft
import torch
import transformers
from numpy.typing import NDArray
from peft import PeftModel
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from recbench.errors import RecbenchError
from recbench.llm.abilities import Abilities, remember, remembered
from recbench.llm.adapter import adapter_digest, read_lora
from recbench.llm.backbone import caption, load_backbone
from recbench.llm.batching import TOO_LARGE, Rows, in_batches, rows_at_once
from recbench.llm.checks import check_context, examine
from recbench.llm.fingerprint import fingerprint
from recbench.llm.generation import LineEnds
from recbench.llm.hybrid import Guide, HybridLM
from recbench.llm.probe import probe, randomised, total, trial
from recbench.llm.prompts import MARGIN, Prompt, PromptWriter
from recbench.llm.reader import Batch, Reader
from recbench.llm.settings import PromptedSettings
from recbench.llm.wording import prompt_files
from recbench.neural.memory import if_it_fits
from recbench.neural.precision import (
    Precision,
    computing,
    reading_precision,
    training_precision,
)
from recbench.neural.randomness import seeded
from recbench.questions.queries import Queries
from recbench.recommender import RankingAnswerer, Runtime, TrainingData, Transferable
from recbench.settings import digest

Answers = list[list[int]]

CODE = 2
"""
Version of how language models are tuned and read, an ingredient of every run: raise it when their
golden run moves (`tests/golden`). 2: a prompt is read once for all that is asked behind it, and
micro-batches are cut by length.
"""

SHAPE = (
    *("peft", "prefix_tokens", "rank", "targets"),
    *("experts", "expert_ranks", "gate", "load_in"),
)
"""Settings on which it may depend how a model can be read."""


class PromptedLanguageModel(RankingAnswerer, Transferable):
    """
    A language model behind the contracts of `RankingAnswerer` and `Transferable`.

    Attributes
    ----------
    module
        The model, after `fit` or `load`.
    writer
        Writes its prompts, after `fit` or `load`.
    abilities
        How it is read; None before it was tried.
    examined
        What checks before training found, for the run record.
    """

    settings: PromptedSettings
    module: HybridLM
    writer: PromptWriter
    abilities: Abilities | None = None
    examined: dict[str, Any]

    @property
    def caption(self) -> str:
        """Say of the built-in model what its figures are worth."""
        return caption(self.settings.llm)

    @property
    def scores_in(self) -> str:
        """As its setting says on a GPU; float32 on a CPU."""
        return self._precision.name

    def ingredients(self) -> dict[str, Any]:
        """Return digests of language model and prompts; style and adapter where not usual."""
        style = {} if self.settings.style == "plain" else {"prompt_style": self.settings.style}
        usual = {"code": CODE, "llm": fingerprint(self.settings.llm), "prompts": prompt_files()}
        return {**usual, **style, **self._adapter}

    def rehearse(self, data: TrainingData, candidates: int, runtime: Runtime) -> None:
        """
        Check the model against the data, and find out how it can be read.

        It is tried on prompts as long as those to come, with random adapter, gate and item vectors;
        what was found is remembered in the cache.
        """
        shown = max(candidates, self._trained_on)
        self.writer, self.examined = examine(self.settings, data, shown, runtime.report)
        prompt, answers = self._longest(data, shown)
        self.abilities = remembered(self._place(runtime))
        if not self._is_able(prompt, answers):
            quiet = replace(runtime, report=lambda _: None)  # what is said is said when it is used
            with seeded(0, runtime.device):
                lm = self._load_lm(data, quiet)
                module = randomised(self._assemble(self._adapted(lm), self._stand_in(data)))
                module.to(runtime.device)
                self._try(module, prompt, answers, runtime, trains=True)
        if self.abilities is not None and self.abilities.slow:
            runtime.report(f"{self.settings.llm}: {self.abilities.slow}")

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

    def title_lengths(self) -> NDArray[np.int32]:
        """Return int32 [items]: tokens of each title with its line end."""
        return self.writer.lengths

    def transfer(self, data: TrainingData, runtime: Runtime) -> None:  # noqa: ARG002
        """Write prompts and answers with the titles, the noun and the verb of `data`."""
        self.writer = self._writer(data, self.writer.tokenizer)

    # What others add to.

    @property
    def _trained_on(self) -> int:
        """How many candidates a training prompt shows."""
        return 0

    def _assemble(self, lm: PeftModel | PreTrainedModel, guide: Guide | None) -> HybridLM:  # noqa: ARG002
        """Make the module around a language model, and what guides it."""
        return HybridLM(lm, self.writer.item_token)

    def _adapted(self, lm: PreTrainedModel) -> PeftModel | PreTrainedModel:
        """Give a language model its adapter: here the one that is set, if one is."""
        adapter = self.settings.adapter
        return lm.requires_grad_(False) if adapter is None else read_lora(lm, Path(adapter))

    def _stand_in(self, data: TrainingData) -> Guide | None:  # noqa: ARG002
        """Return a guide that knows nothing, as long as there is none; None for no guide."""
        return None

    def _user_vectors(self, histories: NDArray[np.int32]) -> Tensor | None:  # noqa: ARG002
        """Return what the gate sees of users, [rows, width]; None for no gate."""
        return None

    # What all share.

    def _load_lm(self, data: TrainingData, runtime: Runtime) -> PreTrainedModel:
        settings, device = self.settings, runtime.device
        weights = training_precision(settings.precision, torch.device(device)).weights
        how = weights, settings.load_in, runtime.report
        lm, tokenizer = load_backbone(settings.llm, device, *how)
        self.writer = self._writer(data, tokenizer)
        return lm

    def _writer(self, data: TrainingData, tokenizer: PreTrainedTokenizerBase) -> PromptWriter:
        return PromptWriter(data, tokenizer, self.settings.style, self.settings.title_tokens)

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
        return likelihoods, texts

    def _in_batches(
        self, queries: Queries, runtime: Runtime, scores: bool, writes: bool
    ) -> Iterator[tuple[Rows, tuple[Tensor | None, list[list[int]]]]]:
        """Read queries in batches of prompts of like length, the longest first."""
        shown = queries.histories.shape[1], queries.candidates.shape[1]
        check_context(self.writer, self.module.lm.config, *shown)
        hybrid = np.full(len(queries), self.module.projector is not None)
        prompts = self.writer.prompts(queries.histories, queries.candidates, hybrid)
        lengths = self.writer.lengths[queries.candidates]  # [B, C]
        tokens = np.array([len(prompt.ids) for prompt in prompts]) + lengths.sum(axis=1)
        order = np.argsort(-tokens, kind="stable")
        users = self._user_vectors(queries.histories)
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

        return in_batches(order, size_at, compute, runtime.report)

    @property
    def _precision(self) -> Precision:
        """In what it scores and answers."""
        return reading_precision(self.settings.precision, self.module.device)

    def _reader(self) -> Reader:
        writer, vocabulary = self.writer, self.module.lm.config.get_text_config().vocab_size
        ends = LineEnds.of(writer.tokenizer, vocabulary, writer.leading_tokens, writer.ends)
        assert self.abilities is not None
        return Reader(self.module, self.abilities, ends)

    def _longest(self, data: TrainingData, candidates: int) -> tuple[Prompt, list[list[int]]]:
        """
        Return a prompt as long as those to come, with its answers.

        Its history is the longest of training; its candidates are spread over the longer quarter of
        titles: as many of random lengths are hardly ever longer together.
        """
        histories, lengths = data.train.histories, self.writer.lengths
        tokens = self.writer.sizes(histories, np.empty((len(histories), 0), dtype=np.int32))
        longer = np.argsort(-lengths, kind="stable")[: max(candidates, len(lengths) // 4)]
        spread = np.linspace(0, len(longer) - 1, min(candidates, len(longer))).astype(np.int64)
        shown = longer[spread].astype(np.int32)
        hybrid = np.array([self._stand_in(data) is not None])
        (prompt,) = self.writer.prompts(histories[[tokens.argmax()]], shown[None], hybrid)
        return prompt, [self.writer.answers[item] for item in shown]

    def _is_able(self, prompt: Prompt, answers: Answers) -> bool:
        """Whether the abilities are those for a prompt as long as this one."""
        return self.abilities is not None and total(prompt, answers) <= self.abilities.tokens

    def _try(
        self,
        module: HybridLM,
        prompt: Prompt,
        answers: Answers,
        runtime: Runtime,
        *,
        trains: bool = False,
    ) -> None:
        runtime.report(f"trying how {self.settings.llm} can be read")
        batch, device = trial(module, prompt, answers), module.device
        with computing(reading_precision(self.settings.precision, device), device):
            self.abilities = if_it_fits(
                lambda: probe(module, batch, self.settings.llm, trains=trains)
            )
        if self.abilities is None:
            raise RecbenchError(TOO_LARGE)
        remember(self.abilities, self._place(runtime))

    @property
    def _adapter(self) -> dict[str, str]:
        """What is in the adapter's folder, if one is set: its name says nothing of it."""
        adapter = self.settings.adapter
        return {} if adapter is None else {"adapter": adapter_digest(adapter)}

    def _place(self, runtime: Runtime) -> Path:
        device = torch.device(runtime.device)
        return runtime.cache / "abilities" / self._circumstances(device)

    def _circumstances(self, device: torch.device) -> str:
        """Return the name of a file that remembers abilities: a digest of all that decides them."""
        settings = self.settings.record()
        circumstances = [
            [fingerprint(self.settings.llm), type(self).__name__],
            {name: settings[name] for name in SHAPE if name in settings} | self._adapter,
            [device.type, self.settings.precision],
            [torch.__version__, transformers.__version__, peft.__version__],
        ]
        return f"{digest(circumstances)[:16]}.json"
