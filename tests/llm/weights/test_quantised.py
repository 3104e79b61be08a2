"""Frozen weights in few bits, with a GPU and a package made up."""

from pathlib import Path
from typing import Any

import pytest
import torch

from recbench.errors import UserError
from recbench.llm.recommender import LanguageModelRecommender
from recbench.llm.settings import HybridSettings, LanguageModelSettings
from recbench.llm.weights import backbone, quantised
from recbench.llm.weights.backbone import load_backbone
from recbench.recommender import Runtime, TrainingData


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Pretend that bitsandbytes is there, and return what transformers is then told."""
    told: dict[str, Any] = {}
    real = backbone.AutoModelForCausalLM.from_pretrained

    def load(device_map: Any = None, quantization_config: Any = None, **others: Any) -> Any:
        told.update(device_map=device_map, quantisation=quantization_config, dtype=others["dtype"])
        return real(**others)

    monkeypatch.setattr(backbone.AutoModelForCausalLM, "from_pretrained", load)
    monkeypatch.setattr(quantised, "find_spec", lambda name: object())
    return told


def test_weights_go_straight_to_the_gpu(toy_folder: Path, given: dict[str, Any]) -> None:
    load_backbone(str(toy_folder), "cuda:1", torch.bfloat16)
    assert given == {
        "device_map": {"": "cuda:1"},
        "quantisation": None,
        "dtype": torch.bfloat16,
    }
    load_backbone(str(toy_folder), "cpu")
    assert given == {"device_map": None, "quantisation": None, "dtype": torch.float32}


@pytest.mark.parametrize("weights", [torch.bfloat16, torch.float32])
def test_four_bits_are_multiplied_in_the_precision(
    toy_folder: Path, given: dict[str, Any], weights: torch.dtype
) -> None:
    load_backbone(str(toy_folder), "cuda:0", weights, "4bit")
    config = given["quantisation"]
    assert (config.load_in_4bit, config.load_in_8bit) == (True, False)
    assert config.bnb_4bit_quant_type == "nf4"
    assert config.bnb_4bit_compute_dtype == weights
    assert given["device_map"] == {"": "cuda:0"}


def test_eight_bits(toy_folder: Path, given: dict[str, Any]) -> None:
    load_backbone(str(toy_folder), "cuda:0", torch.bfloat16, "8bit")
    config = given["quantisation"]
    assert (config.load_in_4bit, config.load_in_8bit) == (False, True)
    assert config.llm_int8_threshold == 0  # else rows of a batch decide on one another's numbers


class Guided(LanguageModelRecommender):
    settings_class = LanguageModelSettings
    summary, reference = "guided", "none"

    def _fit_guide(self, data: TrainingData, runtime: Runtime) -> None:
        raise AssertionError("the guide is trained before the setting is refused")


@pytest.mark.parametrize(
    ("device", "said"),
    [
        ("cpu", "'load_in': 4bit needs a GPU, and the device is cpu; leave the setting out"),
        ("cuda:0", r"'load_in': 4bit needs a package: pip install 'recbench\[quantised\]'"),
    ],
)
def test_what_cannot_be_loaded_is_refused_before_anything_is_trained(
    device: str,
    said: str,
    data: TrainingData,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(quantised, "find_spec", lambda name: None)
    model = Guided(LanguageModelSettings.build({"load_in": "4bit", "precision": "float32"}))
    with pytest.raises(UserError, match=said):
        model.fit(data, Runtime(0, device, tmp_path, tmp_path))
    with pytest.raises(UserError, match=said):
        model.load(tmp_path, data, Runtime(0, device, tmp_path, tmp_path))


@pytest.mark.parametrize("kind", [LanguageModelSettings, HybridSettings])
def test_it_names_a_row_unless_it_is_left_out(kind: type[LanguageModelSettings]) -> None:
    usual = kind.build({}).identity()
    assert "load_in" not in usual
    assert kind.build({"load_in": "none"}).identity() == usual
    assert kind.build({"load_in": "8bit"}).identity() == usual | {"load_in": "8bit"}
    with pytest.raises(UserError, match="'load_in'"):
        kind.build({"load_in": "3bit"})


def test_a_model_that_does_not_fit_is_not_taken_for_a_broken_file(
    toy_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(**_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nGPU 0 has ...")

    monkeypatch.setattr(backbone.AutoModelForCausalLM, "from_pretrained", full)
    said = r"the GPU; choose a smaller model, .* fewer bits \(recbench run --set load_in=4bit\)"
    with pytest.raises(UserError, match=said) as caught:
        load_backbone(str(toy_folder), "cuda:0")
    assert "\n" not in str(caught.value)
