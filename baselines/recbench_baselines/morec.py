"""
MoRec: items by what they are called, not by their ids.

Yuan et al., "Where to go next for recommender systems? ID- vs. modality-based recommender models
revisited", SIGIR 2023, arXiv 2303.13835. Reference code: github.com/westlake-repl/IDvs.MoRec.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from safetensors import safe_open
from torch import Tensor, nn
from torch.nn import functional as F

from recbench.atomic_write import check_writable
from recbench.data.catalogue import Catalogue
from recbench.errors import DataError, RecbenchError
from recbench.hardware.devices import way_of
from recbench.llm.cards import TEXT_ENCODER
from recbench.llm.text_encoder.pooling import Pooling, own_pooling
from recbench.llm.text_encoder.reading_all import read_all
from recbench.llm.text_encoder.title_encoder import TitleEncoder, load_title_encoder
from recbench.llm.weights.fingerprint import fingerprint
from recbench.neural.plan import ParameterGroup, Plan
from recbench.neural.precision import FLOAT32, computing
from recbench.neural.recommender import Lesson
from recbench.neural.sequences import Codes
from recbench.neural.tensor_file import read_tensors, write_tensors
from recbench.neural.ties import scored_once
from recbench.questions.queries import Queries
from recbench.questions.split import PAD, Examples
from recbench.recommender import Runtime, TrainingData, Transferable
from recbench.settings import digest
from recbench_baselines.sasrec import SASRec, SASRecModule, SASRecSettings

_VERSION = 1
"""Of the embeddings, for the names of kept ones: raise it when the same titles give others."""


class MoRecSettings(SASRecSettings):
    """
    Settings of `MoRec`: those of SASRec, and what reads the titles.

    Attributes
    ----------
    text_encoder
        ``all-minilm-l6-v2``, a folder in the layout of transformers, or a hub id.
    pooling
        What makes one vector of a title's tokens: their ``mean``, ``max``, the first (``cls``) or
        the ``last``; ``own`` is what the encoder was trained with, the mean where it does not say.
    train_text_encoder
        Whether the encoder's weights are trained as well. Frozen, it reads every title once;
        trained, it reads the titles of each batch: minutes become hours without a GPU.
    text_learning_rate
        Of the encoder's weights, which do not decay.
    """

    counts_with: ClassVar[dict[str, tuple[str, tuple[Any, ...]]]] = {
        **SASRecSettings.counts_with,
        "text_learning_rate": ("train_text_encoder", (True,)),
    }

    dropout: float = Field(default=0.2, ge=0, lt=1)
    weight_decay: float = Field(default=0.0, ge=0)
    batch_size: int = Field(default=32, ge=1)
    text_encoder: str = "all-minilm-l6-v2"
    pooling: Literal["own", "mean", "cls", "max", "last"] = "own"
    train_text_encoder: bool = False
    text_learning_rate: float = Field(default=5e-5, gt=0)


class TitleTable(nn.Module):
    """
    Stands in the place of a table of ids: the embedding of each title, projected.

    Parameters
    ----------
    embeddings
        float32 [N, w], what the encoder makes of each title.
    width
        d, of the projection.
    encoder, tokens
        What is trained with it, and the tokens of the titles; None and nothing for a frozen one.

    Attributes
    ----------
    embeddings
        As it was given; of an encoder that is trained, what it made of each title when it last
        read it.
    """

    embeddings: Tensor
    centre: Tensor
    scale: Tensor

    def __init__(
        self,
        embeddings: Tensor,
        width: int,
        encoder: TitleEncoder | None = None,
        tokens: list[list[int]] | None = None,
    ) -> None:
        super().__init__()
        self.embedding_dim = width
        self.encoder, self._tokens = encoder, tokens or []
        self.projection = nn.Linear(embeddings.shape[1], width)
        nn.init.normal_(self.projection.weight, std=0.02)
        # Embeddings of all texts have much in common, and some encoders' are long: around their
        # mean, and of length 1 on average, the projection begins as a table of ids does. It could
        # learn both by itself, so that what can be learnt is the same.
        apart = embeddings - embeddings.mean(0)
        self.register_buffer("embeddings", embeddings)
        self.register_buffer("centre", embeddings.mean(0))
        self.register_buffer("scale", apart.norm(dim=1).mean().clamp(min=1e-6).reciprocal())
        self._read: Tensor | None = None

    @property
    def num_embeddings(self) -> int:
        """Rows of the table: N and the one that stands for PAD."""
        return len(self.embeddings) + 1

    @property
    def weight(self) -> Tensor:
        """Return [N + 1, d]; the last row is zero."""
        embeddings = self.embeddings if self._read is None else self._read
        return F.pad(self.projection((embeddings - self.centre) * self.scale), (0, 0, 0, 1))

    def forward(self, codes: Tensor) -> Tensor:
        """Return [..., d] for codes [...] in 0..N."""
        return F.embedding(codes, self.weight)

    @contextmanager
    def reading(self, codes: NDArray[np.int32]) -> Iterator[None]:
        """
        Have the titles of some items read inside the block, with gradients.

        The embeddings of all others are what they were when they were last read.
        """
        assert self.encoder is not None
        read = self.encoder([self._tokens[code] for code in codes])
        places = torch.from_numpy(codes).long().to(read.device)
        self._read = self.embeddings.index_copy(0, places, read)
        try:
            yield
        finally:
            self._read = None
        self.embeddings[places] = read.detach()

    @torch.no_grad()
    def read_all(self) -> None:
        """Read all titles, where the encoder may have changed."""
        if self.encoder is not None:
            with computing(FLOAT32, self.embeddings.device):
                self.embeddings.copy_(self.encoder(self._tokens))

    def turn_to(self, embeddings: Tensor, tokens: list[list[int]]) -> None:
        """Stand for other items."""
        self.embeddings, self._tokens = embeddings.to(self.embeddings.device), tokens


class MoRecModule(SASRecModule):
    """SASRec on top of a `TitleTable`."""

    items: TitleTable  # type: ignore[assignment]

    def __init__(self, table: TitleTable, settings: MoRecSettings) -> None:
        super().__init__(0, settings)  # no item has an embedding of its own
        self.items = table


class MoRec(SASRec, Transferable):
    """SASRec whose item vectors are projections of what a text encoder makes of the titles."""

    settings_class = MoRecSettings
    settings: MoRecSettings
    module: MoRecModule
    trains_together = False  # a step remembers the titles that its own rows had read
    summary = "SASRec over titles that a text encoder reads, frozen or trained"
    reference = "Yuan et al., SIGIR 2023, arXiv 2303.13835"

    _titles: tuple[str, ...]
    _embeddings: Tensor

    def ingredients(self) -> dict[str, Any]:
        """Return what the text encoder is, and how it makes one vector of a title."""
        encoder = fingerprint(self.settings.text_encoder, TEXT_ENCODER)
        return super().ingredients() | {"text_encoder": encoder, "pooling": str(self.pooling)}

    @property
    def pooling(self) -> Pooling:
        """How the text encoder makes one vector of a title."""
        name, way = self.settings.text_encoder, self.settings.pooling
        if way != "own":
            return Pooling(way)
        return own_pooling(name)

    def fit(self, data: TrainingData, runtime: Runtime) -> dict[str, Any]:
        """Read the titles, and learn from the training users' sequences."""
        self._titles = data.catalogue.titles
        self._embeddings = self._embedded(data.catalogue, runtime)
        if self.settings.train_text_encoder:
            runtime.report(self._cost(data))
        return super().fit(data, runtime)

    def build(self, items: int) -> MoRecModule:  # noqa: ARG002
        """Return the untrained module over the titles that were read."""
        width, encoder, tokens = self.settings.embedding_dim, None, []
        if self.settings.train_text_encoder:
            encoder = load_title_encoder(self.settings.text_encoder, self.pooling)
            tokens = encoder.tokens(self._titles)
        table = TitleTable(self._embeddings, width, encoder, tokens)
        return MoRecModule(table, self.settings)

    def plan(self) -> Plan:
        """Return how it is trained: the text encoder at a rate of its own."""
        factor = self.settings.text_learning_rate / self.settings.learning_rate
        return replace(super().plan(), groups=(ParameterGroup("items.encoder", factor),))

    def _loss(self, lesson: Lesson) -> Tensor:
        if self.module.items.encoder is None:
            return super()._loss(lesson)
        with self.module.items.reading(_items_of(lesson.inputs, lesson.targets)):
            return super()._loss(lesson)

    def validated(self, rows: Examples) -> float:
        """Return the NDCG@10 of validation rows, titles being read by the encoder as it is now."""
        self.module.items.read_all()
        return super().validated(rows)

    def score(self, queries: Queries, runtime: Runtime) -> NDArray[np.float32]:
        """Return the dot products of history and candidates; items of one title tie."""
        scores = super().score(queries, runtime)
        return scored_once(scores, queries, self._titles.__getitem__)

    def load(self, folder: Path, data: TrainingData, runtime: Runtime) -> None:
        """Read back what `save` wrote; UserError if it is of other settings."""
        self._titles = data.catalogue.titles
        with safe_open(folder / "model.safetensors", "pt") as file:
            self._embeddings = file.get_tensor("items.embeddings")
        super().load(folder, data, runtime)

    def transfer(self, data: TrainingData, runtime: Runtime) -> None:
        """Read the titles of another catalogue; what was learnt stays."""
        table, self._titles = self.module.items, data.catalogue.titles
        if table.encoder is None:
            table.turn_to(self._embedded(data.catalogue, runtime), [])
        else:
            table.turn_to(
                table.embeddings.new_empty(len(self._titles), table.encoder.width),
                table.encoder.tokens(self._titles),
            )
            table.read_all()

    def _embedded(self, catalogue: Catalogue, runtime: Runtime) -> Tensor:
        """Return what the encoder as it comes makes of each title [N, w], kept in the cache."""
        way = way_of(runtime.device) or ("cpu",)
        key = digest([_VERSION, *self.ingredients().values(), catalogue.digest, *way])
        file = runtime.cache / "title-embeddings" / f"{key[:16]}.safetensors"
        if file.is_file():
            try:
                return read_tensors(file)[0]["embeddings"]
            except DataError as error:
                runtime.report(f"{error}; it is made again")
        check_writable(file.parent)
        name = self.settings.text_encoder
        encoder = load_title_encoder(name, self.pooling, runtime.report).to(runtime.device)
        runtime.report(f"reading {len(catalogue)} titles with the text encoder {name}, once")
        under_way = runtime.checkpoints / f"titles-{key[:16]}"
        with computing(FLOAT32, torch.device(runtime.device)):
            embeddings = read_all(encoder, encoder.tokens(catalogue.titles), under_way)
        if not embeddings.isfinite().all():
            raise RecbenchError(
                f"the text encoder '{name}' reads titles into numbers that are not finite; "
                f"take {TEXT_ENCODER.ways}"
            )
        write_tensors(file, {"embeddings": embeddings})
        shutil.rmtree(under_way, ignore_errors=True)
        return embeddings

    def _cost(self, data: TrainingData) -> str:
        """Say what a step of training reads."""
        inputs, targets = self.training_rows(data)
        rows = slice(None, None, max(1, len(inputs) // self.settings.batch_size))
        read = len(_items_of(inputs[rows], targets[rows]))
        return (
            f"the text encoder is trained: a step reads about {read} of {len(data.catalogue)} "
            "titles, forward twice and backward"
        )


def _items_of(inputs: Codes, targets: Codes) -> Codes:
    """Return int32, the items of some rows, each once."""
    met = np.union1d(inputs, targets)
    return met[met != PAD]
