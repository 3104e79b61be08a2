"""
An ensemble of whole LoRAs, weighed or swapped by iLoRA's gate.

iLoRA cuts one LoRA into slices; the review asked what as many whole LoRAs would do, which have as
many times the parameters. K LoRAs of rank r side by side are one of rank K r whose experts have
rank r each, so this is iLoRA in all else: `soft` weighs them user by user, `top1` gives each user
the one of the largest weight, and learns the gate by the straight-through estimator (Bengio et al.,
2013, arXiv 1308.3432).
"""

from typing import Any, ClassVar, Literal

from peft import PeftModel
from pydantic import field_validator
from transformers import PreTrainedModel

from recbench.llm.inference.hybrid import Guide
from recbench.llm.settings import PAPER
from recbench.llm.tuning.adapter import add_lora
from recbench.llm.tuning.gate import ExpertGate
from recbench_baselines.ilora import GatedSettings, ILoRA


class LoRAEnsembleSettings(GatedSettings):
    """
    `GatedSettings`, of whole LoRAs.

    Attributes
    ----------
    experts
        K: how many whole LoRAs.
    routing
        ``"soft"``, all of them by their weights, or ``"top1"``, the heaviest alone.
    peft
        Not to be had: the experts are LoRAs of `rank` each.
    """

    routing: Literal["soft", "top1"] = "soft"

    presets: ClassVar[dict[str, dict[str, Any]]] = {"paper": PAPER}

    @field_validator("peft")
    @classmethod
    def _are_whole_loras(cls, peft: str | None) -> str | None:
        if peft is not None:
            raise ValueError(
                "the experts are LoRAs by rank, alpha, dropout and targets; leave it out, or take "
                "--model ilora"
            )
        return peft

    @property
    def ranks(self) -> tuple[int, ...]:
        """Ranks of the experts: whole ones."""
        return (self.rank,) * self.experts


class LoRAEnsemble(ILoRA):
    """Hybrid prompts with curriculum, `experts` LoRAs of `rank` each, weighed or swapped."""

    settings_class = LoRAEnsembleSettings
    settings: LoRAEnsembleSettings
    summary = "LLaRA with whole LoRAs as experts, weighed or swapped by iLoRA's gate"
    reference = "asked for in the review of Kong et al., NeurIPS 2024"

    def _new_adapter(self, lm: PreTrainedModel) -> PeftModel:
        whole = sum(self.settings.ranks)
        return add_lora(lm, self.settings.model_copy(update={"rank": whole}))

    def _gate(self, lm: PeftModel | PreTrainedModel, guide: Guide) -> ExpertGate:
        gate = super()._gate(lm, guide)
        gate.hard = self.settings.routing == "top1"
        return gate
