"""
The base class of language models that recommend.

Tuned with LoRA on prompts, they rank candidates by the likelihood of their titles and write their
answer as text. On its own the class is text-only (TALLRec); `recbench.llm.guided` adds what a
frozen recommender knows.
"""

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from peft import PeftModel
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from recbench.llm.adapter import add_lora, read_lora, write_lora
from recbench.llm.backbone import caption, load_backbone
from recbench.llm.batching import autocast, computes_bfloat16, plain_attention, rows_at_once
from recbench.llm.checks import check_context, examine
from recbench.llm.finetuning import TrainingQuestions
from recbench.llm.fingerprint import fingerprint, prompt_files
from recbench.llm.generation import LineEnds, greedy
from recbench.llm.hybrid import HybridLM
from recbench.llm.prompts import MARGIN, Prompt, PromptWriter
from recbench.llm.scoring import log_likelihoods, pack, shares_prompts
from recbench.llm.settings import LanguageModelSettings
from recbench.neural.plan import ParameterGroup, Plan, Step
from recbench.neural.randomness import seeded
from recbench.neural.training import train
from recbench.questions.queries import Queries
from recbench.recommender import Answerer, Runtime, TrainingData, Transferable
from recbench.seeding import derived_seed

Batch = tuple[NDArray[np.int64], list[Prompt], Tensor | None]
"""Row numbers, their prompts, their user vectors."""


class LanguageModelRecommender(Answerer, Transferable):
    """
    A language model behind the contracts of `Answerer` and `Transferable`.

    Attributes
    ----------
    module
        The tuned model, after `fit` or `load`.
    writer
        Writes its prompts, after `fit` or `load`.
    """

    settings: LanguageModelSettings
    module: HybridLM
    writer: PromptWriter

    @property
    def caption(self) -> str:
        """Say of the built-in model what its figures are worth."""
        return caption(self.settings.llm)

    @property
    def scores_in(self) -> str:
        """Bfloat16 on a GPU, float32 on a CPU."""
        return "bfloat16" if self.module.device.type == "cuda" else "float32"

    def ingredients(self) -> dict[str, Any]:
        """Return digests of the language model and of the prompts; their style, if it is chat."""
        style = {} if self.settings.style == "plain" else {"prompt_style": self.settings.style}
        return {"llm": fingerprint(self.settings.llm), "prompts": prompt_files(), **style}

    def fit(self, data: TrainingData, runtime: Runtime) -> dict[str, Any]:
        """Tune LoRA, and what guides it, on `TrainingQuestions`; validation rows are not used."""
        checked = examine(self.settings, data, runtime.report)
        self._fit_guide(data, runtime)
        lm = self._load_lm(data, runtime)
        with seeded(derived_seed(runtime.seed, "initial weights")):
            self._assemble(add_lora(lm, self.settings), data)
        questions = TrainingQuestions(data.train, len(data.catalogue), self.settings, runtime.seed)
        users = self._user_vectors(questions.histories)
        bfloat16 = self._trains_in_bfloat16(self.module.device)

        def loss(rows: NDArray[np.int64], step: Step) -> Tensor:
            prompts, answers = self._lesson(questions, rows, step)
            packed = pack(prompts, answers, self.module.device)
            with autocast(self.module.device, bfloat16):
                if self.module.gate is not None and users is not None:
                    self.module.gate.hold(users[rows])  # until the backward pass is over
                return -log_likelihoods(self.module, packed).mean()

        plan = self._plan(questions, runtime)
        name = self.settings.llm.rstrip("/").rsplit("/", 1)[-1]
        identity = [type(self).__name__, self.settings.record(), self.ingredients(), data.digest]
        on_cpu = self.module.device.type == "cpu"
        with plain_attention(self.module.lm) if on_cpu and bfloat16 else nullcontext():
            report = train(
                self.module, loss, len(questions), plan, runtime, name=name, identity=identity
            )
        if self.module.gate is not None:
            self.module.gate.release()
        precision = "bfloat16" if bfloat16 else "float32"
        return report.record() | {"precision": precision, **checked}

    def score(self, queries: Queries, runtime: Runtime) -> NDArray[np.float32]:  # noqa: ARG002
        """Return the log-likelihood of every candidate's title with its line end."""
        scores = np.empty(queries.candidates.shape, dtype=np.float32)
        for rows, prompts, users in self._batches(queries):
            answers = [[self.writer.answers[i] for i in queries.candidates[row]] for row in rows]
            scores[rows] = self._likelihoods(prompts, answers, users).cpu().numpy()
        return scores

    def answer(self, queries: Queries, runtime: Runtime) -> list[str]:  # noqa: ARG002
        """Return what the model writes, greedily, up to the line's end."""
        tokenizer, lengths = self.writer.tokenizer, self.writer.lengths
        vocabulary = self.module.lm.config.vocab_size
        ends = LineEnds.of(tokenizer, vocabulary, self.writer.leading_tokens, self.writer.ends)
        texts = [""] * len(queries)
        for rows, prompts, users in self._batches(queries):
            limits = (lengths[queries.candidates[rows]].max(axis=1) + MARGIN).tolist()
            with self.module.reading(users):
                written = greedy(self.module, prompts, limits, ends)
            for row, tokens in zip(rows, written, strict=True):
                texts[row] = self.writer.read(tokens, queries.candidates[row])
        return texts

    def title_lengths(self) -> NDArray[np.int32]:
        """Return int32 [items]: tokens of each title with its line end."""
        return self.writer.lengths

    def save(self, folder: Path) -> None:
        """Write the adapter in peft's own layout."""
        write_lora(self.module.lm, folder / "adapter", self.settings.llm)

    def load(self, folder: Path, data: TrainingData, runtime: Runtime) -> None:
        """Load the language model again, and the adapter from `folder`."""
        lm = self._load_lm(data, runtime)
        self._assemble(read_lora(lm, folder / "adapter"), data)
        self.module.to(runtime.device).eval()

    def transfer(self, data: TrainingData, runtime: Runtime) -> None:
        """Write prompts and answers with the titles, the noun and the verb of `data`."""
        self.writer = self._writer(data, self.writer.tokenizer)
        for line in self.writer.losses.lines():
            runtime.report(line)

    # What a guided model adds to.

    def _fit_guide(self, data: TrainingData, runtime: Runtime) -> None:
        """Fit what guides the language model; here nothing does."""

    def _assemble(self, lm: PeftModel, data: TrainingData) -> None:  # noqa: ARG002
        """Make `module` around a language model with LoRA."""
        self.module = HybridLM(lm, self.writer.item_token)

    def _user_vectors(self, histories: NDArray[np.int32]) -> Tensor | None:  # noqa: ARG002
        """Return what the gate sees of users, [rows, width]; None for no gate."""
        return None

    def _hybrid(
        self,
        questions: TrainingQuestions,  # noqa: ARG002
        rows: NDArray[np.int64],
        step: Step,  # noqa: ARG002
    ) -> NDArray[np.bool_]:
        """Choose which training prompts carry item tokens."""
        return np.zeros(len(rows), dtype=np.bool_)

    def _groups(self) -> tuple[ParameterGroup, ...]:
        """Give submodules other rates."""
        return ()

    # What all share.

    def _load_lm(self, data: TrainingData, runtime: Runtime) -> PreTrainedModel:
        lm, tokenizer = load_backbone(self.settings.llm, runtime.device, runtime.report)
        self.writer = self._writer(data, tokenizer)
        return lm

    def _writer(self, data: TrainingData, tokenizer: PreTrainedTokenizerBase) -> PromptWriter:
        return PromptWriter(data, tokenizer, self.settings.style, self.settings.title_tokens)

    def _lesson(
        self, questions: TrainingQuestions, rows: NDArray[np.int64], step: Step
    ) -> tuple[list[Prompt], list[list[list[int]]]]:
        candidates = questions.candidates(rows, step)
        hybrid = self._hybrid(questions, rows, step)
        prompts = self.writer.prompts(questions.histories[rows], candidates, hybrid)
        return prompts, [[self.writer.answers[item]] for item in questions.targets[rows]]

    def _plan(self, questions: TrainingQuestions, runtime: Runtime) -> Plan:
        settings = self.settings
        first = np.arange(min(64, len(questions)))
        prompts, _ = self._lesson(questions, first, Step(0, 1))
        kind = "checkpointing" if settings.gradient_checkpointing else "training"
        tokens = max(len(prompt.ids) for prompt in prompts)
        rows = settings.micro_batch_size or rows_at_once(
            self.module.lm.config, tokens, self.module.device, kind
        )
        rows = min(rows, settings.batch_size)
        runtime.report(f"batches of {settings.batch_size} rows, {rows} computed at once")
        return Plan(
            batch_size=settings.batch_size,
            epochs=settings.epochs,
            learning_rate=settings.learning_rate,
            weight_decay=settings.weight_decay,
            micro_batch_size=rows,
            groups=self._groups(),
            schedule="cosine",
        )

    def _trains_in_bfloat16(self, device: torch.device) -> bool:
        if self.settings.precision == "auto":
            return computes_bfloat16(device)
        return self.settings.precision == "bfloat16"

    def _batches(self, queries: Queries) -> Iterator[Batch]:
        """Cut queries into batches of prompts of like length."""
        sizes = queries.histories.shape[1], queries.candidates.shape[1]
        check_context(self.writer, self.module.lm.config, *sizes)
        hybrid = np.full(len(queries), self.module.projector is not None)
        prompts = self.writer.prompts(queries.histories, queries.candidates, hybrid)
        order = np.argsort([-len(prompt.ids) for prompt in prompts], kind="stable")
        users = self._user_vectors(queries.histories)
        start = 0
        while start < len(order):
            tokens = 2 * len(prompts[order[start]].ids)  # as many again for the answers, at most
            size = rows_at_once(self.module.lm.config, tokens, self.module.device, "reading")
            rows = order[start : start + size]
            yield rows, [prompts[i] for i in rows], None if users is None else users[rows]
            start += size

    def _likelihoods(
        self, prompts: list[Prompt], answers: list[list[list[int]]], users: Tensor | None
    ) -> Tensor:
        """Return float32 [B, C]."""
        count, device = len(answers[0]), self.module.device
        packed = pack(prompts, answers, device)
        if shares_prompts(self.module.lm, packed.ids.shape[1]):
            with self.module.reading(users), autocast(device, device.type == "cuda"):
                return log_likelihoods(self.module, packed)
        columns = []
        for column in range(count):  # every answer behind a prompt of its own
            packed = pack(prompts, [[own[column]] for own in answers], device)
            with self.module.reading(users), autocast(device, device.type == "cuda"):
                columns.append(log_likelihoods(self.module, packed))
        return torch.cat(columns, dim=1)
