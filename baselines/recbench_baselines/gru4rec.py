"""
GRU4Rec: a recurrent network over the sequence of items.

Hidasi, Karatzoglou, Baltrunas and Tikk, "Session-based recommendations with recurrent neural
networks", ICLR 2016, arXiv 1511.06939. Reference code: github.com/hidasib/GRU4Rec.
"""

from pydantic import Field
from torch import Tensor, nn

from recbench.neural.recommender import CausalModule, NeuralRecommender, NeuralSettings
from recbench.neural.sequences import Codes, chunks
from recbench.recommender import TrainingData


class GRU4RecSettings(NeuralSettings):
    """
    Settings of `GRU4Rec`.

    Attributes
    ----------
    hidden_dim
        Width of the recurrent state.
    layers
        Stacked GRU layers.
    """

    embedding_dim: int = Field(default=128, ge=1)
    learning_rate: float = Field(default=2e-3, gt=0)
    dropout: float = Field(default=0.3, ge=0, lt=1)
    weight_decay: float = Field(default=1.0, ge=0)
    hidden_dim: int = Field(default=192, ge=1)
    layers: int = Field(default=1, ge=1)


class GRU4RecModule(CausalModule):
    """Embedding, GRU, linear layer; the user vector is made from the state after the last item."""

    def __init__(self, items: int, settings: GRU4RecSettings) -> None:
        # The paper feeds one-hot items and has an output matrix of its own. Here one table of
        # embeddings serves at both ends, so that item vectors and user vectors share a space.
        super().__init__(items, settings.embedding_dim)
        nn.init.xavier_normal_(self.items.weight.data[:-1])
        self.dropout = nn.Dropout(settings.dropout)
        self.gru = nn.GRU(
            settings.embedding_dim, settings.hidden_dim, settings.layers, batch_first=True
        )
        self.output = nn.Linear(settings.hidden_dim, settings.embedding_dim, bias=False)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return [B, T, d] for inputs [B, T] with PAD on the right."""
        states, _ = self.gru(self.dropout(self.embedded(inputs)))  # [B, T, hidden]
        return self.output(self.dropout(states))


class GRU4Rec(NeuralRecommender):
    """Next-item prediction by a GRU, trained at every position of whole sequences."""

    settings_class = GRU4RecSettings
    settings: GRU4RecSettings
    summary = "recurrent network over the sequence of items"
    reference = "Hidasi et al., ICLR 2016, arXiv 1511.06939"

    def build(self, items: int) -> GRU4RecModule:
        """Return the untrained module."""
        return GRU4RecModule(items, self.settings)

    def training_rows(self, data: TrainingData) -> tuple[Codes, Codes]:
        """Cut the sequences into pieces; the paper resets the state between sessions as well."""
        return chunks(data.sequences, self.settings.max_length)
