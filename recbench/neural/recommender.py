"""
Base class of the ID models: a torch module that turns a history into a vector.

A candidate's score is the dot product of the history's vector and the item's. Training stops early
on NDCG@10 over the steps of the validation rows, every item that is not in the visible history
being ranked.
"""

import json
from abc import abstractmethod
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from recbench.errors import UserError
from recbench.neural.loop import Task
from recbench.neural.losses import (
    estimated_softmax,
    full_softmax,
    sampled_bce,
    sampled_gbce,
    sampled_softmax,
)
from recbench.neural.plan import Plan, Step
from recbench.neural.precision import FLOAT32, computing
from recbench.neural.randomness import seeded
from recbench.neural.ranking import mean_ndcg, validation_steps
from recbench.neural.reach import cut, said_of
from recbench.neural.sequences import Codes, flush_left, longest
from recbench.neural.training import train
from recbench.questions.queries import Queries
from recbench.questions.split import Examples
from recbench.recommender import Encoder, Runtime, TrainingData
from recbench.seeding import derived_seed, generator
from recbench.settings import Settings

SCORING_ROWS = 1024
"""Histories encoded at once when scoring; no result depends on it."""

LOGITS_AT_ONCE = 1 << 28
"""
Most scores of a softmax over the whole catalogue, unless one row has more: a gigabyte, and its
gradients as much again and again. Where a batch has more, fewer rows are computed at once.
"""

LossName = Literal["softmax", "sampled-softmax", "bce", "gbce"]


class NeuralSettings(Settings):
    """
    What every ID model can be told.

    Attributes
    ----------
    embedding_dim
        Width d of item and user vectors.
    max_length
        Most items of a training row. A query's history is read whole, however long it is, unless
        the model's `items_read` says otherwise.
    dropout
        Rate, wherever the model has dropout.
    learning_rate, weight_decay, batch_size
        Of AdamW; a batch is so many training rows.
    epochs, patience
        Epochs at most, and how many without a better validation NDCG@10 end training.
    averaged_epochs
        Epochs over which the weights that are judged and kept are averaged.
    loss, negatives
        ``softmax``: cross-entropy over the whole catalogue; ``sampled-softmax``: among the target
        and that many negatives; ``bce`` and ``gbce``: binary, of the target against them. Negatives
        are drawn uniformly, at each step and for each target.
    calibration
        Of ``gbce`` (its t): 0 is binary cross-entropy, 1 takes back all that few negatives do to
        the model's probabilities.
    softmax_items
        Of ``softmax``: in a catalogue of more items it is estimated from so many, drawn uniformly
        at each step and counted for all (`recbench.neural.losses.estimated_softmax`); none is
        never: the whole catalogue, however long that takes.
    """

    added: ClassVar[frozenset[str]] = frozenset({"calibration", "softmax_items"})
    counts_with: ClassVar[dict[str, tuple[str, tuple[Any, ...]]]] = {
        "negatives": ("loss", ("sampled-softmax", "bce", "gbce")),
        "calibration": ("loss", ("gbce",)),
        "softmax_items": ("loss", ("softmax",)),
    }

    embedding_dim: int = Field(default=64, ge=1)
    max_length: int = Field(default=25, ge=1)
    dropout: float = Field(default=0.5, ge=0, lt=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=0.0, ge=0)
    batch_size: int = Field(default=32, ge=1)
    epochs: int = Field(default=100, ge=1)
    patience: int = Field(default=15, ge=1)
    averaged_epochs: float = Field(default=5.0, ge=0)
    loss: LossName = "softmax"
    negatives: int = Field(default=1, ge=1)
    calibration: float = Field(default=0.75, ge=0, le=1)
    softmax_items: int | None = Field(default=None, ge=1)

    @property
    def items_read(self) -> int | None:
        """How many of the latest items of a history are read at most; None for all."""
        return None


@dataclass(frozen=True)
class Lesson:
    """
    What a loss is made of.

    Attributes
    ----------
    inputs, targets
        int32 [B, T] and [B, T'], as the module is shown them.
    drawn
        int64, items: [P, S] for each of the P targets, or [S] for all; None for all items.
    """

    inputs: Codes
    targets: Codes
    drawn: NDArray[np.int64] | None


class SequenceModule(nn.Module):
    """
    What an ID model computes.

    Attributes
    ----------
    items
        Embeddings [N + 1, d]; the last row, always zero, stands for PAD.
    """

    def __init__(self, items: int, width: int) -> None:
        super().__init__()
        self.items = nn.Embedding(items + 1, width, padding_idx=items)

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return next(self.parameters()).device

    def embedded(self, codes: Tensor) -> Tensor:
        """Return [..., d] for codes [...], zero where they are PAD."""
        return self.items(torch.where(codes < 0, self.items.num_embeddings - 1, codes))

    def item_vectors(self) -> Tensor:
        """Return [N, d], what user vectors are compared with."""
        return self.items.weight[:-1]

    @abstractmethod
    def forward(self, inputs: Tensor) -> Tensor:
        """Return user vectors [B, T', d] for training inputs [B, T], one a target."""

    @abstractmethod
    def user_vectors(self, histories: Codes) -> Tensor:
        """Return [B, d] for left-padded histories [B, H]."""


class CausalModule(SequenceModule):
    """A module whose output at a position depends on the items up to there: PAD on the right."""

    def user_vectors(self, histories: Codes) -> Tensor:
        """
        Return the output at the last item [B, d]; zeros for an empty history.

        What is the beginning of another history is read off on the way to that one's end.
        """
        moved, lengths = flush_left(histories)
        kept, beginning = longest(moved)
        outputs = self(torch.from_numpy(moved[kept]).long().to(self.device))  # [K, H, d]
        last = torch.from_numpy(lengths).to(self.device)  # [B]
        rows = torch.from_numpy(beginning).to(self.device)
        return outputs[rows, (last - 1).clamp(min=0)] * (last > 0)[:, None]


class NeuralRecommender(Encoder):
    """
    An ID model trained by `recbench.neural.training.train`.

    A subclass names its settings and builds its module and its training rows.
    """

    uses_gpu = True

    settings_class: ClassVar[type[NeuralSettings]]
    settings: NeuralSettings
    module: SequenceModule
    trains_together = True

    @abstractmethod
    def build(self, items: int) -> SequenceModule:
        """Return the untrained module for that many items; torch is seeded by the caller."""

    @abstractmethod
    def training_rows(self, data: TrainingData) -> tuple[Codes, Codes]:
        """Return inputs int32 [rows, T] and targets int32 [rows, T'], PAD where there is none."""

    def shown(
        self,
        inputs: Codes,
        targets: Codes,
        random: np.random.Generator,  # noqa: ARG002
    ) -> tuple[Codes, Codes]:
        """
        Return a step's training rows as the module is shown them: as they are.

        A model that hides some of each row, anew in every step, overrides this.
        """
        return inputs, targets

    def rehearse(self, data: TrainingData, candidates: int, runtime: Runtime) -> None:  # noqa: ARG002
        """Say how much of a history is read, where questions show more."""
        if found := cut(self.settings.items_read, data):
            longer = self.settings.max_length + found["items_shown"] - found["items_read"]
            more = f"--set max_length={longer} reads them all"
            runtime.report(said_of(found, type(self).__name__.lower(), more))

    def fit(self, data: TrainingData, runtime: Runtime) -> dict[str, Any]:
        """Learn from the training users' sequences; see `Recommender.fit`."""
        with seeded(derived_seed(runtime.seed, "weights")):
            self.module = self.build(len(data.catalogue))
        taught = inputs, targets = self.training_rows(data)
        if not len(inputs):
            raise UserError("no training sequence has two items; there is nothing to learn from")
        name = type(self).__name__.lower()
        steps = validation_steps(data)
        at_once = self._rows_at_once(targets.shape[1], len(data.catalogue), runtime)
        report = train(
            self.module,
            Task(
                lambda rows, step: self._loss(self._lesson(taught, rows, step, runtime.seed)),
                rows=len(inputs),
                weights=lambda rows, step: _counts(
                    self._shown(taught, rows, step, runtime.seed)[1]
                ),
            ),
            replace(self.plan(), micro_batch_size=at_once),
            runtime,
            name=name,
            identity={"settings": self.settings.decisive(), "data": data.digest},
            watch=lambda: self.validated(steps),
        )
        return report.record() | cut(self.settings.items_read, data)

    def plan(self) -> Plan:
        """Return how it is trained."""
        settings = self.settings
        return Plan(
            batch_size=settings.batch_size,
            epochs=settings.epochs,
            learning_rate=settings.learning_rate,
            weight_decay=settings.weight_decay,
            patience=settings.patience,
            averaged_epochs=settings.averaged_epochs,
        )

    def validated(self, rows: Examples) -> float:
        """Return the figure that training stops by: the NDCG@10 of validation rows."""
        return mean_ndcg(self.full_scores, rows, len(self.item_vectors()))

    def _rows_at_once(self, targets: int, items: int, runtime: Runtime) -> int | None:
        """Return how many rows of so many targets a softmax over all items allows; None: any."""
        settings = self.settings
        most = max(1, LOGITS_AT_ONCE // (max(1, targets) * items))
        if settings.loss != "softmax" or self._estimates(items) or most >= settings.batch_size:
            return None
        runtime.report(
            f"the softmax over {items:,} items has room for {most} rows at once; --set "
            "softmax_items=8192 estimates it from so many, and is faster"
        )
        return most

    def _estimates(self, items: int) -> bool:
        """Whether the softmax over so many items is estimated from some of them."""
        settings = self.settings
        drawn = settings.softmax_items
        return settings.loss == "softmax" and drawn is not None and drawn < items

    def _shown(
        self, taught: tuple[Codes, Codes], rows: NDArray[np.int64], step: Step, seed: int
    ) -> tuple[Codes, Codes]:
        """Return all rows of a step as they are shown: what is drawn is drawn for all of them."""
        inputs, targets = taught
        return self.shown(inputs[rows], targets[rows], generator(seed, "shown", step.index))

    def _lesson(
        self, taught: tuple[Codes, Codes], rows: NDArray[np.int64], step: Step, seed: int
    ) -> Lesson:
        batch, own = step.share(rows)
        inputs, targets = self._shown(taught, batch, step, seed)
        settings, items = self.settings, self.module.items.num_embeddings - 1
        random = generator(seed, "negatives", step.index)
        drawn = None
        if self._estimates(items):
            drawn = random.choice(items, settings.softmax_items, replace=False)
        elif settings.loss != "softmax":
            counts = _counts(targets)
            drawn = random.integers(items, size=(counts.sum(), settings.negatives))
            drawn = drawn[np.repeat(own, counts)]
        return Lesson(inputs[own], targets[own], drawn)

    def _loss(self, lesson: Lesson) -> Tensor:
        settings, device = self.settings, self.module.device
        users = self.module(torch.from_numpy(lesson.inputs).long().to(device))  # [B, T', d]
        known = torch.from_numpy(lesson.targets).long().to(device)  # [B, T']
        users, known = users[known >= 0], known[known >= 0]  # [P, d], [P]
        items = self.module.item_vectors()
        if lesson.drawn is None:
            return full_softmax(users, items, known)
        negatives = torch.from_numpy(lesson.drawn).to(device)
        if settings.loss == "softmax":
            return estimated_softmax(users, items, known, negatives)
        if settings.loss == "sampled-softmax":
            return sampled_softmax(users, items, known, negatives)
        if settings.loss == "gbce":
            return sampled_gbce(users, items, known, negatives, settings.calibration)
        return sampled_bce(users, items, known, negatives)

    def full_scores(self, examples: Examples) -> NDArray[np.float32]:
        """Return the score of every item for every row of `examples`: float32 [rows, items]."""
        return self.user_vectors(examples.histories) @ self.item_vectors().T

    @torch.no_grad()
    def user_vectors(self, histories: Codes) -> NDArray[np.float32]:
        """Return float32 [rows, d]; an empty history gives zeros, so all its scores are equal."""
        self.module.eval()
        with computing(FLOAT32, self.module.device):
            blocks = [
                self.module.user_vectors(histories[start : start + SCORING_ROWS]).cpu().numpy()
                for start in range(0, len(histories), SCORING_ROWS)
            ]
        if not blocks:
            return np.empty((0, self.item_vectors().shape[1]), np.float32)
        return np.concatenate(blocks)

    @torch.no_grad()
    def item_vectors(self) -> NDArray[np.float32]:
        """Return float32 [items, d]."""
        with computing(FLOAT32, self.module.device):
            return self.module.item_vectors().cpu().numpy()

    def score(self, queries: Queries, runtime: Runtime) -> NDArray[np.float32]:  # noqa: ARG002
        """Return the dot products of history and candidates, float32 [rows, C]."""
        users, items = self.user_vectors(queries.histories), self.item_vectors()
        if (shared := queries.shared) is not None:
            return users @ items[shared].T
        return np.einsum("rd,rcd->rc", users, items[queries.candidates])

    def save(self, folder: Path) -> None:
        """Write ``model.safetensors`` and ``settings.json``."""
        save_file(
            {name: tensor.contiguous() for name, tensor in self.module.state_dict().items()},
            folder / "model.safetensors",
        )
        write_settings(self.settings, folder)

    def load(self, folder: Path, data: TrainingData, runtime: Runtime) -> None:
        """Read back what `save` wrote; UserError if it is of other settings."""
        check_settings(self.settings, folder)
        with seeded(0):
            self.module = self.build(len(data.catalogue))
        self.module.load_state_dict(load_file(folder / "model.safetensors"))
        self.module.to(runtime.device).eval()


def _counts(targets: Codes) -> NDArray[np.int64]:
    """Return how many targets each row has, int64 [rows]."""
    counted: NDArray[np.int64] = (targets >= 0).sum(axis=1)
    return counted


def write_settings(settings: Settings, folder: Path) -> None:
    """Write ``settings.json`` beside the weights that they were learnt with."""
    (folder / "settings.json").write_text(json.dumps(settings.record(), indent=2) + "\n")


def check_settings(settings: Settings, folder: Path) -> None:
    """Refuse a model of other settings, UserError: its weights may fit by chance."""
    saved = json.loads((folder / "settings.json").read_text())
    if settings.completed(saved) != settings.record():
        raise UserError(f"the model in {folder} has other settings; fit it again")
