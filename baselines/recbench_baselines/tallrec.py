"""
TALLRec: a language model tuned with LoRA on text-only prompts.

Bao et al., "TALLRec: An Effective and Efficient Tuning Framework to Align Large Language Model with
Recommendation", RecSys 2023. The paper asks yes or no of one item; like the comparisons of LLaRA
and iLoRA, this asks for one title out of the candidates.
"""

from typing import Any, ClassVar

from pydantic import Field

from recbench.llm.recommender import LanguageModelRecommender
from recbench.llm.settings import ATTENTION_QV, PAPER, LanguageModelSettings, Names


class TALLRecSettings(LanguageModelSettings):
    """
    `LanguageModelSettings` with the paper's LoRA: rank 8, alpha 16, q and v.

    The preset has the values of TALLRec's script (``shell/instruct_7B.sh``), but for its 200 epochs
    over at most 512 examples: the epochs are those with which LLaRA and iLoRA compare it.
    """

    alpha: float = Field(16, gt=0)
    targets: Names = ATTENTION_QV

    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {**PAPER, "learning_rate": 1e-4, "dropout": 0.05, "objective": "text"}
    }


class TALLRec(LanguageModelRecommender):
    """A language model that reads titles and nothing else."""

    settings_class = TALLRecSettings
    summary = "language model with LoRA on text-only prompts"
    reference = "Bao et al., RecSys 2023, arXiv 2305.00447"
