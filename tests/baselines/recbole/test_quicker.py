from typing import Any

import numpy as np
import pytest
import torch
from recbench_baselines.recbole.installed import module_class
from recbench_baselines.recbole.network import Network, Tables
from recbench_baselines.recbole.quicker import (
    slid,
    with_quick_filters,
    with_quick_gelu,
    with_quick_graphs,
)
from recbench_baselines.recbole.settings import settings_class

pytestmark = pytest.mark.usefixtures("recbole")


@pytest.mark.parametrize("model", ["SRGNN", "GCSAN"])
@pytest.mark.parametrize(("items", "length"), [(2, 2), (3, 10), (50, 10), (1000, 50)])
def test_the_graphs_of_all_rows_are_those_of_recbole(model: str, items: int, length: int) -> None:
    random = np.random.Generator(np.random.PCG64(items))
    sequences = random.integers(1, items + 1, size=(64, length))
    sequences[np.arange(length) >= random.integers(1, length + 1, size=64)[:, None]] = 0

    def made(kind: Any) -> list[torch.Tensor]:
        module = kind.__new__(kind)
        torch.nn.Module.__init__(module)
        module.device = torch.device("cpu")
        return list(module._get_slice(torch.from_numpy(sequences)))

    theirs, ours = made(module_class(model)), made(with_quick_graphs(module_class(model)))
    assert len(theirs) == len(ours)
    for one, other in zip(theirs, ours, strict=True):
        assert one.dtype == other.dtype
        assert torch.equal(one, other)


def test_what_makes_no_graphs_stays_what_it_is() -> None:
    assert with_quick_graphs(module_class("NARM")) is module_class("NARM")


@pytest.mark.parametrize(
    "model", ["BERT4Rec", "CORE", "FEARec", "GCSAN", "LightSANs", "SASRec", "SASRecCPR"]
)
def test_torchs_gelu_gives_the_scores_of_recboles(model: str) -> None:
    settings = settings_class(model).build({"reranker_CAN_NUM": "10"} if "CPR" in model else {})
    network = Network(model, settings, Tables.of_catalogue(30, np.arange(4, dtype=np.int32)), "cpu")
    layers = [one for one in network.module.modules() if hasattr(one, "intermediate_act_fn")]
    assert layers
    assert all(layer.intermediate_act_fn is torch.nn.functional.gelu for layer in layers)
    histories = np.arange(20, dtype=np.int32).reshape(2, 10)
    ours = network.scores(histories, np.zeros(2, dtype=np.int32))
    for layer in layers:
        layer.intermediate_act_fn = layer.gelu
    theirs = network.scores(histories, np.zeros(2, dtype=np.int32))
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


def test_products_find_what_the_filters_of_recboles_caser_do() -> None:
    settings = settings_class("Caser").build({"max_length": 4})
    network = Network(
        "Caser", settings, Tables.of_catalogue(30, np.arange(4, dtype=np.int32)), "cpu"
    )
    filters = list(network.module.conv_h)
    assert [one.forward.func for one in filters] == [slid] * 4
    histories = np.arange(8, dtype=np.int32).reshape(2, 4)
    given = histories, np.array([0, 3], dtype=np.int32)
    network.module.eval()

    def found() -> tuple[Any, ...]:
        network.module.zero_grad()
        loss = network.loss(*given, given[1], given[1] + 1, 0, np.ones(2, dtype=bool))
        loss.backward()
        gradients = [one.grad.clone() for one in network.module.parameters()]
        return network.scores(*given), loss.detach(), *gradients

    ours = found()
    for one in filters:
        del one.forward
    for own, theirs in zip(ours, found(), strict=True):
        torch.testing.assert_close(own, theirs)


def test_filters_of_long_histories_stay_what_they_are() -> None:
    filters = torch.nn.ModuleList(torch.nn.Conv2d(1, 2, (1, 4)) for _ in range(51))
    module = torch.nn.ModuleDict({"conv_h": filters})
    module.conv_h = filters
    assert not any("forward" in vars(one) for one in with_quick_filters(module).conv_h)


def test_another_activation_stays(recbole: Any) -> None:
    settings = settings_class("SASRec").build({"hidden_act": "relu"})
    network = Network(
        "SASRec", settings, Tables.of_catalogue(30, np.arange(4, dtype=np.int32)), "cpu"
    )
    kept = [one.intermediate_act_fn for one in network.module.modules() if hasattr(one, "gelu")]
    with_quick_gelu(network.module)
    assert torch.nn.functional.gelu not in kept
