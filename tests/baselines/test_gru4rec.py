from typing import ClassVar

import numpy as np
import pytest
import torch
from recbench_baselines.gru4rec import GRU4Rec, GRU4RecModule, GRU4RecSettings

from recbench.neural.randomness import seeded
from recbench.testing.contract import EncoderContract


class TestGRU4Rec(EncoderContract):
    model_class = GRU4Rec
    settings: ClassVar = {"epochs": 1}


@pytest.mark.gpu
class TestGRU4RecOnAGpu(TestGRU4Rec):
    """Its recurrent net is cuDNN's there."""

    device = "cuda"
    tolerance = 1e-3


def test_states_are_dropped_out_too() -> None:
    settings = {"embedding_dim": 4, "hidden_dim": 6, "dropout": 0.99}
    module = GRU4RecModule(5, GRU4RecSettings.build(settings)).train()
    with seeded(0):
        outputs = module(torch.tensor([[3, 0, 4, 1]] * 50))
    assert (outputs == 0).float().mean() > 0.8  # of which nothing is left, there is no bias


def test_the_user_vector_is_the_state_after_the_last_item() -> None:
    module = GRU4RecModule(5, GRU4RecSettings.build({"embedding_dim": 4, "hidden_dim": 6})).eval()
    state = torch.zeros(1, 1, 6)
    for item in (3, 0, 4):
        _, state = module.gru(module.items.weight[item][None, None], state)
    expected = module.output(state[0])
    history = np.array([[-1, -1, 3, 0, 4]], dtype=np.int32)
    torch.testing.assert_close(module.user_vectors(history), expected)
