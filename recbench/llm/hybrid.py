"""
A language model that reads item vectors between words, and adapts to the user before it.

The vectors of a frozen sequential recommender are projected (64 -> d -> d with GELU) to the width
of the language model and stand in its input after every title, in place of a token (LLaRA, Liao et
al., SIGIR 2024). They are first scaled, all by one factor, to a root mean square of 1, which keeps
their geometry, and the projector starts with outputs as large as the model's token embeddings: item
tokens that are many times larger or smaller than words are slow to be read.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from peft import PeftModel
from torch import Tensor, nn

from recbench.llm.gate import InstanceGate


def unit_rms(vectors: NDArray[np.float32]) -> tuple[NDArray[np.float32], float]:
    """
    Scale vectors [n, d] by one factor to a root mean square of 1; return them and the factor.

    Vectors that are all zero stay as they are, with factor 1.
    """
    rms = float(np.sqrt(np.mean(np.square(vectors, dtype=np.float64))))
    factor = 1.0 / rms if rms > 0 else 1.0
    return (vectors * factor).astype(np.float32), factor


class ItemProjector(nn.Module):
    """
    Item tokens from item vectors.

    Parameters
    ----------
    vectors
        float32 [items, d], frozen, of unit root mean square.
    width
        Width of the language model.
    rms
        Root mean square of the first outputs: that of the model's token embeddings.
    """

    vectors: Tensor

    def __init__(self, vectors: NDArray[np.float32], width: int, rms: float) -> None:
        super().__init__()
        self.register_buffer("vectors", torch.from_numpy(vectors), persistent=False)
        self.network = nn.Sequential(
            nn.Linear(vectors.shape[1], width), nn.GELU(), nn.Linear(width, width)
        )
        with torch.no_grad():
            first = self.network(self.vectors).square().mean().sqrt()
            for parameter in self.network[2].parameters():
                parameter.mul_(rms / first)

    def forward(self, items: Tensor) -> Tensor:
        """Return item tokens [n, width] of catalogue codes [n]."""
        return self.network(self.vectors[items])


class HybridLM(nn.Module):
    """
    A language model with LoRA, and what guides it.

    Parameters
    ----------
    lm
        A causal language model under peft.
    item_token
        Token id at whose places item vectors are read.
    projector
        Makes item tokens; None for a text-only model.
    gate
        Attached to `lm`; None for one LoRA for all.
    """

    def __init__(
        self,
        lm: PeftModel,
        item_token: int,
        projector: ItemProjector | None = None,
        gate: InstanceGate | None = None,
    ) -> None:
        super().__init__()
        self.lm, self.item_token = lm, item_token
        self.projector, self.gate = projector, gate
        if gate is not None:
            gate.attach(lm)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.lm.get_input_embeddings().weight.device

    def embed(self, ids: Tensor, items: Sequence[int]) -> Tensor:
        """
        Return the model's input [B, T, width].

        Parameters
        ----------
        ids
            Token ids [B, T].
        items
            Catalogue codes, one an item token of `ids`, row by row.
        """
        places = ids == self.item_token
        # The item token is not in the vocabulary: any other id stands in until it is overwritten.
        inputs = self.lm.get_input_embeddings()(ids.masked_fill(places, 0))
        if self.projector is None or not items:
            return inputs
        tokens = self.projector(torch.tensor(items, device=ids.device))
        return inputs.masked_scatter(places[..., None], tokens.to(inputs.dtype))

    @contextmanager
    def reading(self, users: Tensor | None, repeats: int = 1) -> Iterator[None]:
        """Evaluate inside the block: gate held, dropout and batch statistics off, no gradients."""
        training = self.training
        self.eval()
        try:
            with torch.no_grad():
                if self.gate is None or users is None:
                    yield
                else:
                    with self.gate.held(users, repeats):
                        yield
        finally:
            self.train(training)


def embedding_rms(lm: PeftModel) -> float:
    """Return the root mean square of token embeddings, as the first layer sees them."""
    embeddings = lm.get_input_embeddings()
    with torch.no_grad():
        sample = torch.arange(min(len(embeddings.weight), 4096), device=embeddings.weight.device)
        return float(embeddings(sample).float().square().mean().sqrt())
