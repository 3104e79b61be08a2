"""With which embeddings each network begins, and where it drops out."""

import math
from typing import Any

import pytest
import torch
from recbench_baselines.bert4rec import BERT4RecModule, BERT4RecSettings
from recbench_baselines.caser import CaserModule, CaserSettings
from recbench_baselines.esasrec import ESASRecModule, ESASRecSettings
from recbench_baselines.gru4rec import GRU4RecModule, GRU4RecSettings
from recbench_baselines.sasrec import SASRecModule, SASRecSettings
from torch.nn import functional as F

ATTENTION = 0
"""Stands for the weights of an attention."""

NETWORKS: dict[str, tuple[Any, Any, dict[str, int], list[int]]] = {
    "gru4rec": (GRU4RecModule, GRU4RecSettings, {"hidden_dim": 6}, [4, 6]),
    "caser": (
        CaserModule,
        CaserSettings,
        {"max_length": 3, "horizontal_filters": 5, "vertical_filters": 2},
        [3 * 5 + 2 * 4],
    ),
    "sasrec": (SASRecModule, SASRecSettings, {"layers": 2}, [4, *[ATTENTION, 4, 4] * 2]),
    "bert4rec": (BERT4RecModule, BERT4RecSettings, {"layers": 2}, [4, *[ATTENTION, 4, 4] * 2]),
    "esasrec": (
        ESASRecModule,
        ESASRecSettings,
        {"layers": 2, "expansion": 3},
        [4, *[ATTENTION, 4, 12, 4] * 2],
    ),
}
"""Of each the module, its settings, those that are set here, and the widths of what drops out."""


@pytest.mark.parametrize(
    ("name", "spread"),
    [
        ("gru4rec", math.sqrt(2 / (2000 + 4))),
        ("caser", 1 / 4),
        ("sasrec", 0.02),
        ("bert4rec", math.sqrt(2 / (2001 + 4))),
        ("esasrec", math.sqrt(2 / (2001 + 4))),
    ],
)
def test_item_embeddings_begin_with_a_spread_of_their_own_and_padding_at_nought(name, spread):
    module_class, settings_class, own, _ = NETWORKS[name]
    module = module_class(2000, settings_class.build({"embedding_dim": 4, **own}))
    items, padding = module.items.weight.data[:-1], module.items.weight.data[-1]
    assert items.std().item() == pytest.approx(spread, rel=0.05)
    assert abs(items.mean().item()) < spread / 10
    assert padding.eq(0).all()


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", NETWORKS)
def test_each_network_drops_out_where_its_paper_does_and_in_training_alone(
    monkeypatch, name, training
):
    module_class, settings_class, own, widths = NETWORKS[name]
    settings = settings_class.build({"embedding_dim": 4, "dropout": 0.3, **own})
    met: list[tuple[int, float]] = []
    dropout, attention = F.dropout, F.scaled_dot_product_attention

    def drops(given, p, training, *rest):
        met.append((given.shape[-1], p if training else 0.0))
        return dropout(given, p, training, *rest)

    def attends(*given, dropout_p, **more):
        met.append((ATTENTION, dropout_p))
        return attention(*given, dropout_p=dropout_p, **more)

    monkeypatch.setattr(F, "dropout", drops)
    monkeypatch.setattr(F, "scaled_dot_product_attention", attends)
    module_class(9, settings).train(training)(torch.tensor([[3, 0, 4]]))
    assert met == [(width, 0.3 if training else 0.0) for width in widths]
