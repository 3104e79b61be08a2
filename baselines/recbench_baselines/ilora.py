"""
iLoRA: LLaRA with a mixture of LoRA experts that differs from user to user.

Kong et al., "Customizing Language Models with Instance-wise LoRA for Sequential Recommendation",
NeurIPS 2024, arXiv 2408.10159. It shares everything with `llara` but the gate of
`recbench.llm.tuning.gate`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from peft import PeftModel
from pydantic import Field, model_validator
from torch import Tensor
from transformers import PreTrainedModel

from recbench.errors import UserError
from recbench.llm.encoders import build_encoder
from recbench.llm.guidance import (
    OF_HISTORIES,
    OF_PROMPTS,
    Guidance,
    OtherUsers,
    prompt_vectors,
    random_vectors,
)
from recbench.llm.guided import GuidedLanguageModel
from recbench.llm.inference.hybrid import Guide, root_mean_square, width_of
from recbench.llm.recommender import CODE_OVER_ROWS, Seen
from recbench.llm.settings import HybridSettings, Ranks
from recbench.llm.tuning.finetuning import TrainingQuestions
from recbench.llm.tuning.gate import ExpertGate, InstanceGate, equal_ranks
from recbench.llm.tuning.router import TokenRouter
from recbench.neural.plan import ParameterGroup, Step
from recbench.neural.precision import FLOAT32, computing
from recbench.neural.reach import cut, said_of
from recbench.neural.recommender import NeuralSettings
from recbench.questions.controls import Control
from recbench.questions.queries import Queries
from recbench.recommender import Runtime, TrainingData


class GatedSettings(HybridSettings):
    """
    `HybridSettings` and the gate.

    Attributes
    ----------
    experts
        K: how many, inside the one rank and equal unless said otherwise.
    gate
        ``"linear"`` (the paper) or ``"resnet"`` (the released code).
    gate_learning_rate_factor
        The gate's learning rate in parts of the others' (released code: 0.3).
    guidance
        What the gate sees: ``"sequence"``, what the encoder sees in the history (the paper), or one
        of the others that it is compared with (`recbench.llm.guidance`): ``"other-user"``,
        ``"random"``, ``"tokens"``, ``"prompt"``, ``"token-routing"``.
    """

    experts: int = Field(4, ge=1)
    gate: Literal["linear", "resnet"] = "linear"
    gate_learning_rate_factor: float = Field(0.3, gt=0)
    guidance: Guidance = "sequence"

    added: ClassVar[frozenset[str]] = HybridSettings.added | {"guidance"}
    of_lora: ClassVar[frozenset[str]] = HybridSettings.of_lora - {"rank"}  # the experts have it

    @model_validator(mode="after")
    def _routers_are_linear(self) -> Self:
        if self.guidance == "token-routing" and self.gate != "linear":
            raise ValueError(f"guidance=token-routing has linear routers, not {self.gate}")
        return self

    @property
    def ranks(self) -> tuple[int, ...]:
        """Ranks of the experts."""
        return equal_ranks(self.rank, self.experts)


class ILoRASettings(GatedSettings):
    """
    `GatedSettings`, and experts of unequal rank.

    Attributes
    ----------
    expert_ranks
        Ranks of the experts where they are not to be equal, "4,2,1,1"; they add up to `rank`.
    """

    expert_ranks: Ranks | None = None

    @model_validator(mode="before")
    @classmethod
    def _as_many_experts_as_ranks(cls, values: Any) -> Any:
        """Count the experts where only their ranks are set, so that a record has both."""
        ranks = values.get("expert_ranks")
        return {"experts": len(ranks), **values} if isinstance(ranks, list | tuple) else values

    @model_validator(mode="after")
    def _ranks_fit(self) -> Self:
        if len(self.ranks) != self.experts:
            raise ValueError(
                f"expert_ranks {self.ranks} are of {len(self.ranks)} experts, but experts="
                f"{self.experts}; leave out experts"
            )
        if sum(self.ranks) != self.rank:
            raise ValueError(f"ranks {self.ranks} do not add up to rank {self.rank}")
        return self

    @property
    def ranks(self) -> tuple[int, ...]:
        """Ranks of the experts."""
        return self.expert_ranks or super().ranks


class ILoRA(GuidedLanguageModel):
    """Hybrid prompts with curriculum, experts weighed by what the recommender knows of the user."""

    settings_class: ClassVar[type[GatedSettings]] = ILoRASettings
    settings: GatedSettings
    summary = "LLaRA with instance-wise LoRA experts, weighed by a gate on the user"
    reference = "Kong et al., NeurIPS 2024, arXiv 2408.10159"

    @property
    def controls(self) -> frozenset[Control]:
        """Add that of the gate, where it goes by the history."""
        own: set[Control] = {"other-user"} if self.weighs_users else set()
        return super().controls | own

    def ingredients(self) -> dict[str, Any]:
        """Add an own version where the gate mixes rows."""
        own = {"code": CODE_OVER_ROWS} if self.settings.gate == "resnet" else {}
        return super().ingredients() | own

    def rehearse(self, data: TrainingData, candidates: int, runtime: Runtime) -> None:
        """Say how much of a history the gate sees, too, where its encoder reads less than all."""
        super().rehearse(data, candidates, runtime)
        name = self.settings.encoder
        settings = build_encoder(name).settings
        read = settings.items_read if isinstance(settings, NeuralSettings) else None
        if self._sees_encoder and (found := cut(read, data)):
            more = "--set encoder=gru4rec reads them all"
            runtime.report(said_of(found, f"the gate's encoder {name}", more))
            self.examined[data.digest] |= {f"gate_{key}": one for key, one in found.items()}

    def transfer(self, data: TrainingData, runtime: Runtime) -> None:
        """Bring the new encoder's user vectors to the size that the gate has learnt with."""
        super().transfer(data, runtime)
        if self.module.user_gate is not None:
            self.module.user_gate.scale.fill_(self._scale(self._guide(data)))

    @property
    def weighs_users(self) -> bool:
        """Whether the gate goes by the history, not by words."""
        return self.settings.guidance in OF_HISTORIES

    def expert_weights(self, queries: Queries) -> NDArray[np.float32]:
        """
        Return the experts' weights of each row, float32 [rows, K]; they add up to 1.

        Raises
        ------
        UserError
            If they are not of users but of tokens.
        """
        gate, seen = self._user_gate, self._gate_inputs(queries)
        assert seen is not None
        with self.module.reading(None), computing(FLOAT32, self.module.device):
            return gate(seen).cpu().numpy()

    @contextmanager
    def weighing_alike(self, weights: NDArray[np.float32]) -> Iterator[None]:
        """Give every user the same weights [K] inside the block."""
        gate = self._user_gate
        gate.alike = torch.from_numpy(weights).to(self.module.device)
        try:
            yield
        finally:
            gate.alike = None

    @property
    def _user_gate(self) -> InstanceGate:
        gate = self.module.user_gate
        if gate is None:
            raise UserError("token-routing weighs experts by the token, not by the user")
        return gate

    def _guide(self, data: TrainingData) -> Guide:
        if self.settings.guidance == "other-user":
            self._others = OtherUsers(data)
        return super()._guide(data)

    def _gate(self, lm: PeftModel | PreTrainedModel, guide: Guide) -> ExpertGate:
        settings = self.settings
        if settings.guidance == "token-routing":
            return TokenRouter(lm, settings.ranks)
        of_words = settings.guidance in OF_PROMPTS
        width = width_of(lm) if of_words else guide.users.shape[1]
        return InstanceGate(width, settings.ranks, settings.gate, self._scale(guide))

    def _scale(self, guide: Guide) -> float:
        """Return what brings the vectors that a gate sees to a root mean square of 1."""
        return 1 / (root_mean_square(guide.users) or 1.0) if self._sees_encoder else 1.0

    @property
    def _sees_encoder(self) -> bool:
        """Whether the gate goes by what the encoder reads in a history."""
        return self.settings.guidance in ("sequence", "other-user")

    def _user_vectors(self, histories: NDArray[np.int32]) -> NDArray[np.float32]:
        if self.settings.guidance == "random":
            assert self.module.user_gate is not None
            return random_vectors(histories, self.module.user_gate.width)
        if self.settings.guidance == "other-user":
            histories = self._others.histories(histories)
        return super()._user_vectors(histories)

    def _gate_inputs(self, queries: Queries) -> Tensor | None:
        if self.settings.guidance not in OF_PROMPTS:
            return super()._gate_inputs(queries)
        asked = queries.histories, queries.candidates
        prompts = self.writer.prompts(*asked, np.zeros(len(queries), dtype=np.bool_))
        with computing(self._precision, self.module.device):
            return prompt_vectors(self.module, prompts, self.settings.guidance)

    def _seen(self, questions: TrainingQuestions) -> Seen | None:
        if self.settings.guidance not in OF_PROMPTS:
            return super()._seen(questions)
        kept: dict[tuple[Step, bytes], Tensor] = {}

        def seen(rows: NDArray[np.int64], step: Step) -> Tensor:
            key = step, rows.tobytes()
            if key not in kept:  # a gate that mixes rows asks for a whole step, part by part
                shown = Queries(questions.histories[rows], questions.candidates(rows, step))
                vectors = self._gate_inputs(shown)
                assert vectors is not None
                kept.clear()
                kept[key] = vectors
            return kept[key]

        return seen

    @property
    def _asks_without_adapter(self) -> str:
        guidance = self.settings.guidance
        return f"guidance={guidance}" if guidance in OF_PROMPTS else super()._asks_without_adapter

    def _groups(self) -> tuple[ParameterGroup, ...]:
        factor = self.settings.gate_learning_rate_factor
        return (*super()._groups(), ParameterGroup("gate", learning_rate_factor=factor))
