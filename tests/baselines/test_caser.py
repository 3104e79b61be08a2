from typing import ClassVar

import numpy as np
import torch
from recbench_baselines.caser import Caser, CaserModule, CaserSettings
from torch import Tensor

from recbench.testing.contract import EncoderContract
from recbench.testing.toy import toy_training_data

SETTINGS = CaserSettings.build(
    {"embedding_dim": 6, "max_length": 4, "horizontal_filters": 3, "vertical_filters": 2}
)


class TestCaser(EncoderContract):
    model_class = Caser
    settings: ClassVar = {"epochs": 1}


def test_shapes_of_the_convolutions() -> None:
    module = CaserModule(9, SETTINGS)
    shapes = {name: tuple(tensor.shape) for name, tensor in module.named_parameters()}
    assert [shapes[f"horizontal.{index}.weight"] for index in range(4)] == [
        (3, 6, height) for height in (1, 2, 3, 4)
    ]
    assert shapes["vertical.weight"] == (2, 4)
    assert shapes["dense.weight"] == (6, 4 * 3 + 2 * 6)
    assert module(torch.zeros(5, 4, dtype=torch.int64)).shape == (5, 1, 6)


def test_features_against_the_formulas() -> None:
    module = CaserModule(9, SETTINGS).double().eval()
    weights = dict(module.named_parameters())
    codes = [7, 2, 5, 1]
    image = module.items.weight[codes]  # [L, d]
    features: list[Tensor] = []
    for height in (1, 2, 3, 4):
        filters, biases = (
            weights[f"horizontal.{height - 1}.{part}"] for part in ("weight", "bias")
        )
        for filter_, bias in zip(filters, biases, strict=True):  # [d, height], scalar
            slides = [(image[i : i + height] * filter_.T).sum() + bias for i in range(5 - height)]
            features.append(torch.stack(slides).relu().max())
    for column in range(6):
        for filter_, bias in zip(weights["vertical.weight"], weights["vertical.bias"], strict=True):
            features.append(filter_ @ image[:, column] + bias)
    expected = module.dense(torch.stack(features))
    torch.testing.assert_close(module(torch.tensor([codes]))[0, 0], expected)


def test_a_history_of_another_length_is_cut_or_padded() -> None:
    module = CaserModule(9, SETTINGS).eval()
    history = np.array([[8, 3, 7, 2, 5, 1]], dtype=np.int32)
    torch.testing.assert_close(module.user_vectors(history), module.user_vectors(history[:, 2:]))
    padded = np.array([[-1, -1, 5, 1]], dtype=np.int32)
    torch.testing.assert_close(module.user_vectors(padded), module.user_vectors(padded[:, 2:]))


def test_of_an_empty_history_nothing_is_known() -> None:
    module = CaserModule(9, SETTINGS).eval()
    histories = np.array([[-1, -1, -1, -1], [-1, -1, -1, 1]], dtype=np.int32)
    nothing, something = module.user_vectors(histories)
    assert nothing.eq(0).all()  # not what the biases alone would say
    assert something.ne(0).any()


def test_every_item_but_a_sequence_s_first_is_a_target() -> None:
    data = toy_training_data()
    inputs, targets = Caser(SETTINGS).training_rows(data)
    assert inputs.shape == (60 * 11, 4)
    assert targets[:11, 0].tolist() == data.sequences[0][1:].tolist()
    assert inputs[0].tolist() == [-1, -1, -1, data.sequences[0][0]]
