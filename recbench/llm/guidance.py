"""
What a gate may be guided by, besides what the encoder sees in the history ("sequence").

Each is a function of the row alone and has no state, so what is trained, kept, loaded, audited and
asked again is guided alike:

- ``other-user``: what the encoder sees in the sequence of somebody else (`OtherUsers`);
- ``random``: noise, the same whenever the same history is asked about (`random_vectors`);
- ``tokens``: the mean of the language model's input embeddings of the prompt's tokens;
- ``prompt``: its last hidden state of the prompt, without LoRA, at the last token, the one that has
  read all of it (`prompt_vectors`, for both);
- ``token-routing``: nothing of the user; see `recbench.llm.tuning.router`.

A model is not told who asks, so a user is known by a history: "the same user" is the same history.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recbench.errors import UserError
from recbench.llm.inference.hybrid import HybridLM
from recbench.llm.prompts.writer import Prompt
from recbench.questions.split import PAD
from recbench.recommender import TrainingData
from recbench.seeding import generator

Guidance = Literal["sequence", "other-user", "random", "tokens", "prompt", "token-routing"]

OF_HISTORIES = ("sequence", "other-user", "random")
"""Those that are a function of the history alone."""

OF_PROMPTS = ("tokens", "prompt")
"""Those that depend on the prompt's words, not on the history alone."""

TOO_ALIKE = 0.5
"""Part of a history's items from which on a sequence may be that of the same user."""


def random_vectors(histories: NDArray[np.int32], width: int) -> NDArray[np.float32]:
    """Draw a vector for each history [rows, H]: standard normal, float32 [rows, width]."""
    drawn = [
        generator(0, "random guidance", *_seen(one)).standard_normal(width) for one in histories
    ]
    return np.array(drawn, dtype=np.float32).reshape(len(histories), width)


class OtherUsers:
    """
    Gives every history that of another user, always the same one.

    Whose a history is, is not known, but it is not of a user in whose training sequence half of its
    items stand. Of the other training users one is drawn, by the history.

    Parameters
    ----------
    data
        With the training sequences, of two users at least.
    """

    def __init__(self, data: TrainingData) -> None:
        self.sequences = data.sequences
        if len(self.sequences) < 2:
            raise UserError("setting 'guidance': other-user needs two training users; there is one")

    def histories(self, histories: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return the ends of others' sequences in the place of histories, int32 [rows, H]."""
        others = np.full_like(histories, PAD)
        for line, history in zip(others, histories, strict=True):
            other = self.sequences[self._other(_seen(history))][-len(line) :]
            line[len(line) - len(other) :] = other
        return others

    def _other(self, history: list[int]) -> int:
        """Return the number of the training sequence that stands in."""
        order = generator(0, "other user", *history).permutation(len(self.sequences))
        for number in order:
            if self._share(history, number) < TOO_ALIKE:
                return int(number)
        return int(min(order, key=lambda number: self._share(history, number)))

    def _share(self, history: list[int], number: int) -> float:
        """Return the part of a history's items that stand in a training sequence."""
        return float(np.isin(history, self.sequences[number]).mean()) if history else 0.0


@torch.no_grad()
def prompt_vectors(model: HybridLM, prompts: Sequence[Prompt], guidance: str) -> Tensor:
    """
    Return what the frozen language model makes of prompts, each of a root mean square of 1.

    They are read one by one: nothing depends on what else is in a batch, in any architecture.

    Parameters
    ----------
    model
        Under peft, whose adapter is put aside.
    prompts
        Text-only ones, so that what is seen does not move with the projector that is learnt.
    guidance
        One of `OF_PROMPTS`.

    Returns
    -------
    Tensor
        float32 [rows, width], on the model's device.
    """
    read = _mean_embedding if guidance == "tokens" else _last_state
    with model.reading(None), model.lm.disable_adapter():  # it may stand on words, too
        vectors = torch.stack([read(model, prompt) for prompt in prompts]).float()
    return vectors / vectors.square().mean(dim=1, keepdim=True).sqrt().clamp_min(1e-12)


def _mean_embedding(model: HybridLM, prompt: Prompt) -> Tensor:
    return _embedded(model, prompt)[0].float().mean(dim=0)


def _last_state(model: HybridLM, prompt: Prompt) -> Tensor:
    inputs = _embedded(model, prompt)
    nowhere = torch.zeros(inputs.shape[:2], dtype=torch.bool, device=model.device)
    output, _ = model.run(
        nowhere,
        positions=None,
        inputs_embeds=inputs,
        use_cache=False,
        output_hidden_states=True,
    )
    states = output.get("hidden_states")
    if not states:
        raise UserError(
            "setting 'guidance': this language model does not tell its hidden states; take tokens"
        )
    return states[-1][0, -1]


def _embedded(model: HybridLM, prompt: Prompt) -> Tensor:
    return model.embed(torch.tensor([prompt.ids], device=model.device), prompt.items)


def _seen(history: NDArray[np.int32]) -> list[int]:
    return [int(item) for item in history if item != PAD]
