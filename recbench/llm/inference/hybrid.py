"""
A language model that reads item vectors between words, and adapts to the user before it.

The vectors of a frozen sequential recommender are projected by two layers, with GELU between them,
to the width of the language model, and stand in its input after every title, in place of a token
(LLaRA, Liao et al., SIGIR 2024). They are first centred and scaled, all by one factor, to a root
mean square of 1, which keeps their geometry. The projector starts with outputs that have the mean
and the spread of the model's token embeddings: item tokens unlike any word are slow to be read.
"""

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from peft import PeftModel
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.utils import ModelOutput

from recbench.llm.inference.head import head_on
from recbench.llm.tuning.gate import ExpertGate, InstanceGate
from recbench.neural.precision import whole_float32
from recbench.seeding import generator


def standardised(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """
    Move vectors [n, d] to mean zero and scale them, all by one factor, to a root mean square of 1.

    Differences keep their directions and proportions. Vectors that are all equal become zero.
    """
    centred = vectors - vectors.mean(axis=0, dtype=np.float64)
    return (centred / (root_mean_square(centred) or 1.0)).astype(np.float32)


def root_mean_square(values: NDArray[Any]) -> float:
    """Return the root of the mean of squares over all entries."""
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))


@dataclass(frozen=True)
class Guide:
    """
    What a frozen recommender tells a language model.

    Attributes
    ----------
    vectors
        float32 [items, d], of items, in the recommender's own size.
    users
        float32 [n, w], of some users: the size in which a gate will see them.
    """

    vectors: NDArray[np.float32]
    users: NDArray[np.float32]

    @classmethod
    def random(cls, items: int, width: int = 16) -> "Guide":
        """Return one that knows nothing, to try a model before there is a recommender."""
        random = generator(0, "guide")
        vectors, users = random.standard_normal((2, max(items, 8), width), dtype=np.float32)
        return cls(vectors[:items], users)


class ItemProjector(nn.Module):
    """
    Item tokens from item vectors.

    Parameters
    ----------
    vectors
        float32 [items, d], frozen, `standardised`.
    width
        Width of the language model.
    words
        Mean [width] and spread of the model's token embeddings, see `word_statistics`: those of the
        projector's first outputs.
    """

    vectors: Tensor

    def __init__(
        self, vectors: NDArray[np.float32], width: int, words: tuple[Tensor, float]
    ) -> None:
        super().__init__()
        self.register_buffer("vectors", torch.from_numpy(vectors), persistent=False)
        last = nn.Linear(width, width)
        self.network = nn.Sequential(nn.Linear(vectors.shape[1], width), nn.GELU(), last)
        mean, spread = words
        with torch.no_grad(), whole_float32():
            first = self.network(self.vectors)
            last.weight.mul_(spread / max(float((first - first.mean(dim=0)).std()), 1e-6))
            last.bias.add_(mean - self.network(self.vectors).mean(dim=0))

    def replace(self, vectors: NDArray[np.float32]) -> None:
        """Read the items of another catalogue, [items, d], through the same network."""
        self.vectors = torch.from_numpy(vectors).to(self.vectors.device)

    def forward(self, items: Tensor) -> Tensor:
        """Return item tokens [n, width] of catalogue codes [n]."""
        return self.network(self.vectors[items])


class HybridLM(nn.Module):
    """
    A language model, with LoRA as a rule, and what guides it.

    Parameters
    ----------
    lm
        A causal language model, under peft if it is tuned.
    item_token
        Token id at whose places item vectors are read.
    projector
        Makes item tokens; None for a text-only model.
    gate
        Attached to `lm`; None for one LoRA for all.
    """

    def __init__(
        self,
        lm: PeftModel | PreTrainedModel,
        item_token: int,
        projector: ItemProjector | None = None,
        gate: ExpertGate | None = None,
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

    @property
    def user_gate(self) -> InstanceGate | None:
        """The gate, if it must be told of every row's user before the model runs."""
        return self.gate if isinstance(self.gate, InstanceGate) else None

    @cached_property
    def _body(self) -> nn.Module:
        """The language model with its adapted layers; peft's wrapper refuses vectors to some."""
        if not isinstance(self.lm, PeftModel) or self.lm.active_peft_config.is_prompt_learning:
            return self.lm  # a prefix is put before the text by the wrapper itself
        return self.lm.get_base_model()

    @cached_property
    def _takes_positions(self) -> bool:
        """Whether it can be told positions: others swallow them, and count or need none."""
        return "position_ids" in inspect.signature(self._body.forward).parameters

    def run(
        self, reads: Tensor, *, positions: Tensor | None, **inputs: Any
    ) -> tuple[ModelOutput, Tensor]:
        """
        Run the language model, its output head on some places alone.

        Parameters
        ----------
        reads
            bool [B, T]: P places whose logits are wanted.
        positions
            int64 [B, T], of tokens in their own sequence; None for 0, 1, ...
        inputs
            ``inputs_embeds`` or ``input_ids``, ``attention_mask``, cache, as transformers has them.

        Returns
        -------
        output : ModelOutput
            What the model returned.
        logits : Tensor
            float32 [P, V], row by row.
        """
        if self._takes_positions and positions is not None:
            inputs["position_ids"] = positions
        with head_on(self.lm, reads):
            output = self._body(**inputs)
        return output, output.logits.float()

    def random_users(self, rows: int) -> Tensor | None:
        """Return user vectors that a gate can be tried with, [rows, width]; None for no need."""
        gate = self.user_gate
        if gate is None:
            return None
        return (torch.randn(rows, gate.width) / gate.scale.cpu()).to(self.device)

    @contextmanager
    def reading(self, users: Tensor | None, repeats: int = 1) -> Iterator[None]:
        """Evaluate inside the block: gate held, dropout and batch statistics off, no gradients."""
        training = self.training
        self.eval()
        try:
            with torch.no_grad():
                if self.user_gate is None or users is None:
                    yield
                else:
                    with self.user_gate.held(users, repeats):
                        yield
        finally:
            self.train(training)


def width_of(lm: PeftModel | PreTrainedModel) -> int:
    """Return the width of token embeddings; an adapter on them tells nothing but their weight."""
    return int(lm.get_input_embeddings().weight.shape[1])


def word_statistics(lm: PeftModel | PreTrainedModel) -> tuple[Tensor, float]:
    """
    Return the mean [width] of token embeddings and their spread, as a first layer sees them.

    The spread is the root mean square of what differs from the mean.
    """
    embeddings = lm.get_input_embeddings()
    with torch.no_grad():
        sample = torch.arange(min(len(embeddings.weight), 4096), device=embeddings.weight.device)
        words = embeddings(sample).float().cpu()
        mean = words.mean(dim=0)
        return mean, float((words - mean).square().mean().sqrt())
