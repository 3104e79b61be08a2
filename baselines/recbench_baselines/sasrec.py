"""
SASRec: self-attention over the sequence of items.

Kang and McAuley, "Self-attentive sequential recommendation", ICDM 2018, arXiv 1808.09781.
Reference code: github.com/kang205/SASRec.
"""

import math

from pydantic import Field
from torch import Tensor, nn

from recbench.neural.recommender import NeuralRecommender
from recbench.neural.sequences import Codes, chunks
from recbench.neural.transformer import CausalTransformer, TransformerSettings, attended
from recbench.recommender import TrainingData


class SASRecSettings(TransformerSettings):
    """Settings of `SASRec`."""

    learning_rate: float = Field(default=4e-3, gt=0)
    weight_decay: float = Field(default=0.5, ge=0)
    batch_size: int = Field(default=64, ge=1)


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
        rate = self.dropout.p if self.training else 0.0
        keys, values = self.key_value(x).chunk(2, dim=-1)
        return attended(self.query(queries), keys, values, self.heads, rate)


class SASRecModule(CausalTransformer):
    """Item and position embeddings, blocks, and the item embeddings again at the output."""

    def __init__(self, items: int, settings: SASRecSettings) -> None:
        super().__init__(items, settings)
        width = settings.embedding_dim
        self.blocks = nn.Sequential(
            *(Block(width, settings.heads, settings.dropout) for _ in range(settings.layers))
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return [B, T, d] for inputs [B, T] with PAD on the right; T at most `max_length`."""
        return self.norm(self.blocks(self.placed(inputs, math.sqrt(self.items.embedding_dim))))


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
