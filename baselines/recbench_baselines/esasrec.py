"""
eSASRec: SASRec's next-item prediction with LiGR layers and a sampled softmax.

Tikhonovich et al., "eSASRec: enhancing transformer-based recommendations in a modular fashion",
RecSys 2025, arXiv 2508.06450. Reference code: github.com/blondered/transformer_benchmark, on
RecTools. The layers are those of Borisyuk et al., "From features to transformers: redefining
ranking for scalable impact", arXiv 2502.03417.
"""

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from recbench.neural.recommender import LossName, NeuralRecommender
from recbench.neural.sequences import Codes, chunks
from recbench.neural.transformer import (
    CausalTransformer,
    SelfAttention,
    TransformerSettings,
    draw_weights,
)
from recbench.recommender import TrainingData


class ESASRecSettings(TransformerSettings):
    """
    Settings of `ESASRec`.

    Attributes
    ----------
    expansion
        How many times as wide as `embedding_dim` the networks are inside.
    """

    embedding_dim: int = Field(default=96, ge=1)
    layers: int = Field(default=1, ge=1)
    dropout: float = Field(default=0.4, ge=0, lt=1)
    learning_rate: float = Field(default=4e-3, gt=0)
    weight_decay: float = Field(default=0.5, ge=0)
    batch_size: int = Field(default=128, ge=1)
    loss: LossName = "sampled-softmax"
    negatives: int = Field(default=256, ge=1)
    expansion: int = Field(default=4, ge=1)


class SwiGLU(nn.Module):
    """Two linear maps, the one gated by the other, and one back (Shazeer, arXiv 2002.05202)."""

    def __init__(self, width: int, inside: int, dropout: float) -> None:
        super().__init__()
        self.gate, self.value = (nn.Linear(width, inside, bias=False) for _ in range(2))
        self.output = nn.Linear(inside, width, bias=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Return [B, T, d] for x [B, T, d]."""
        return self.output(self.dropout(F.silu(self.gate(x)) * self.value(x)))


class LiGRLayer(nn.Module):
    """Causal self-attention and SwiGLU, normalised before and weighed by a gate afterwards."""

    def __init__(self, settings: ESASRecSettings) -> None:
        super().__init__()
        width, dropout = settings.embedding_dim, settings.dropout
        self.attention = SelfAttention(width, settings.heads, dropout, bias=True)
        self.network = SwiGLU(width, settings.expansion * width, dropout)
        self.attention_norm, self.network_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention_gate, self.network_gate = nn.Linear(width, width), nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Return [B, T, d] for x [B, T, d]; a gate reads what its part has not normalised."""
        change = self.dropout(self.attention(self.attention_norm(x)))
        x = x + torch.sigmoid(self.attention_gate(x)) * change
        change = self.dropout(self.network(self.network_norm(x)))
        return x + torch.sigmoid(self.network_gate(x)) * change


class ESASRecModule(CausalTransformer):
    """Item and position embeddings, LiGR layers, and the item embeddings again at the output."""

    def __init__(self, items: int, settings: ESASRecSettings) -> None:
        super().__init__(items, settings)
        self.layers = nn.Sequential(*(LiGRLayer(settings) for _ in range(settings.layers)))
        draw_weights(self)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return [B, T, d] for inputs [B, T] with PAD on the right; T at most `max_length`."""
        return self.layers(self.placed(inputs))


class ESASRec(NeuralRecommender):
    """Next-item prediction by gated self-attention, at every position of whole sequences."""

    settings_class = ESASRecSettings
    settings: ESASRecSettings
    summary = "SASRec with LiGR layers and a sampled softmax"
    reference = "Tikhonovich et al., RecSys 2025, arXiv 2508.06450"

    def build(self, items: int) -> ESASRecModule:
        """Return the untrained module."""
        return ESASRecModule(items, self.settings)

    def training_rows(self, data: TrainingData) -> tuple[Codes, Codes]:
        """Cut the sequences into pieces; the paper keeps each user's last piece alone."""
        return chunks(data.sequences, self.settings.max_length)
