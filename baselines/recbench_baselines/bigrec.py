"""
BIGRec: a language model writes the next title, and the catalogue's titles nearest to it are meant.

Bao et al., "A Bi-Step Grounding Paradigm for Large Language Models in Recommendation Systems",
arXiv 2308.08434. The model is tuned to write a title behind a history; no candidates are listed,
and the whole catalogue is ranked by `recbench.llm.grounding`. Where the paper weighs distances by
popularity or by another recommender's scores, it adds to its main form; that is left out here.
"""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from recbench.llm.grounding import Grounding
from recbench.llm.settings import ATTENTION_QV, PAPER, UnlistedSettings
from recbench.llm.unlisted import Decoder, UnlistedLanguageModel
from recbench.neural.curve import Point


class BIGRecSettings(UnlistedSettings):
    """
    `UnlistedSettings`.

    The preset has the values of the released script, but for its early stopping by the loss on
    validation rows (here ``patience`` looks at their ranking) and its learning rate's linear decay.
    """

    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {
            **PAPER,
            "epochs": 50,
            "examples": 1024,
            "learning_rate": 1e-4,
            "alpha": 16,
            "dropout": 0.05,
            "targets": ATTENTION_QV,
            "objective": "text",
        }
    }


class BIGRec(UnlistedLanguageModel):
    """A language model that is asked what comes next, and taken by its nearest title."""

    settings_class = BIGRecSettings
    summary = "language model with LoRA that writes the next title, grounded in the whole catalogue"
    reference = "Bao et al., arXiv 2308.08434"

    @property
    def _asks_without_adapter(self) -> str:
        return "comparing titles"

    def _decoder(self) -> Decoder:
        return Grounding.of(self.module, self.writer).scores

    def _figures(self, scores: NDArray[np.float32]) -> Point:
        """Say how often what was written is a title of the catalogue, to the letter."""
        return {"WrittenTitleRatio": float(np.mean(scores.max(axis=1) == 0))}
