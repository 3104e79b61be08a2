from typing import ClassVar

import numpy as np
import pytest
import torch
from recbench_baselines.gru4rec import GRU4Rec, GRU4RecModule, GRU4RecSettings

from recbench.testing.contract import EncoderContract
from recbench.testing.toy import toy_training_data


class TestGRU4Rec(EncoderContract):
    model_class = GRU4Rec
    settings: ClassVar = {"epochs": 1}


@pytest.mark.gpu
class TestGRU4RecOnAGpu(TestGRU4Rec):
    """Its recurrent net is cuDNN's there."""

    device = "cuda"
    tolerance = 1e-3


def test_a_training_row_is_no_longer_than_set() -> None:
    model = GRU4Rec(GRU4RecSettings.build({"max_length": 3}))
    inputs, targets = model.training_rows(toy_training_data())
    assert inputs.shape[1] == targets.shape[1] == 3


@pytest.mark.parametrize("layers", [1, 2])
def test_the_user_vector_is_the_state_after_the_last_item(layers) -> None:
    settings = {"embedding_dim": 4, "hidden_dim": 6, "layers": layers}
    module = GRU4RecModule(5, GRU4RecSettings.build(settings)).eval()
    state = torch.zeros(layers, 1, 6)
    for item in (3, 0, 4):
        _, state = module.gru(module.items.weight[item][None, None], state)
    expected = module.output(state[-1])
    history = np.array([[-1, -1, 3, 0, 4]], dtype=np.int32)
    torch.testing.assert_close(module.user_vectors(history), expected)
