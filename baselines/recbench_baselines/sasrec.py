"""
SASRec: self-attention over the sequence of items.

Kang and McAuley, "Self-attentive sequential recommendation", ICDM 2018, arXiv 1808.09781.
Reference code: github.com/kang205/SASRec.
"""

import math

import torch
from pydantic import Field, ValidationInfo, field_validator
from torch import Tensor, nn
from torch.nn import functional as F

from recbench.neural.recommender import CausalModule, NeuralRecommender, NeuralSettings
from recbench.neural.sequences import Codes, chunks, last_columns
from recbench.recommender import TrainingData


class SASRecSettings(NeuralSettings):
    """
    Settings of `SASRec`.

    Attributes
    ----------
    layers
        Self-attention blocks.
    heads
        Attention heads; divides `embedding_dim`.
    """

    learning_rate: float = Field(default=4e-3, gt=0)
    weight_decay: float = Field(default=0.5, ge=0)
    batch_size: int = Field(default=64, ge=1)
    layers: int = Field(default=2, ge=1)
    heads: int = Field(default=1, ge=1)

    @field_validator("heads")
    @classmethod
    def _divides(cls, heads: int, info: ValidationInfo) -> int:
        if info.data.get("embedding_dim", heads) % heads:
            raise ValueError("heads must divide embedding_dim")
        return heads


class Block(nn.Module):
    """Causal self-attention and a two-layer network at each position (section III.B)."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm, self.network_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.key_value = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.network = nn.Sequential(
            nn.Linear(width, width), nn.ReLU(), nn.Dropout(dropout), nn.Linear(width, width)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Return [B, T, d] for x [B, T, d]."""
        # The reference code normalises the queries alone, and adds them (not x) to the result.
        queries = self.attention_norm(x)
        x = queries + self.attended(queries, x)
        x = self.network_norm(x)
        return x + self.dropout(self.network(x))

    def attended(self, queries: Tensor, x: Tensor) -> Tensor:
        """Return attention's values [B, T, d]."""
        q, k, v = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # [B, heads, T, d / heads]
            for part in (self.query(queries), *self.key_value(x).chunk(2, dim=-1))
        )
        rate = self.dropout.p if self.training else 0.0
        values = F.scaled_dot_product_attention(q, k, v, dropout_p=rate, is_causal=True)
        return values.transpose(1, 2).flatten(2)  # [B, T, d]


class SASRecModule(CausalModule):
    """Item and position embeddings, blocks, and the item embeddings again at the output."""

    def __init__(self, items: int, settings: SASRecSettings) -> None:
        super().__init__(items, settings.embedding_dim)
        width = settings.embedding_dim
        # Position 0 is the oldest item of the row. The paper pads on the left and so counts from
        # the newest; counting from the oldest lets short histories be scored by positions that were
        # trained, with no padding in the attention at all.
        self.positions = nn.Embedding(settings.max_length, width)
        nn.init.normal_(self.items.weight.data[:-1], std=0.02)
        nn.init.normal_(self.positions.weight.data, std=0.02)
        self.dropout = nn.Dropout(settings.dropout)
        self.blocks = nn.Sequential(
            *(Block(width, settings.heads, settings.dropout) for _ in range(settings.layers))
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return [B, T, d] for inputs [B, T] with PAD on the right; T at most `max_length`."""
        places = torch.arange(inputs.shape[1], device=inputs.device)
        scale = math.sqrt(self.items.embedding_dim)
        x = self.dropout(scale * self.embedded(inputs) + self.positions(places))  # [B, T, d]
        return self.norm(self.blocks(x))

    def user_vectors(self, histories: Codes) -> Tensor:
        """Return [B, d] for the latest items that have a position; zeros for an empty history."""
        return super().user_vectors(last_columns(histories, self.positions.num_embeddings))


class SASRec(NeuralRecommender):
    """Next-item prediction by self-attention, trained at every position of whole sequences."""

    settings_class = SASRecSettings
    settings: SASRecSettings
    summary = "self-attention over the sequence of items"
    reference = "Kang and McAuley, ICDM 2018, arXiv 1808.09781"

    def build(self, items: int) -> SASRecModule:
        """Return the untrained module."""
        return SASRecModule(items, self.settings)

    def training_rows(self, data: TrainingData) -> tuple[Codes, Codes]:
        """Cut the sequences into pieces; the paper keeps each user's last piece alone."""
        return chunks(data.sequences, self.settings.max_length)
