"""
The base classes of language models that are tuned for recommendation: LoRA, on prompts.

`LanguageModelRecommender` lists the candidates and on its own is text-only (TALLRec);
`recbench.llm.guided` adds what a frozen recommender knows. What is tuned on prompts without
candidates is in `recbench.llm.unlisted`.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np
import torch
from numpy.typing import NDArray
from peft import PeftConfig, PeftModel
from torch import Tensor
from transformers import PreTrainedModel

from recbench.errors import PluginError, UserError
from recbench.llm.inference.abilities import remember, remembered
from recbench.llm.inference.batching import Kind, plain_attention, rows_at_once
from recbench.llm.inference.hybrid import Guide
from recbench.llm.inference.probe import total, total_apart
from recbench.llm.inference.scoring import log_likelihoods, pack
from recbench.llm.listed import ListedLanguageModel
from recbench.llm.prompted import PromptedLanguageModel
from recbench.llm.prompts.writer import Prompt
from recbench.llm.settings import LanguageModelSettings, TuningSettings
from recbench.llm.tuning.adapter import (
    add_adapter,
    add_lora,
    checkpoint_activations,
    config_page,
    read_config,
    read_lora,
    write_lora,
)
from recbench.llm.tuning.bare import adapted_over_bare
from recbench.llm.tuning.finetuning import TrainingQuestions, ValidationQuestions
from recbench.llm.tuning.gradients import Sketch, watched
from recbench.llm.tuning.objectives import OBJECTIVES, Likelihoods, Objective, Stages
from recbench.llm.weights.quantised import check_quantised
from recbench.neural.curve import Curve, Point
from recbench.neural.loop import Task
from recbench.neural.plan import ParameterGroup, Plan, Step
from recbench.neural.precision import Precision, computing, training_precision, whole_float32
from recbench.neural.randomness import seeded
from recbench.neural.training import train
from recbench.questions.split import Examples
from recbench.recommender import Runtime, TrainingData
from recbench.seeding import derived_seed
from recbench.settings import digest

Lesson = tuple[list[Prompt], list[list[list[int]]]]
"""Prompts, and for each the answers whose likelihoods its loss is made of, the target's first."""

Seen = Callable[[NDArray[np.int64], Step], Tensor]
"""Of training rows [B] and a step: what the gate sees of each of them, [B, width]."""

CODE_OVER_TOKENS = 3
"""
`recbench.llm.prompted.CODE` where an objective's mean is over tokens. Up to 2 it was one over those
of a micro-batch, so that numbers hung on the memory that was free.
"""
CODE_OVER_ROWS = 4
"""
The same where a gate mixes rows: up to 3 it mixed those of a micro-batch. The next `CODE` is 5.
"""


class TunedLanguageModel(PromptedLanguageModel):
    """A language model that is tuned on `TrainingQuestions`, with LoRA as a rule."""

    settings: TuningSettings
    trains_together = True
    objectives: ClassVar[Mapping[str, Objective | Stages]] = OBJECTIVES
    """What it can be tuned for, by the setting `objective`: so a record says what was learnt."""

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        if "objective" in vars(cls):
            raise PluginError(
                f"{cls.__name__} may not set objective, which its setting of that name decides; "
                "name it in objectives"
            )

    @property
    @final
    def objective(self) -> Objective | Stages:
        """
        What it is tuned for.

        Raises
        ------
        PluginError
            If its settings allow a name that is none of its `objectives`.
        """
        if (name := self.settings.objective) not in self.objectives:
            raise PluginError(
                f"its setting 'objective' may be {name!r}, but its objectives are "
                f"{', '.join(self.objectives)}"
            )
        return self.objectives[name]

    def ingredients(self) -> dict[str, Any]:
        """Add an own version where an objective's mean is over tokens."""
        own = {"code": CODE_OVER_TOKENS} if self.objective.over_tokens else {}
        return super().ingredients() | own

    def fit(self, data: TrainingData, runtime: Runtime) -> dict[str, Any]:
        """
        Tune LoRA, and what guides it, on `TrainingQuestions`.

        Validation rows are looked at, and decide with `patience` alone.

        Raises
        ------
        UserError
            If there are none of them with `patience`, or the model cannot be tuned.
        """
        check_quantised(self.settings.load_in, runtime.device)
        if self.settings.patience is not None and not len(data.validation):
            raise UserError(
                "setting 'patience': there are no validation rows to look at; leave it out"
            )
        examined = self._rehearsed(data, self.settings.candidates, runtime)
        guide = self._fit_guide(data, runtime)
        lm = self._load_lm(data, runtime)
        with seeded(derived_seed(runtime.seed, "initial weights"), runtime.device):
            self.module = self._module(lm, self._adapted, guide, runtime)
        taught = self._taught(data)
        questions = TrainingQuestions(taught, len(data.catalogue), self.settings, runtime.seed)
        task = self._task(questions, self._seen(questions))
        precision = training_precision(self.settings.precision, self.module.device)
        plan = self._plan(questions, runtime)
        name = self.settings.llm.rstrip("/").rsplit("/", 1)[-1]
        identity = [type(self).__name__, self.settings.decisive(), self.ingredients(), data.digest]
        with self._attending(precision):
            report = train(
                self.module,
                task,
                plan,
                runtime,
                name=name,
                identity=identity,
                curve=self._curve(data, runtime),
                precision=precision,
            )
        if self.module.user_gate is not None:
            self.module.user_gate.release()
        return report.record() | examined | _told(taught, data)

    def gradient_sketches(
        self, rows: Examples, places: int, runtime: Runtime
    ) -> NDArray[np.float32]:
        """
        Return the gradient of every row's loss by LoRA's weights; the model stays as it is.

        Each row is computed by itself, asked as at the end of training and without dropout.

        Parameters
        ----------
        rows
            Training rows.
        places
            Size of the sketch that is returned of each gradient
            (`recbench.llm.tuning.gradients.Sketch`).
        runtime
            As for `fit`.

        Returns
        -------
        ndarray
            float32 [rows, places].
        """
        all_of_them = self.settings.model_copy(update={"examples": None, "epochs": 1})
        items = len(self.writer.titles)
        questions = TrainingQuestions(rows, items, all_of_them, runtime.seed)
        over, found = Step(1, 1), np.empty((len(rows), places), dtype=np.float32)
        self._find_abilities(questions, over, runtime)
        seen = self._seen(questions)
        with watched(self.module) as weights, whole_float32():
            sketch = Sketch(weights, places)
            for number, row in enumerate(questions.rows):
                with computing(self._precision, self.module.device):
                    loss = self._loss(questions, seen, np.array([number]), over)
                gradients = torch.autograd.grad(
                    loss, weights, allow_unused=True, materialize_grads=True
                )
                found[row] = sketch(gradients).cpu().numpy()
        if self.module.user_gate is not None:
            self.module.user_gate.release()
        return found

    def save(self, folder: Path) -> None:
        """Write the adapter in peft's own layout, and how the model was read."""
        settings = self.settings
        write_lora(self.module.lm, folder / "adapter", settings.llm, settings.adapter)
        if self.abilities is not None:
            remember(self.abilities, folder / "abilities" / self._circumstances(self.module.device))

    def load(self, folder: Path, data: TrainingData, runtime: Runtime) -> None:
        """Load the language model again, and the adapter from `folder`."""
        lm = self._load_lm(data, runtime)
        adapted = partial(read_lora, folder=folder / "adapter")
        self.module = self._module(lm, adapted, self._guide(data), runtime).eval()
        self.abilities = remembered(folder / "abilities" / self._circumstances(self.module.device))

    # What a guided model adds to.

    def _fit_guide(self, data: TrainingData, runtime: Runtime) -> Guide | None:  # noqa: ARG002
        """Fit what guides the language model; here nothing does."""
        return None

    def _taught(self, data: TrainingData) -> Examples:
        """Return the rows that it is tuned on: all that there are."""
        return data.train

    def _guide(self, data: TrainingData) -> Guide | None:  # noqa: ARG002
        """Return what guides it, once fitted or loaded."""
        return None

    def _hybrid(
        self,
        questions: TrainingQuestions,  # noqa: ARG002
        rows: NDArray[np.int64],
        step: Step,  # noqa: ARG002
    ) -> NDArray[np.bool_]:
        """Choose which training prompts carry item tokens."""
        return np.zeros(len(rows), dtype=np.bool_)

    def _seen(self, questions: TrainingQuestions) -> Seen | None:  # noqa: ARG002
        """Return what tells what the gate sees of training rows; None where it sees nothing."""
        return None

    def _groups(self) -> tuple[ParameterGroup, ...]:
        """Give submodules other rates."""
        return ()

    @property
    def _asks_without_adapter(self) -> str:
        """Say what asks the language model without its adapter; empty where nothing does."""
        compares = any(stage.compares for stage in self.objective.stages)
        return "the objective" if compares else ""

    @abstractmethod
    def _look(self, data: TrainingData, runtime: Runtime) -> tuple[Callable[[], Point], str]:
        """Return what looks at the model on some validation rows, and by which figure."""

    # What all share.

    def _task(self, questions: TrainingQuestions, seen: Seen | None) -> Task:
        """Return what is learnt of these questions."""

        def loss(rows: NDArray[np.int64], step: Step) -> Tensor:
            return self._loss(questions, seen, rows, step)

        def sizes(rows: NDArray[np.int64], step: Step) -> NDArray[np.int64]:
            shown = questions.histories[rows], questions.candidates(rows, step)
            return self.writer.sizes(*shown)

        def weights(rows: NDArray[np.int64], step: Step) -> NDArray[np.int64]:
            return self._weights(questions, rows, step)

        return Task(loss, len(questions), sizes, weights)

    def _attending(self, precision: Precision) -> AbstractContextManager[None]:
        """Attend as is fastest for a training in a precision, inside a block."""
        mixed_on_cpu = self.module.device.type == "cpu" and precision.autocast is not None
        return plain_attention(self.module.lm) if mixed_on_cpu else nullcontext()

    def _loss(
        self, questions: TrainingQuestions, seen: Seen | None, rows: NDArray[np.int64], step: Step
    ) -> Tensor:
        objective = self.objective.at(step)
        lesson = self._lesson(questions, rows, step, objective)
        self._hold(seen, rows, step)
        return objective.loss(self._likelihoods(lesson, objective))

    def _hold(self, seen: Seen | None, rows: NDArray[np.int64], step: Step) -> None:
        """Let the gate weigh training rows, until their backward pass is over."""
        gate = self.module.user_gate
        if gate is None or seen is None:
            return
        if gate.mixes_rows:
            batch, own = step.share(rows)
            gate.hold_part(seen(batch, step), own, step.index)
        else:
            gate.hold(seen(rows, step))

    def _weights(
        self, questions: TrainingQuestions, rows: NDArray[np.int64], step: Step
    ) -> NDArray[np.int64]:
        """Return what rows count in the mean of them all, int64 [rows]."""
        objective = self.objective.at(step)
        if not objective.over_tokens:
            return np.ones(len(rows), dtype=np.int64)
        lesson = self._lesson(questions, rows, step, objective)
        return np.array([sum(own) for own in _tokens(lesson, objective)])

    def _adapted(self, lm: PreTrainedModel) -> PeftModel:
        if self.settings.gradient_checkpointing:
            checkpoint_activations(lm)
        asker = self._asks_without_adapter
        return adapted_over_bare(lm, self._adapt, asker) if asker else self._adapt(lm)

    def _adapt(self, lm: PreTrainedModel) -> PeftModel:
        adapter = self.settings.adapter
        if adapter is None:
            return self._new_adapter(lm)
        return read_lora(lm, Path(adapter), trainable=True)

    def _new_adapter(self, lm: PreTrainedModel) -> PeftModel:
        """Give a language model its adapter, untrained: LoRA, or what is configured otherwise."""
        config = self._adapter_config
        if config is not None:
            return add_adapter(lm, config)
        assert isinstance(self.settings, LanguageModelSettings)
        return add_lora(lm, self.settings)

    @property
    def _adapter_config(self) -> PeftConfig | None:
        """Of an adapter that is not LoRA by the settings; None for one that is."""
        file = getattr(self.settings, "peft", None)
        return None if file is None else read_config(file)

    @property
    def _prefix_tokens(self) -> int:
        return getattr(self._adapter_config, "num_virtual_tokens", None) or 0

    @property
    def _adapter(self) -> dict[str, Any]:
        """Add what is in the file of `peft`, if one is set: its name says nothing of it."""
        file = getattr(self.settings, "peft", None)
        own = {} if file is None else {"peft": config_page(read_config(file))}
        return super()._adapter | own

    def _lesson(
        self, questions: TrainingQuestions, rows: NDArray[np.int64], step: Step, aim: Objective
    ) -> Lesson:
        candidates, targets = questions.candidates(rows, step), questions.targets[rows]
        hybrid = self._hybrid(questions, rows, step)
        prompts = self.writer.prompts(questions.histories[rows], candidates, hybrid)
        first = targets[:, None]
        others = candidates[candidates != first].reshape(len(rows), -1)
        asked = np.concatenate([first, others], axis=1) if aim.reads_all else first
        return prompts, [[self.writer.answers[item] for item in row] for row in asked]

    def _likelihoods(self, lesson: Lesson, aim: Objective) -> Likelihoods:
        scores = self._scores(lesson, aim)
        reference = None
        if aim.compares:
            with torch.no_grad(), self.module.lm.disable_adapter():
                reference = self._scores(lesson, aim)
        tokens = torch.tensor(_tokens(lesson, aim), device=scores.device)
        return Likelihoods(scores, tokens, reference)

    def _scores(self, lesson: Lesson, aim: Objective) -> Tensor:
        """Return log-likelihoods with their gradients, [B, n]."""
        prompts, answers = lesson
        if self._lists(aim):
            packed = pack(prompts, answers, self.module.device, whole=aim.whole_text)
            return log_likelihoods(self.module, packed)
        columns = [  # every answer behind a prompt of its own
            log_likelihoods(self.module, pack(prompts, [[a] for a in column], self.module.device))
            for column in zip(*answers, strict=True)
        ]
        return torch.cat(columns, dim=1)

    def _lists(self, aim: Objective) -> bool:
        """Whether a prompt is read once for all answers that are wanted, as for one it is."""
        assert self.abilities is not None
        return self.abilities.lists or not aim.reads_all

    def _find_abilities(self, questions: TrainingQuestions, step: Step, runtime: Runtime) -> None:
        """Find out how the model is read, if it is not known of a model that was loaded."""
        if self.abilities is None:
            objective = self.objective.at(step)
            prompts, answers = self._lesson(questions, np.array([0]), step, objective)
            self._try(self.module, prompts[0], answers[0], runtime)

    def _plan(self, questions: TrainingQuestions, runtime: Runtime) -> Plan:
        settings = self.settings
        rows = settings.micro_batch_size or self._rows_that_fit(questions)
        assert self.abilities is not None
        rows = min(rows, settings.batch_size) if self.abilities.batches else 1
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

    def _curve(self, data: TrainingData, runtime: Runtime) -> Curve | None:
        """Say how training is looked at: by some validation rows, asked as test rows will be."""
        if not self.settings.curve_rows or not len(data.validation):
            return None
        look, by = self._look(data, runtime)
        return Curve(look, by, patience=self.settings.patience)

    def _rows_that_fit(self, questions: TrainingQuestions) -> int:
        """Return how many rows may be trained on at once, at every stage of the training."""
        over = Step(1, 1)  # where a curriculum has come to item tokens in every prompt
        shown = questions.candidates(np.arange(len(questions)), over)
        longest = np.argsort(-self.writer.sizes(questions.histories, shown))[:64]
        return min(
            self._rows_that_fit_of(self._lesson(questions, longest, over, objective), objective)
            for objective in self.objective.stages
        )

    def _rows_that_fit_of(self, lesson: Lesson, objective: Objective) -> int:
        """Return how many rows may be trained on at once, by the longest lessons of all."""
        prompts, answers = lesson
        counted = total if self._lists(objective) else total_apart
        tokens = max(map(counted, prompts, answers))
        most = max(sum(map(len, own)) for own in answers)
        places = tokens if objective.whole_text else most
        kind: Kind = "checkpointing" if self.settings.gradient_checkpointing else "training"
        device = self.module.device
        precision = training_precision(self.settings.precision, device)
        return rows_at_once(self.module.lm.config, tokens, places, device, kind, precision)


def _tokens(lesson: Lesson, aim: Objective) -> list[list[int]]:
    """Return of how many tokens each likelihood of a lesson is the sum, [B, n]."""
    return [
        [len(answer) + (len(prompt.ids) - 1 if aim.whole_text else 0) for answer in own]
        for prompt, own in zip(*lesson, strict=True)
    ]


def _told(taught: Examples, data: TrainingData) -> dict[str, Any]:
    """Return for the record whose rows a model was tuned on, where not on all; by a digest, too."""
    if taught is data.train:
        return {}
    users = np.unique(taught.users)
    about = {"users": len(users), "rows": len(taught), "users_sha256": digest(users.tolist())}
    return {"tuned_on": about}


class LanguageModelRecommender(TunedLanguageModel, ListedLanguageModel):
    """A language model that is tuned to choose from candidates, and asked to."""

    def _listed(self, candidates: int) -> int:
        return max(candidates, self.settings.candidates)

    def _look(self, data: TrainingData, runtime: Runtime) -> tuple[Callable[[], Point], str]:
        titles = data.catalogue.titles
        asked = ValidationQuestions.some(data.validation, len(titles), self.settings, runtime.seed)

        def look() -> Point:
            return asked.point(*self.score_and_answer(asked.queries, runtime), titles)

        return look, "HitRatio@1|likelihood"
