"""What the transformers among the ID models share: settings, attention, positions."""

import torch
from pydantic import Field, ValidationInfo, field_validator
from torch import Tensor, nn
from torch.nn import functional as F

from recbench.neural.recommender import CausalModule, NeuralSettings, SequenceModule
from recbench.neural.sequences import Codes, last_columns


class TransformerSettings(NeuralSettings):
    """
    What every transformer can be told.

    Attributes
    ----------
    max_length
        Most items of a training row, and of a query's history: of a longer one the latest are read.
    layers
        Self-attention blocks.
    heads
        Attention heads; divides `embedding_dim`.
    """

    layers: int = Field(default=2, ge=1)
    heads: int = Field(default=1, ge=1)

    @property
    def items_read(self) -> int:
        """As many as there are positions."""
        return self.max_length

    @field_validator("heads")
    @classmethod
    def _divides(cls, heads: int, info: ValidationInfo) -> int:
        if info.data.get("embedding_dim", heads) % heads:
            raise ValueError("heads must divide embedding_dim")
        return heads


def attended(
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    heads: int,
    dropout: float,
    seen: Tensor | None = None,
) -> Tensor:
    """
    Attend in several heads by scaled dot products.

    Parameters
    ----------
    queries, keys, values
        [B, T, d], whose columns are the heads' one after the other.
    heads
        Divides d.
    dropout
        Rate for the weights.
    seen
        bool [B, T], the positions that all others see, at least one a row; None where each
        position sees itself and those before it.

    Returns
    -------
    Tensor
        [B, T, d]: the heads' weighted means of the values, one after the other.
    """
    q, k, v = (
        part.unflatten(-1, (heads, -1)).transpose(1, 2)  # [B, heads, T, d / heads]
        for part in (queries, keys, values)
    )
    mask = None if seen is None else seen[:, None, None]  # [B, 1, 1, T]
    means = F.scaled_dot_product_attention(
        q, k, v, attn_mask=mask, dropout_p=dropout, is_causal=seen is None
    )
    return means.transpose(1, 2).flatten(2)


class SelfAttention(nn.Module):
    """Multi-head self-attention as in Vaswani et al., NeurIPS 2017, section 3.2.2."""

    def __init__(self, width: int, heads: int, dropout: float, *, bias: bool) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.query_key_value = nn.Linear(width, 3 * width, bias=bias)
        self.output = nn.Linear(width, width, bias=bias)

    def forward(self, x: Tensor, seen: Tensor | None = None) -> Tensor:
        """Return [B, T, d] for x [B, T, d]; `seen` as for `attended`."""
        rate = self.dropout if self.training else 0.0
        queries, keys, values = self.query_key_value(x).chunk(3, dim=-1)
        return self.output(attended(queries, keys, values, self.heads, rate, seen))


def draw_weights(module: SequenceModule) -> None:
    """Draw every matrix, embeddings included, from Xavier's normal distribution; PAD stays zero."""
    for parameter in module.parameters():
        if parameter.dim() > 1:
            nn.init.xavier_normal_(parameter)
    nn.init.zeros_(module.items.weight.data[-1])


class CausalTransformer(CausalModule):
    """
    Embeddings of items and positions for blocks in which a position sees what is before it.

    Position 0 is the oldest item of the row. The papers pad on the left and so count from the
    newest; counting from the oldest lets short histories be scored by positions that were trained,
    with no padding in the attention at all.
    """

    def __init__(self, items: int, settings: TransformerSettings) -> None:
        super().__init__(items, settings.embedding_dim)
        self.positions = nn.Embedding(settings.max_length, settings.embedding_dim)
        nn.init.normal_(self.items.weight.data[:-1], std=0.02)
        nn.init.normal_(self.positions.weight.data, std=0.02)
        self.dropout = nn.Dropout(settings.dropout)

    def placed(self, inputs: Tensor, scale: float = 1.0) -> Tensor:
        """
        Return the embeddings of items, times `scale`, and of their positions: [B, T, d].

        T of `inputs` [B, T] is at most `max_length`.
        """
        places = torch.arange(inputs.shape[1], device=inputs.device)
        return self.dropout(scale * self.embedded(inputs) + self.positions(places))

    def user_vectors(self, histories: Codes) -> Tensor:
        """Return [B, d] for the latest items that have a position; zeros for an empty history."""
        return super().user_vectors(last_columns(histories, self.positions.num_embeddings))
