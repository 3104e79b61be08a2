"""
BERT4Rec: bidirectional self-attention that fills in hidden items of a sequence.

Sun et al., "BERT4Rec: sequential recommendation with bidirectional encoder representations from
transformer", CIKM 2019, arXiv 1904.06690. Reference code: github.com/FeiSun/BERT4Rec. What its
replications need is from Petrov and Macdonald, RecSys 2022, arXiv 2207.07483: far more epochs than
the reference code makes, and items hidden anew in each.
"""

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from recbench.neural.recommender import NeuralRecommender, SequenceModule
from recbench.neural.sequences import Codes, last_columns, pieces
from recbench.neural.transformer import SelfAttention, TransformerSettings, draw_weights
from recbench.questions.split import PAD
from recbench.recommender import TrainingData

MASK = -2
"""Stands for an item that is to be filled in."""


class BERT4RecSettings(TransformerSettings):
    """
    Settings of `BERT4Rec`.

    Attributes
    ----------
    max_length
        Most items of a training row, and of a query with the place that is asked about: of a
        history the latest ``max_length - 1`` are read.
    masking
        Share of the items of a row that are hidden (the paper's rho), anew in every epoch; at least
        one is.
    last_only
        Share of the rows of which the last item alone is hidden, as when a next item is asked for.
    """

    embedding_dim: int = Field(default=96, ge=1)
    layers: int = Field(default=1, ge=1)
    heads: int = Field(default=4, ge=1)
    max_length: int = Field(default=15, ge=2)
    dropout: float = Field(default=0.4, ge=0, lt=1)
    learning_rate: float = Field(default=4e-3, gt=0)
    weight_decay: float = Field(default=0.1, ge=0)
    batch_size: int = Field(default=64, ge=1)
    epochs: int = Field(default=250, ge=1)
    patience: int = Field(default=25, ge=1)
    masking: float = Field(default=0.6, gt=0, lt=1)
    last_only: float = Field(default=0.25, ge=0, le=1)

    @property
    def items_read(self) -> int:
        """One less than there are positions."""
        return self.max_length - 1


class Layer(nn.Module):
    """Attention to all positions and a network at each (section 3.3), normalised afterwards."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.attention = SelfAttention(width, heads, dropout, bias=False)
        self.network = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )
        self.attention_norm, self.network_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, seen: Tensor) -> Tensor:
        """Return [B, T, d] for x [B, T, d] and the positions that hold something, bool [B, T]."""
        x = self.attention_norm(x + self.dropout(self.attention(x, seen)))
        return self.network_norm(x + self.dropout(self.network(x)))


class BERT4RecModule(SequenceModule):
    """
    Embeddings of items and positions, layers, a projection, and the item embeddings at the output.

    Vectors have one number more than the embeddings: an item's bias, and 1 for a user. So a dot
    product holds all of the paper's score (equation 7). Positions count from the newest item, which
    is where the place that is asked about always is.
    """

    def __init__(self, items: int, settings: BERT4RecSettings) -> None:
        width = settings.embedding_dim
        super().__init__(items, width)
        self.positions = nn.Embedding(settings.max_length, width)
        self.mask = nn.Parameter(torch.zeros(width))
        self.dropout = nn.Dropout(settings.dropout)
        self.layers = nn.ModuleList(
            Layer(width, settings.heads, settings.dropout) for _ in range(settings.layers)
        )
        self.projection = nn.Sequential(nn.Linear(width, width), nn.GELU())
        self.bias = nn.Parameter(torch.zeros(items))
        # The paper draws all from +-.02, as BERT does, which is ten times as wide: in narrow layers
        # next to nothing comes out at first. (On the toy data two seeds had an NDCG@2 of .66 and
        # .20 after 24 epochs; drawn by Xavier's uniform rule, .91 and .95.)
        draw_weights(self)
        nn.init.normal_(self.mask, std=0.02)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return [B, T, d + 1] for inputs [B, T] with PAD on the left and MASK where one asks."""
        places = torch.arange(inputs.shape[1] - 1, -1, -1, device=inputs.device)
        items = torch.where((inputs == MASK)[..., None], self.mask, self.embedded(inputs))
        x = self.dropout(items + self.positions(places))
        for layer in self.layers:
            x = layer(x, inputs != PAD)
        return nn.functional.pad(self.projection(x), (0, 1), value=1.0)

    def item_vectors(self) -> Tensor:
        """Return [N, d + 1]: embedding and bias."""
        return torch.cat([super().item_vectors(), self.bias[:, None]], dim=1)

    def user_vectors(self, histories: Codes) -> Tensor:
        """Return [B, d + 1] for a MASK after the latest items; zeros for an empty history."""
        latest = last_columns(histories, self.positions.num_embeddings - 1)
        asked = np.pad(latest, ((0, 0), (0, 1)), constant_values=MASK)
        inputs = torch.from_numpy(asked).long().to(self.items.weight.device)
        return self(inputs)[:, -1] * (inputs >= 0).any(dim=1, keepdim=True)


class BERT4Rec(NeuralRecommender):
    """Hidden items are filled in from both sides; the next item is one hidden at the end."""

    settings_class = BERT4RecSettings
    settings: BERT4RecSettings
    summary = "bidirectional self-attention that fills in hidden items"
    reference = "Sun et al., CIKM 2019, arXiv 1904.06690"

    def build(self, items: int) -> BERT4RecModule:
        """Return the untrained module."""
        return BERT4RecModule(items, self.settings)

    def training_rows(self, data: TrainingData) -> tuple[Codes, Codes]:
        """Cut the sequences into pieces, whose own items are the targets."""
        rows = pieces(data.sequences, self.settings.max_length)
        return rows, rows

    def shown(
        self, inputs: Codes, targets: Codes, random: np.random.Generator
    ) -> tuple[Codes, Codes]:
        """Hide items, which are then the targets (the Cloze task of section 3.6)."""
        drawn = np.where(inputs == PAD, np.inf, random.random(inputs.shape))
        hidden = drawn <= np.maximum(self.settings.masking, drawn.min(axis=1, keepdims=True))
        last_only = random.random(len(inputs)) < self.settings.last_only
        hidden[last_only] = np.arange(inputs.shape[1]) == inputs.shape[1] - 1
        return np.where(hidden, MASK, inputs), np.where(hidden, targets, PAD)
