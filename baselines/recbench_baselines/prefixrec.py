"""
PrefixRec: a language model whose text-only prompts stand behind a prefix that is learnt.

Li and Liang, "Prefix-Tuning: Optimizing Continuous Prompts for Generation", ACL 2021: nothing of
the model is changed; keys and values of some tokens before the prompt are learnt. The review of
iLoRA asked for it beside LoRA.
"""

from typing import Any, ClassVar, Literal

from peft import PrefixTuningConfig
from pydantic import Field, field_validator

from recbench.llm.recommender import LanguageModelRecommender
from recbench.llm.settings import PAPER, TuningSettings


class PrefixRecSettings(TuningSettings):
    """
    `TuningSettings` and the prefix.

    Attributes
    ----------
    prefix_tokens
        How many tokens the prefix takes the place of.
    gradient_checkpointing
        Not to be had: checkpointing keeps no keys and values, of which a prefix consists.
    adapter
        Not to be had: what can be read of adapters has no prefix.
    """

    prefix_tokens: int = Field(16, ge=1)
    gradient_checkpointing: Literal[False] = False
    learning_rate: float = Field(1e-2, gt=0)

    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {name: value for name, value in PAPER.items() if name != "dropout"}
    }

    @field_validator("adapter")
    @classmethod
    def _learns_its_own(cls, adapter: str | None) -> str | None:
        if adapter is not None:
            raise ValueError(
                "this model learns a prefix of its own; leave it out, or tune the "
                "adapter with --model tallrec"
            )
        return adapter


class PrefixRec(LanguageModelRecommender):
    """A language model that reads titles behind a learnt prefix."""

    settings_class = PrefixRecSettings
    settings: PrefixRecSettings
    summary = "language model with prefix tuning on text-only prompts"
    reference = "Li and Liang, ACL 2021, arXiv 2101.00190"

    @property
    def _adapter_config(self) -> PrefixTuningConfig:
        tokens = self.settings.prefix_tokens
        return PrefixTuningConfig("CAUSAL_LM", num_virtual_tokens=tokens)
