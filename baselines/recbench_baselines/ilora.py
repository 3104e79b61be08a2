"""
iLoRA: LLaRA with a mixture of LoRA experts that differs from user to user.

Kong et al., "Customizing Language Models with Instance-wise LoRA for Sequential Recommendation",
NeurIPS 2024, arXiv 2408.10159. It shares everything with `llara` but the gate of
`recbench.llm.tuning.gate`.
"""

from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from recbench.llm.guided import GuidedLanguageModel
from recbench.llm.inference.hybrid import Guide, root_mean_square
from recbench.llm.settings import HybridSettings, Ranks, listed
from recbench.llm.tuning.gate import InstanceGate, equal_ranks
from recbench.neural.plan import ParameterGroup
from recbench.questions.controls import Control
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
    """

    experts: int = Field(4, ge=1)
    gate: Literal["linear", "resnet"] = "linear"
    gate_learning_rate_factor: float = Field(0.3, gt=0)

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
        ranks = listed(values.get("expert_ranks"))
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
        """Add that of the gate."""
        return super().controls | {"other-user"}

    def transfer(self, data: TrainingData, runtime: Runtime) -> None:
        """Bring the new encoder's user vectors to the size that the gate has learnt with."""
        super().transfer(data, runtime)
        if self.module.gate is not None:
            self.module.gate.scale.fill_(_scale(self._guide(data)))

    def _gate(self, guide: Guide) -> InstanceGate:
        width = guide.users.shape[1]
        return InstanceGate(width, self.settings.ranks, self.settings.gate, _scale(guide))

    def _groups(self) -> tuple[ParameterGroup, ...]:
        factor = self.settings.gate_learning_rate_factor
        return (*super()._groups(), ParameterGroup("gate", learning_rate_factor=factor))


def _scale(guide: Guide) -> float:
    return 1 / (root_mean_square(guide.users) or 1.0)
