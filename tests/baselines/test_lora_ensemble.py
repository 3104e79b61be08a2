from pathlib import Path

import pytest
import torch
from peft.tuners.lora import LoraLayer
from recbench_baselines.lora_ensemble import LoRAEnsemble, LoRAEnsembleSettings

from recbench.llm.tuning.gate import InstanceGate
from recbench.testing.contract import AnswererContract, TransferableContract
from recbench.testing.toy_lm import toy_llm


@pytest.fixture(scope="module", autouse=True)
def _toy_language_model(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = toy_llm(tmp_path_factory.mktemp("llm"))
    values = {"llm": str(folder), "examples": 32, "batch_size": 16}
    values |= {"candidates": 8, "curve_rows": 0}
    values |= {"rank": 2, "experts": 3, "alpha": 5, "curve_rows": 0}
    TestWeighed.settings = values
    TestSwapped.settings = {**values, "routing": "top1"}


class TestWeighed(AnswererContract, TransferableContract):
    model_class = LoRAEnsemble

    def test_every_expert_is_a_whole_lora(self, fitted: LoRAEnsemble) -> None:
        layers = [m for m in fitted.module.modules() if isinstance(m, LoraLayer)]
        assert {layer.r["default"] for layer in layers} == {2 * 3}
        # With K w as a factor, each has the scale of a LoRA of its own, alpha / rank.
        assert {3 * layer.scaling["default"] for layer in layers} == {5 / 2}


class TestSwapped(AnswererContract):
    model_class = LoRAEnsemble

    def test_each_user_has_one(self, fitted: LoRAEnsemble) -> None:
        gate = fitted.module.gate
        assert gate is not None
        users = torch.randn(20, gate.width) / gate.scale
        weights = gate(users)
        assert weights.max(dim=1).values.tolist() == pytest.approx([1] * 20)
        assert weights.sum(dim=1).tolist() == pytest.approx([1] * 20)


def test_the_gate_learns_though_it_swaps() -> None:
    torch.manual_seed(0)
    gate = InstanceGate(4, (2, 2))
    gate.hard = True
    (gate(torch.randn(3, 4)) * torch.tensor([1.0, -1.0])).sum().backward()
    assert gate.network.weight.grad.abs().sum() > 0


def test_the_settings_of_the_papers_are_there(tmp_path: Path) -> None:
    assert LoRAEnsembleSettings.build({}, "paper").ranks == (8, 8, 8, 8)
