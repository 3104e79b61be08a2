"""
Language models guided by a frozen sequential recommender.

What the recommender knows reaches the answer through item tokens and, in iLoRA, the gate; its
scores are never added to the language model's. LLaRA (Liao et al., SIGIR 2024) is this class, iLoRA
adds a gate.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from peft import PeftModel
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from recbench.errors import UserError
from recbench.llm.encoders import (
    as_encoder,
    build_encoder,
    fitted_encoder,
    item_vectors,
    made_of,
    user_vectors,
)
from recbench.llm.inference.hybrid import (
    Guide,
    HybridLM,
    ItemProjector,
    standardised,
    width_of,
    word_statistics,
)
from recbench.llm.recommender import LanguageModelRecommender, Seen
from recbench.llm.settings import HybridSettings
from recbench.llm.tuning.finetuning import TrainingQuestions
from recbench.llm.tuning.gate import ExpertGate
from recbench.neural.plan import ParameterGroup, Step
from recbench.neural.precision import FLOAT32, computing
from recbench.questions.controls import Control
from recbench.questions.queries import Queries
from recbench.questions.split import Examples
from recbench.questions.user_clusters import rows_of_cluster, user_clusters
from recbench.recommender import Encoder, Runtime, TrainingData
from recbench.seeding import generator


class GuidedLanguageModel(LanguageModelRecommender):
    """
    A language model that reads item vectors.

    Attributes
    ----------
    encoder
        The frozen recommender, after `fit` or `load`.
    """

    settings: HybridSettings
    encoder: Encoder

    @property
    def controls(self) -> frozenset[Control]:
        """Add that of the encoder's item vectors."""
        return super().controls | {"permuted-items"}

    def begin(self, control: Control) -> None:
        """Read every item with the vector of another, or be told who asks, and take another."""
        projector = self.module.projector
        if control == "permuted-items" and projector is not None:
            order = generator(0, control).permutation(len(projector.vectors))
            projector.replace(projector.vectors.cpu().numpy()[order])
        self.knows_users = control == "other-user"

    def ingredients(self) -> dict[str, Any]:
        """Add the settings of the encoder, and what else it is made of."""
        name = self.settings.encoder
        encoder = build_encoder(name)
        own = {"encoder": encoder.settings.identity(), **made_of(name, encoder)}
        return super().ingredients() | own

    def rehearse(self, data: TrainingData, candidates: int, runtime: Runtime) -> None:
        """Find the cluster of users, too, if it is tuned on one alone."""
        self._taught(data)
        super().rehearse(data, candidates, runtime)

    def save(self, folder: Path) -> None:
        """Write the adapter, what was learnt beside it, and the encoder."""
        super().save(folder)
        for name, part in self._learnt().items():
            tensors = {key: tensor.cpu().contiguous() for key, tensor in part.state_dict().items()}
            save_file(tensors, folder / f"{name}.safetensors")
        (folder / "encoder").mkdir()
        with as_encoder(self.settings.encoder):
            self.encoder.save(folder / "encoder")

    def load(self, folder: Path, data: TrainingData, runtime: Runtime) -> None:
        """Read back what `save` wrote; nothing is fitted."""
        self.encoder = build_encoder(self.settings.encoder)
        with as_encoder(self.settings.encoder):
            self.encoder.load(folder / "encoder", data, runtime)
        super().load(folder, data, runtime)
        for name, part in self._learnt().items():
            part.load_state_dict(load_file(folder / f"{name}.safetensors"))

    @property
    def refitted(self) -> tuple[str, ...]:
        """The encoder: it knows items by their codes."""
        return (f"encoder {self.settings.encoder}",)

    def transfer(self, data: TrainingData, runtime: Runtime) -> None:
        """
        Put an encoder of `data` in the place of the one that was learnt with.

        Projector and gate stay as they were learnt. The two encoders have vectors of the same
        spread, but nothing lines up their directions.
        """
        super().transfer(data, runtime)
        guide = self._fit_guide(data, runtime)
        if self.module.projector is not None:
            self.module.projector.replace(standardised(guide.vectors))

    @torch.no_grad()
    def explain(self, queries: Queries, runtime: Runtime) -> dict[str, Any]:
        """Add the weights of the experts, where a gate gives them to users."""
        said, seen = super().explain(queries, runtime), self._gate_inputs(queries)
        gate = self.module.user_gate
        if gate is None or seen is None:
            return said
        with computing(FLOAT32, self.module.device):
            return said | {"experts": gate(seen)[0].tolist()}

    def _taught(self, data: TrainingData) -> Examples:
        if self.settings.cluster is None:
            return data.train
        number, count = map(int, self.settings.cluster.split("/"))
        shape = len(data.catalogue), data.train.histories.shape[1]
        clusters = user_clusters(data.sequences, *shape, count).clusters
        if len(clusters) < count:
            remedy = f"take 1/{len(clusters)}" if len(clusters) > 1 else "leave it out"
            raise UserError(
                f"setting 'cluster': no {count} clusters, for only {len(clusters)} of the training "
                f"users differ; {remedy}"
            )
        rows = rows_of_cluster(data.train, data.sequence_users, clusters.labels, number - 1)
        if not len(rows):
            raise UserError(
                f"setting 'cluster': cluster {number} of {count} has no training row; take fewer "
                "clusters"
            )
        return rows

    def _gate(self, lm: PeftModel | PreTrainedModel, guide: Guide) -> ExpertGate | None:  # noqa: ARG002
        """Make the gate; here there is none."""
        return None

    def _fit_guide(self, data: TrainingData, runtime: Runtime) -> Guide:
        self.encoder = fitted_encoder(self.settings.encoder, data, runtime)
        return self._guide(data)

    def _guide(self, data: TrainingData) -> Guide:
        name, encoder = self.settings.encoder, self.encoder
        users = user_vectors(name, encoder, data.train.histories[:1024])
        return Guide(item_vectors(name, encoder, len(data.catalogue)), users)

    def _stand_in(self, data: TrainingData) -> Guide:
        return Guide.random(len(data.catalogue))

    def _assemble(self, lm: PeftModel | PreTrainedModel, guide: Guide | None) -> HybridLM:
        assert guide is not None
        vectors = standardised(guide.vectors)
        projector = ItemProjector(vectors, width_of(lm), word_statistics(lm))
        module = HybridLM(lm, self.writer.item_token, projector, self._gate(lm, guide))
        return module.to(module.device)

    def _user_vectors(self, histories: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return what a gate is told of histories, [rows, width]: what the encoder sees in them."""
        return user_vectors(self.settings.encoder, self.encoder, histories)

    def _gate_inputs(self, queries: Queries) -> Tensor | None:
        if self.module.user_gate is None:
            return None
        return torch.from_numpy(self._user_vectors(self._gated_by(queries))).to(self.module.device)

    def _seen(self, questions: TrainingQuestions) -> Seen | None:
        if self.module.user_gate is None:
            return None
        vectors = torch.from_numpy(self._user_vectors(questions.histories)).to(self.module.device)
        return lambda rows, _: vectors[rows]

    def _gated_by(self, queries: Queries) -> NDArray[np.int32]:
        """Return the histories by which the gate sees who asks, [rows, H]."""
        if not self.knows_users or queries.users is None:
            return queries.histories
        train = self.writer.data.train
        return train.histories[[_row_of_another(train, asker) for asker in queries.users.tolist()]]

    def _hybrid(
        self, questions: TrainingQuestions, rows: NDArray[np.int64], step: Step
    ) -> NDArray[np.bool_]:
        if self.settings.curriculum:
            return questions.hybrid(rows, step)
        return np.ones(len(rows), dtype=np.bool_)

    def _groups(self) -> tuple[ParameterGroup, ...]:
        factor = self.settings.projector_learning_rate_factor
        decay = self.settings.projector_weight_decay
        return (ParameterGroup("projector", factor, decay),)

    def _learnt(self) -> dict[str, nn.Module]:
        parts: dict[str, Any] = {"projector": self.module.projector, "gate": self.module.gate}
        return {name: part for name, part in parts.items() if part is not None}


def _row_of_another(train: Examples, asker: int) -> int:
    """Choose a training row of somebody else, for each asker always the same."""
    others = np.flatnonzero(train.users != asker)
    if not others.size:
        raise UserError(
            "there is no training row of another user, whom the gate could be fed with; leave out "
            "--control other-user"
        )
    return int(generator(0, "other-user", asker).choice(others))
