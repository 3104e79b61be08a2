"""
LLaRA: a language model with LoRA that reads an item's vector after every title.

Liao et al., "LLaRA: Large Language-Recommendation Assistant", SIGIR 2024, arXiv 2312.02445.
"""

from recbench.llm.guided import GuidedLanguageModel
from recbench.llm.settings import HybridSettings


class LLaRA(GuidedLanguageModel):
    """Hybrid prompts with curriculum, one LoRA for all users."""

    settings_class = HybridSettings
    summary = "language model with LoRA on hybrid prompts guided by a frozen recommender"
    reference = "Liao et al., SIGIR 2024, arXiv 2312.02445"
