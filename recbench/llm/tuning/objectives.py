"""
What a language model is tuned for: from the likelihoods of answers to a loss.

An objective says which answers it needs, and whether those of the untuned model are wanted beside
the tuned one's; prompts, packing and steps are the same for all. The next one is a class here or
in a plug-in, in `recbench.llm.recommender.TunedLanguageModel.objectives`.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from recbench.neural.plan import Step


@dataclass(frozen=True)
class Likelihoods:
    """
    What the answers of a batch are worth to the model.

    Attributes
    ----------
    scores
        float32 [B, n], log-likelihoods: of the target in column 0, and of the other candidates
        where the objective `reads_all`.
    tokens
        int64 [B, n], how many tokens each is the sum of.
    reference
        What `scores` are without LoRA, without gradients; None unless the objective `compares`.
    """

    scores: Tensor
    tokens: Tensor
    reference: Tensor | None = None


class Objective(ABC):
    """
    A loss of likelihoods.

    Attributes
    ----------
    reads_all
        Whether it needs every candidate's likelihood, not the target's alone.
    whole_text
        Whether a likelihood is that of prompt and answer, not of the answer alone.
    compares
        Whether it needs what the language model says without LoRA.
    over_tokens
        Whether its mean is over the tokens that were read, not over rows: rows that are computed
        apart then count by their tokens.
    """

    reads_all: ClassVar[bool] = False
    whole_text: ClassVar[bool] = False
    compares: ClassVar[bool] = False
    over_tokens: ClassVar[bool] = False

    @abstractmethod
    def loss(self, likelihoods: Likelihoods) -> Tensor:
        """Return the mean loss of the rows, or of their tokens, a scalar."""

    def at(self, step: Step) -> "Objective":  # noqa: ARG002
        """Return the objective of one step: always this one; see `Stages`."""
        return self

    @property
    def stages(self) -> "tuple[Objective, ...]":
        """All that `at` may return, in their order."""
        return (self,)


class NextTitle(Objective):
    """Write the target's title (LLaRA, iLoRA): its tokens' cross-entropy, summed."""

    def loss(self, likelihoods: Likelihoods) -> Tensor:
        """Return the mean over rows."""
        return -likelihoods.scores[:, 0].mean()


class WholeText(Objective):
    """Go on with the prompt and then the title, as TALLRec's script does: mean over all tokens."""

    whole_text = over_tokens = True

    def loss(self, likelihoods: Likelihoods) -> Tensor:
        """Return the mean over tokens."""
        return -likelihoods.scores.sum() / likelihoods.tokens.sum()


class Listwise(Objective):
    """
    Tell the target from the other candidates: the cross-entropy of their likelihoods' softmax.

    Every candidate of the prompt is an answer that is read, so a row says twenty times as much as
    one title does; close to S-DPO (Chen et al., NeurIPS 2024) without a reference model.
    """

    reads_all = True

    def loss(self, likelihoods: Likelihoods) -> Tensor:
        """Return the mean over rows."""
        target = torch.zeros(len(likelihoods.scores), dtype=torch.long)
        return cross_entropy(likelihoods.scores, target.to(likelihoods.scores.device))


@dataclass(frozen=True)
class Stages:
    """
    One objective after another, in the place of an `Objective`.

    Attributes
    ----------
    first, second
        The objectives.
    share
        Part of the steps that the first one has, in (0, 1).
    """

    first: Objective
    second: Objective
    share: float

    def at(self, step: Step) -> Objective:
        """Return the one whose turn it is."""
        return self.first if step.index < self.share * step.total else self.second

    @property
    def stages(self) -> tuple[Objective, ...]:
        """All that `at` may return, in their order."""
        return self.first, self.second

    @property
    def over_tokens(self) -> bool:
        """Whether one of the means is over tokens."""
        return any(stage.over_tokens for stage in self.stages)


OBJECTIVES: dict[str, Objective] = {
    "title": NextTitle(),
    "text": WholeText(),
    "listwise": Listwise(),
}
"""Names for the setting `objective`."""
