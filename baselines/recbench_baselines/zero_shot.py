"""
A language model as it is: asked by the same prompts as the others, without having learnt from them.

The row of that name in the tables of LLaRA and iLoRA ("Llama2"): what the others must beat.
"""

from pathlib import Path
from typing import Any

from recbench.llm.inference.abilities import remember, remembered
from recbench.llm.listed import ListedLanguageModel
from recbench.llm.settings import CANDIDATES, PromptedSettings
from recbench.recommender import Runtime, TrainingData


class ZeroShot(ListedLanguageModel):
    """A language model without tuning; with `adapter`, one that was tuned elsewhere."""

    settings_class = PromptedSettings
    summary = "language model on text-only prompts, without tuning"
    reference = "Liao et al., SIGIR 2024, arXiv 2312.02445, table 2"
    random_training = False
    trains_together = True  # nothing is learnt: each loads it at once

    def fit(self, data: TrainingData, runtime: Runtime) -> dict[str, Any]:
        """Load the language model; nothing is learnt."""
        examined = self._rehearsed(data, CANDIDATES, runtime)
        self._make(data, runtime)
        return {"parameters_trained": 0, **examined}

    def save(self, folder: Path) -> None:
        """Write how the model was read: all else is the language model."""
        if self.abilities is not None:
            remember(self.abilities, folder / self._circumstances(self.module.device))

    def load(self, folder: Path, data: TrainingData, runtime: Runtime) -> None:
        """Load the language model again."""
        self._make(data, runtime)
        self.abilities = remembered(folder / self._circumstances(self.module.device))

    def _make(self, data: TrainingData, runtime: Runtime) -> None:
        lm = self._load_lm(data, runtime)
        self.module = self._module(lm, self._adapted, None, runtime).eval()
