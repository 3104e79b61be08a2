"""
The base class of language models that are asked by prompts, whatever these show.

`recbench.llm.listed` adds how they answer where a prompt lists the candidates, and
`recbench.llm.unlisted` where it shows a history alone; `recbench.llm.recommender` adds what tunes
them.
"""

from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import peft
import torch
import transformers
from peft import PeftModel
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from recbench.errors import RecbenchError, UserError
from recbench.hardware.devices import way_of
from recbench.hardware.memory import give_back, if_it_fits
from recbench.llm.checks import check_context, examine
from recbench.llm.inference.abilities import Abilities, remember, remembered
from recbench.llm.inference.batching import TOO_LARGE
from recbench.llm.inference.generation import LineEnds
from recbench.llm.inference.hybrid import Guide, HybridLM
from recbench.llm.inference.probe import PROBE, check_begins, probe, randomised, total, trial
from recbench.llm.inference.reader import Batch, Reader
from recbench.llm.prompts.wording import LISTED, Question, prompt_files
from recbench.llm.prompts.writer import Prompt, PromptWriter
from recbench.llm.settings import PromptedSettings
from recbench.llm.tuning.adapter import adapter_digest, read_lora
from recbench.llm.weights.backbone import caption, load_backbone, load_outline
from recbench.llm.weights.fingerprint import fingerprint
from recbench.llm.weights.particulars import closing_tokens, particulars
from recbench.llm.weights.sharded import check_can_be_sharded, or_whole, shard
from recbench.neural.precision import (
    FLOAT32,
    Precision,
    computing,
    reading_precision,
    training_precision,
)
from recbench.neural.randomness import seeded
from recbench.processes import Sharding
from recbench.questions.controls import Control
from recbench.questions.queries import Queries
from recbench.recommender import Runtime, TrainingData, Transferable
from recbench.settings import digest

Answers = list[list[int]]

CODE = 2
"""
Version of how language models are tuned and read, an ingredient of every run: raise it when their
golden run moves (`tests/golden`). 2: a prompt is read once for all that is asked behind it, and
micro-batches are cut by length. What changes for some models alone is an ingredient of these
(`recbench.llm.weights.particulars`).
"""

SHAPE = (
    *("peft", "prefix_tokens", "rank", "targets"),
    *("experts", "expert_ranks", "gate", "guidance", "load_in", "gradient_checkpointing"),
)
"""Settings on which it may depend how a model can be read, or whether it can be tuned."""


KERNELS = ("mamba_ssm", "causal_conv1d", "kernels", "flash-linear-attention")
"""Packages with which transformers computes some architectures otherwise, where it finds them."""


class PromptedLanguageModel(Transferable):
    """
    A language model behind the contract of `Transferable`.

    Attributes
    ----------
    question
        What its prompts ask.
    module
        The model, after `fit` or `load`.
    writer
        Writes its prompts, after `fit` or `load`.
    abilities
        How it is read; None before it was tried.
    examined
        What checks before training found of each dataset, by the digest of its data.
    """

    uses_gpu = True
    reads_words = True
    question: ClassVar[Question] = LISTED

    settings: PromptedSettings
    module: HybridLM
    writer: PromptWriter
    abilities: Abilities | None = None
    examined: dict[str, dict[str, Any]]

    def __init__(self, settings: PromptedSettings) -> None:
        super().__init__(settings)
        self.examined = {}

    @property
    def caption(self) -> str:
        """Say of the built-in model what its figures are worth."""
        return caption(self.settings.llm)

    @property
    def scores_in(self) -> str:
        """As its setting says on a GPU; float32 on a CPU."""
        return self._precision.name

    @property
    def controls(self) -> frozenset[Control]:
        """Add that of titles, which it reads."""
        return super().controls | {"anonymised-titles"}

    def ingredients(self) -> dict[str, Any]:
        """Return digests of language model and prompts; what is not usual, and `particulars`."""
        style = {} if self.settings.style == "plain" else {"prompt_style": self.settings.style}
        llm, prompts = fingerprint(self.settings.llm), prompt_files(self.question)
        own = {**particulars(self.settings.llm, llm), **style, **self._adapter}
        return {"code": CODE, "llm": llm, "prompts": prompts, **own}

    def prompt(self, data: TrainingData, queries: Queries) -> str:
        """Write it with the tokenizer alone; an item token marks where a vector is read."""
        _, tokenizer = load_outline(self.settings.llm)
        candidates = queries.candidates[0]
        shown = candidates[: self._listed(len(candidates))]
        hybrid = self._stand_in(data) is not None
        return self._writer(data, tokenizer).text(queries.histories[0], shown, hybrid=hybrid)

    def rehearse(self, data: TrainingData, candidates: int, runtime: Runtime) -> None:
        """
        Check the model against the data, and find out how it can be read.

        It is tried on prompts as long as those to come, with random adapter, gate and item vectors;
        what was found is remembered in the cache.
        """
        shown, shards = self._listed(candidates), isinstance(runtime.processes, Sharding)
        if shards:
            check_can_be_sharded(self.settings.llm, self.settings.load_in)
        told = runtime.report, self.question, self._prefix_tokens
        self.writer, self.examined[data.digest] = examine(
            self.settings, data, shown, *told, hybrid=self._stand_in(data) is not None
        )
        prompt, answers = self._longest(data, shown)
        self.abilities = remembered(self._place(runtime))
        if shards or not self._is_able(prompt, answers):  # all of them load it, or none
            quiet = replace(runtime, report=lambda _: None)  # what is said is said when it is used
            with seeded(0, runtime.device):
                lm = self._load_lm(data, quiet)
                guide = self._stand_in(data)
                module = self._module(lm, self._adapted, guide, quiet)
                with or_whole(runtime.processes):
                    self._try(module, prompt, answers, runtime, trains=True)
        if self.abilities is not None and self.abilities.slow:
            runtime.report(f"{self.settings.llm}: {self.abilities.slow}")

    def transfer(self, data: TrainingData, runtime: Runtime) -> None:  # noqa: ARG002
        """Write prompts and answers with the titles, the noun and the verb of `data`."""
        self.writer = self._writer(data, self.writer.tokenizer)

    def explain(self, queries: Queries, runtime: Runtime) -> dict[str, Any]:  # noqa: ARG002
        """Return the prompt, with a mark where the vector of an item stands."""
        history, candidates = queries.histories[0], queries.candidates[0]
        shown = candidates[: self._listed(len(candidates))]
        hybrid = self.module.projector is not None
        return {"prompt": self.writer.text(history, shown, hybrid=hybrid)}

    # What others add to.

    def _listed(self, candidates: int) -> int:
        """Return the most candidates that a prompt shows where queries hold so many."""
        return candidates

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

    @property
    def _prefix_tokens(self) -> int:
        """Of a prefix that an adapter puts before a prompt: the context must hold it, too."""
        return 0

    def _gate_inputs(self, queries: Queries) -> Tensor | None:  # noqa: ARG002
        """Return what the gate sees of each row, [rows, width]; None where it sees nothing."""
        return None

    # What all share.

    def _rehearsed(self, data: TrainingData, candidates: int, runtime: Runtime) -> dict[str, Any]:
        """Rehearse, unless it was done; return for the record what was found, of each dataset."""
        if data.digest not in self.examined:
            self.rehearse(data, candidates, runtime)
        others = [found for of, found in self.examined.items() if of != data.digest]
        elsewhere = {"transferred_to": others[-1]} if others else {}
        return self.examined[data.digest] | elsewhere

    def _load_lm(self, data: TrainingData, runtime: Runtime) -> PreTrainedModel:
        """Load it on the run's device; what will be sharded, in the host's memory."""
        settings, device = self.settings, runtime.device
        weights = training_precision(settings.precision, torch.device(device)).weights
        how = weights, settings.load_in, runtime.report
        place = "cpu" if isinstance(runtime.processes, Sharding) else device
        lm, tokenizer = load_backbone(settings.llm, place, *how)
        self.writer = self._writer(data, tokenizer)
        return lm

    def _module(
        self,
        lm: PreTrainedModel,
        adapted: Callable[[PreTrainedModel], PeftModel | PreTrainedModel],
        guide: Guide | None,
        runtime: Runtime,
    ) -> HybridLM:
        """Make the module on the run's device, of a language model that is `adapted` first."""
        weights = list(lm.parameters())
        module = self._assemble(adapted(lm), guide)
        if isinstance(runtime.processes, Sharding):
            layers = shard(lm, weights, runtime.processes, runtime.device)
            held = f"a shard of {layers} layers of {self.settings.llm}"
            runtime.report(f"each of {runtime.processes.count} processes holds {held}")
        return module.to(runtime.device)

    def _writer(self, data: TrainingData, tokenizer: PreTrainedTokenizerBase) -> PromptWriter:
        how = self.settings.style, self.settings.title_tokens, self.question
        return PromptWriter(data, tokenizer, *how)

    @property
    def _precision(self) -> Precision:
        """In what it scores and answers."""
        return reading_precision(self.settings.precision, self.module.device)

    def _reader(self) -> Reader:
        writer, lm = self.writer, self.module.lm
        closing = closing_tokens(lm.config, lm.generation_config, writer.tokenizer) | writer.ends
        vocabulary = lm.config.get_text_config().vocab_size
        ends = LineEnds.of(writer.tokenizer, vocabulary, writer.leading_tokens, closing)
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

    def _check_context(self, history: int, candidates: int) -> None:
        """Refuse questions that show so many titles and may be longer than the context."""
        shown, hybrid = (history, candidates), self.module.projector is not None
        config, prefix = self.module.lm.config, self._prefix_tokens
        check_context(self.writer, config, *shown, prefix, hybrid=hybrid)

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
        """Find out how a model can be read; one that `trains` is a spare one, and used up."""
        runtime.report(f"trying how {self.settings.llm} can be read")
        batch, known = trial(module, prompt, answers), self.abilities
        precision = reading_precision(self.settings.precision, module.device)
        found = self._probed(module, batch, precision, trains=trains)
        if found is None:
            raise RecbenchError(TOO_LARGE)
        if precision.name != FLOAT32.name:
            spare = module if trains else None
            found = self._not_hidden_by_rounding(found, spare, batch, runtime)
        self.abilities = found if known is None else found.both(known)
        give_back()  # a training that follows would take its memory beside what is left of this
        if trains:  # what was not tried so would spare another rehearsal too much
            remember(self.abilities, self._place(runtime))

    def _not_hidden_by_rounding(
        self, found: Abilities, spare: HybridLM | None, batch: Batch, runtime: Runtime
    ) -> Abilities:
        """
        Leave of what was found in few bits what is right in float32 as well.

        In bfloat16 a likelihood of -60 may be off by one for its rounding alone, and a short cut
        that is wrong by as much looks right. `spare` is turned into float32, unless there is none.
        """
        exact, quantised = None, self.settings.load_in is not None
        if not (spare is None or quantised or isinstance(runtime.processes, Sharding)):
            exact = self._exactly(spare, batch)
        if exact is None:
            runtime.report(
                f"{self.settings.llm} cannot be tried in float32 here, in which a wrong short cut "
                "shows best; it was tried in bfloat16"
            )
            return found
        return found.both(exact)

    def _exactly(self, spare: HybridLM, batch: Batch) -> Abilities | None:
        """Return what is right in float32; None where that cannot be computed."""
        try:
            return if_it_fits(lambda: self._probed(spare.float(), batch, FLOAT32, trains=False))
        except UserError as error:
            if error.__cause__ is None:  # it computes, and is of no use
                raise
            return None  # made for few bits alone

    def _probed(
        self, module: HybridLM, batch: Batch, precision: Precision, *, trains: bool
    ) -> Abilities | None:
        """Return how a model can be read; None where memory does not suffice to find out."""
        name = self.settings.llm
        if trains:
            with computing(precision, module.device):  # left again: it keeps weights as they were
                begins = if_it_fits(lambda: check_begins(module, batch, name) or True)
            if not begins:
                return None
            randomised(module)
        with computing(precision, module.device):
            return if_it_fits(lambda: probe(module, batch, name, trains=trains))

    @property
    def _adapter(self) -> dict[str, Any]:
        """What is in the adapter's folder, if one is set: its name says nothing of it."""
        adapter = self.settings.adapter
        return {} if adapter is None else {"adapter": adapter_digest(adapter)}

    def _place(self, runtime: Runtime) -> Path:
        return runtime.cache / "abilities" / self._circumstances(torch.device(runtime.device))

    def _circumstances(self, device: torch.device) -> str:
        """Return the name of a file that remembers abilities: a digest of all that decides them."""
        settings, way = self.settings.record(), way_of(str(device)) or ("cpu",)
        circumstances = [
            [CODE, PROBE, fingerprint(self.settings.llm), type(self).__name__],
            {name: settings[name] for name in SHAPE if name in settings} | self._adapter,
            [*way, reading_precision(self.settings.precision, device).name],
            [torch.__version__, transformers.__version__, peft.__version__],
            {package: _installed(package) for package in KERNELS},
        ]
        return f"{digest(circumstances)[:16]}.json"


def _installed(package: str) -> str | None:
    """Return the version of a package; None where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
