"""
Caser: convolutions over the last items, seen as an image of L items by d features.

Tang and Wang, "Personalized top-n sequential recommendation via convolutional sequence embedding",
WSDM 2018, arXiv 1809.07426. Reference code: github.com/graytowne/caser_pytorch.
"""

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from recbench.neural.recommender import NeuralRecommender, NeuralSettings, SequenceModule
from recbench.neural.sequences import Codes, last_columns
from recbench.questions.windows import windows
from recbench.recommender import TrainingData


class CaserSettings(NeuralSettings):
    """
    Settings of `Caser`.

    Attributes
    ----------
    max_length
        The paper's L (1 to 9 there): items of a training row, and how many of the latest of a
        query's history are read. Memory grows with its cube.
    horizontal_filters
        Filters of each height 1..L.
    vertical_filters
        Weighted sums over the L items.
    """

    embedding_dim: int = Field(default=96, ge=1)
    max_length: int = Field(default=10, ge=1)
    dropout: float = Field(default=0.1, ge=0, lt=1)
    learning_rate: float = Field(default=4e-3, gt=0)
    weight_decay: float = Field(default=1.0, ge=0)
    batch_size: int = Field(default=512, ge=1)
    horizontal_filters: int = Field(default=16, ge=1)
    vertical_filters: int = Field(default=4, ge=1)

    @property
    def items_read(self) -> int:
        """As many as the filters are made for."""
        return self.max_length


class CaserModule(SequenceModule):
    """Horizontal and vertical convolutions over L embeddings, then one linear layer."""

    def __init__(self, items: int, settings: CaserSettings) -> None:
        width, length = settings.embedding_dim, settings.max_length
        # The paper has a second table of items at the output, with a bias, and a user embedding
        # beside z. Here one table serves at both ends, there is no bias (item vectors must hold all
        # that a score needs), and no user embedding: the users who are asked about are unseen.
        super().__init__(items, width)
        nn.init.normal_(self.items.weight.data[:-1], std=1 / width)
        self.length, self.filters = length, settings.horizontal_filters
        # A filter of all d columns slides along the items alone: a Conv1d over d channels. One of a
        # single column and all L rows does not slide: a linear map over the items.
        self.horizontal = nn.ModuleList(
            nn.Conv1d(width, settings.horizontal_filters, height) for height in range(1, length + 1)
        )
        self.vertical = nn.Linear(length, settings.vertical_filters)
        self.dropout = nn.Dropout(settings.dropout)
        features = settings.horizontal_filters * length + settings.vertical_filters * width
        self.dense = nn.Linear(features, width)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return [B, 1, d] for inputs [B, L] with PAD on the left."""
        image = self.embedded(inputs)  # [B, L, d]
        matches = torch.relu(F.linear(image.flatten(1), *self.filters_in_place()))
        matches = matches.unflatten(1, (-1, self.filters))  # [B, places, filters]
        places = list(range(self.length, 0, -1))  # a height of h has L - h + 1
        horizontal = [of_a_height.amax(dim=1) for of_a_height in matches.split(places, dim=1)]
        vertical = self.vertical(image.transpose(1, 2)).flatten(1)  # [B, d * vertical_filters]
        features = self.dropout(torch.cat([*horizontal, vertical], dim=1))  # [B, features]
        # The paper has a ReLU on z. Here, with no user embedding beside it and no other table of
        # items, a user vector that is nowhere negative can point at few of them. (Validation
        # NDCG@10 on one seed each: .069 with it, .084 without; a hint at most on 94 rows.)
        return self.dense(features)[:, None]

    def filters_in_place(self) -> tuple[Tensor, Tensor]:
        """
        Return all filters at all their places as one matrix [M, L * d], and their biases [M].

        M is L (L + 1) / 2 places times the filters of a height. One product with this matrix, which
        is mostly zeros, took a third of the time of ten convolutions with eight filters (L = 10,
        d = 64, on a CPU).
        """
        weights: list[Tensor] = []
        biases: list[Tensor] = []
        for conv in self.horizontal:
            weight, bias = conv.parameters()
            filters = weight.transpose(1, 2)  # [filters, height, d]
            room = self.length - filters.shape[1]
            for place in range(room + 1):
                weights.append(F.pad(filters, (0, 0, place, room - place)))
                biases.append(bias)
        return torch.cat(weights).flatten(1), torch.cat(biases)

    def user_vectors(self, histories: Codes) -> Tensor:
        """Return [B, d]; zeros for an empty history."""
        seen = torch.from_numpy(last_columns(histories, self.length)).long()
        seen = seen.to(self.device)
        return self(seen)[:, 0] * (seen >= 0).any(dim=1, keepdim=True)


class Caser(NeuralRecommender):
    """Next-item prediction by convolutions, trained on every window of the sequences."""

    settings_class = CaserSettings
    settings: CaserSettings
    summary = "convolutions over the last items"
    reference = "Tang and Wang, WSDM 2018, arXiv 1809.07426"

    def build(self, items: int) -> CaserModule:
        """Return the untrained module."""
        return CaserModule(items, self.settings)

    def training_rows(self, data: TrainingData) -> tuple[Codes, Codes]:
        """Take every window with one target each (the paper's T = 1)."""
        users = np.arange(len(data.sequences), dtype=np.int32)
        rows = windows(data.sequences, users, self.settings.max_length, min_history=1)
        return rows.histories, rows.targets[:, None]
