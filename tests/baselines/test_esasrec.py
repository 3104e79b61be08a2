import math
from typing import ClassVar

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from recbench_baselines.esasrec import ESASRec, ESASRecModule, ESASRecSettings

from recbench.testing.contract import EncoderContract

SETTINGS = ESASRecSettings.build(
    {"embedding_dim": 6, "max_length": 4, "layers": 2, "heads": 2, "expansion": 3}
)
Array = NDArray[np.float64]


class TestESASRec(EncoderContract):
    model_class = ESASRec
    settings: ClassVar = {"epochs": 1}


@pytest.mark.gpu
class TestESASRecOnAGpu(TestESASRec):
    device = "cuda"
    tolerance = 1e-3


def scrambled() -> ESASRecModule:
    """Return a module in which no weight is what it began as, zeros and ones included."""
    module = ESASRecModule(9, SETTINGS).double().eval()
    random = torch.Generator().manual_seed(0)
    for parameter in module.parameters():
        parameter.data = torch.randn(parameter.shape, dtype=torch.float64, generator=random) / 2
    module.items.weight.data[-1] = 0
    return module


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def test_scores_against_the_paper_s_equations() -> None:
    module = scrambled()
    w = {name: one.detach().numpy() for name, one in module.named_parameters()}

    def normalised(x: Array, name: str) -> Array:
        mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
        return (x - mean) / np.sqrt(variance + 1e-5) * w[f"{name}.weight"] + w[f"{name}.bias"]

    def gate(x: Array, name: str) -> Array:
        return sigmoid(x @ w[f"{name}.weight"].T + w[f"{name}.bias"])

    history = [7, 2, 5]
    x = w["items.weight"][history] + w["positions.weight"][:3]
    for layer in ("layers.0", "layers.1"):
        # x + sigmoid(x W1 + b1) * MultiHeadAttention(LayerNorm(x)), with what came before alone
        inward = [w[f"{layer}.attention.query_key_value.{part}"] for part in ("weight", "bias")]
        q, k, v = np.split(normalised(x, f"{layer}.attention_norm") @ inward[0].T + inward[1], 3, 1)
        heads = np.zeros((3, 6))
        for head in (slice(0, 3), slice(3, 6)):
            for t in range(3):
                weights = np.exp(k[: t + 1, head] @ q[t, head] / math.sqrt(3))
                heads[t, head] = weights / weights.sum() @ v[: t + 1, head]
        outward = w[f"{layer}.attention.output.weight"], w[f"{layer}.attention.output.bias"]
        x = x + gate(x, f"{layer}.attention_gate") * (heads @ outward[0].T + outward[1])
        # x + sigmoid(x W2 + b2) * SwiGLU(LayerNorm(x))
        z = normalised(x, f"{layer}.network_norm")
        opened = z @ w[f"{layer}.network.gate.weight"].T
        inside = opened * sigmoid(opened) * (z @ w[f"{layer}.network.value.weight"].T)
        network = inside @ w[f"{layer}.network.output.weight"].T
        x = x + gate(x, f"{layer}.network_gate") * network
    expected = w["items.weight"][:-1] @ x[-1]
    users = module.user_vectors(np.array([[-1, *history]], dtype=np.int32))
    scores = (module.item_vectors() @ users[0]).detach().numpy()
    np.testing.assert_allclose(scores, expected, atol=1e-5)


def test_a_position_does_not_see_what_follows() -> None:
    outputs = scrambled()(torch.tensor([[1, 2, 3, 4], [1, 2, 8, 7]]))
    torch.testing.assert_close(outputs[0, :2], outputs[1, :2])
    assert not torch.allclose(outputs[0, 2], outputs[1, 2])


def test_a_history_longer_than_the_positions_is_cut_to_its_latest_items() -> None:
    module = scrambled()
    long = np.array([[5, 6, 1, 2, 3, 4]], dtype=np.int32)
    torch.testing.assert_close(module.user_vectors(long), module.user_vectors(long[:, -4:]))


def test_it_trains_as_the_paper_does_unless_told_otherwise() -> None:
    settings = ESASRecSettings()
    assert (settings.loss, settings.negatives) == ("sampled-softmax", 256)
    assert ESASRecSettings.build({"loss": "gbce", "calibration": "0.5"}).calibration == 0.5
