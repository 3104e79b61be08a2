"""Adapters that others have made: read whole, or refused with what to do instead."""

import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import (
    IA3Config,
    LoHaConfig,
    LoKrConfig,
    LoraConfig,
    PeftConfig,
    PeftModel,
    PrefixTuningConfig,
    VeraConfig,
    get_peft_model,
)
from peft.tuners.lora.layer import LoraLayer
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from recbench.errors import UserError
from recbench.llm.settings import LanguageModelSettings
from recbench.llm.tuning import adapter
from recbench.llm.tuning.adapter import (
    KINDS,
    WEIGHTS,
    adapter_digest,
    add_lora,
    read_lora,
    write_lora,
)
from recbench.llm.weights.backbone import load_backbone

LORA = LoraConfig(task_type="CAUSAL_LM", r=4, target_modules=["q_proj", "v_proj"])


@pytest.fixture
def save(toy_folder: Path, tmp_path: Path) -> Callable[[PeftConfig], Path]:
    """Write an adapter of the toy model as peft itself does, with random weights."""

    def write(config: PeftConfig) -> Path:
        with warnings.catch_warnings(), torch.random.fork_rng():
            warnings.simplefilter("ignore")  # what peft says while it makes one
            torch.manual_seed(1)
            model = get_peft_model(AutoModelForCausalLM.from_pretrained(toy_folder), config)
            for parameter in model.parameters():
                if parameter.requires_grad:
                    torch.nn.init.normal_(parameter, std=0.2)
            model.save_pretrained(str(tmp_path / "adapter"))
        return tmp_path / "adapter"

    return write


def alter_config(folder: Path, **changed: Any) -> None:
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | changed), encoding="utf-8")


def alter_weights(folder: Path, alter: Callable[[dict[str, torch.Tensor]], None]) -> None:
    weights = load_file(folder / WEIGHTS)
    alter(weights)
    save_file(weights, folder / WEIGHTS)


OF_LAYERS: dict[str, PeftConfig] = {
    "LORA": LORA,
    "LORA of other ranks": LoraConfig(
        task_type="CAUSAL_LM", target_modules=["q_proj"], r=4, rank_pattern={"q_proj": 2}
    ),
    "LORA with magnitudes": LoraConfig(
        task_type="CAUSAL_LM", use_dora=True, target_modules=["q_proj"]
    ),
    "LORA on words": LoraConfig(task_type="CAUSAL_LM", target_modules=["q_proj", "embed_tokens"]),
    "LORA beside words": LoraConfig(
        task_type="CAUSAL_LM", target_modules=["q_proj"], modules_to_save=["embed_tokens"]
    ),
    "IA3": IA3Config(task_type="CAUSAL_LM", target_modules=["k_proj"], feedforward_modules=[]),
    "LOHA": LoHaConfig(task_type="CAUSAL_LM", target_modules=["q_proj"]),
    "LOKR": LoKrConfig(task_type="CAUSAL_LM", target_modules=["q_proj"]),
    "VERA": VeraConfig(task_type="CAUSAL_LM", target_modules=["q_proj"], r=4),
}


@pytest.mark.parametrize("name", OF_LAYERS)
def test_an_adapter_of_layers_is_read_in_silence_as_peft_reads_it(
    save: Callable[[PeftConfig], Path], toy_folder: Path, name: str
) -> None:
    folder = save(OF_LAYERS[name])
    alter_config(folder, of_a_later_peft=None)
    assert adapter_digest(str(folder))
    ids = torch.tensor([[5, 6, 7, 8]])
    plain = load_backbone(str(toy_folder), "cpu")[0]
    without = plain(ids).logits
    with torch.no_grad():
        ours = read_lora(plain, folder)(ids).logits
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            other = AutoModelForCausalLM.from_pretrained(toy_folder)
            theirs = PeftModel.from_pretrained(other, str(folder))(ids).logits
    torch.testing.assert_close(ours, theirs)
    assert (ours - without).abs().max() > 1e-3


def test_every_kind_that_can_be_read_is_tried() -> None:
    assert {name.split()[0] for name in OF_LAYERS} == set(KINDS)


def test_embeddings_that_came_with_an_adapter_are_written_with_it(
    toy_folder: Path, tmp_path: Path
) -> None:
    ids, base = torch.tensor([[5, 6, 7, 8]]), AutoModelForCausalLM.from_pretrained(toy_folder)
    theirs = adapter.add_adapter(base, LORA)
    torch.nn.init.normal_(theirs.get_input_embeddings().weight)
    theirs.save_pretrained(str(tmp_path / "theirs"), save_embedding_layers=True)
    lm = read_lora(load_backbone(str(toy_folder), "cpu")[0], tmp_path / "theirs", trainable=True)
    write_lora(lm, tmp_path / "ours", str(toy_folder), str(tmp_path / "theirs"))
    again = read_lora(load_backbone(str(toy_folder), "cpu")[0], tmp_path / "ours")
    with torch.no_grad():
        torch.testing.assert_close(again.eval()(ids).logits, theirs.eval()(ids).logits)
    write_lora(lm, tmp_path / "lora alone", str(toy_folder))
    assert all("lora_" in name for name in load_file(tmp_path / "lora alone" / WEIGHTS))


def test_what_stands_before_a_prompt_is_refused_at_once(
    save: Callable[[PeftConfig], Path],
) -> None:
    folder = save(PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3))
    with pytest.raises(UserError, match=r"of the kind PREFIX_TUNING.*name one of LORA, IA3"):
        adapter_digest(str(folder))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"peft_type": "FOO"}, "of the kind FOO, which cannot be used"),
        ({"peft_type": None}, "of the kind None, which cannot be used"),
        ({"task_type": "SEQ_CLS"}, "made for SEQ_CLS"),
        ({"alora_invocation_tokens": [5, 6]}, r"alora_invocation_tokens, .*; name another"),
        ({"use_sqrt_scaling_v9": True}, r"has use_sqrt_scaling_v9=True, which peft .* leave out"),
        ({"init_lora_weights": "pissa_niter_4"}, r"drawn anew whenever it is read; .* with --llm"),
    ],
)
def test_a_kind_that_is_none_is_refused_at_once(
    save: Callable[[PeftConfig], Path], changed: dict[str, Any], said: str
) -> None:
    folder = save(LORA)
    alter_config(folder, **changed)
    with pytest.raises(UserError, match=said):
        adapter_digest(str(folder))


def test_what_a_later_peft_says_no_to_is_nothing(save: Callable[[PeftConfig], Path]) -> None:
    folder = save(LORA)
    alter_config(folder, use_sqrt_scaling_v9=False, other_config=None)
    adapter_digest(str(folder))


@pytest.mark.parametrize("text", ["{", "[]", "3", "\x00", ""])
def test_a_broken_configuration_is_named(save: Callable[[PeftConfig], Path], text: str) -> None:
    folder = save(LORA)
    (folder / "adapter_config.json").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=r"adapter_config\.json.*cannot be read"):
        adapter_digest(str(folder))


def test_weights_in_a_pickle_are_not_read_but_made_anew(
    save: Callable[[PeftConfig], Path], toy_folder: Path
) -> None:
    folder = save(LORA)
    torch.save(load_file(folder / WEIGHTS), folder / "adapter_model.bin")
    (folder / WEIGHTS).unlink()
    with pytest.raises(UserError, match="save_pretrained") as refused:
        adapter_digest(str(folder))
    assert "adapter_model.bin" in str(refused.value)
    with warnings.catch_warnings():  # the remedy
        warnings.simplefilter("ignore")
        base = AutoModelForCausalLM.from_pretrained(toy_folder)
        PeftModel.from_pretrained(base, str(folder)).save_pretrained(str(folder))
    assert adapter_digest(str(folder))


def test_half_an_adapter_is_refused(save: Callable[[PeftConfig], Path], toy_folder: Path) -> None:
    folder = save(LORA)

    def drop(weights: dict[str, torch.Tensor]) -> None:
        for name in [name for name in weights if "v_proj" in name]:
            del weights[name]

    alter_weights(folder, drop)
    with pytest.raises(UserError, match=r"4 of its weights are missing.*v_proj.lora_A"):
        read_lora(load_backbone(str(toy_folder), "cpu")[0], folder)


def test_an_adapter_of_more_layers_is_refused(
    save: Callable[[PeftConfig], Path], toy_folder: Path
) -> None:
    folder = save(LORA)

    def deeper(weights: dict[str, torch.Tensor]) -> None:
        for name in [name for name in weights if "layers.1." in name]:
            weights[name.replace("layers.1.", "layers.2.")] = weights[name].clone()

    alter_weights(folder, deeper)
    with pytest.raises(UserError, match=r"4 of its weights have no place.*layers\.2\."):
        read_lora(load_backbone(str(toy_folder), "cpu")[0], folder)


def test_weights_that_are_no_numbers_are_refused(
    save: Callable[[PeftConfig], Path], toy_folder: Path
) -> None:
    folder = save(LORA)
    alter_weights(folder, lambda weights: weights[min(weights)].fill_(torch.nan))
    with pytest.raises(UserError, match=r"1 of its weights hold NaN"):
        read_lora(load_backbone(str(toy_folder), "cpu")[0], folder)


def test_a_shape_that_does_not_fit_is_named(
    save: Callable[[PeftConfig], Path], toy_folder: Path
) -> None:
    folder = save(LORA)

    def narrower(weights: dict[str, torch.Tensor]) -> None:
        weights.update({name: value[:, :3].clone() for name, value in weights.items()})

    alter_weights(folder, narrower)
    with pytest.raises(UserError, match="size mismatch"):
        read_lora(load_backbone(str(toy_folder), "cpu")[0], folder)


def test_damaged_weights_are_named(save: Callable[[PeftConfig], Path], toy_folder: Path) -> None:
    folder = save(LORA)
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:100])
    with pytest.raises(UserError, match=r"adapter_model\.safetensors.*cannot be read"):
        adapter_digest(str(folder))
    shutil.rmtree(folder)
    with pytest.raises(UserError, match=r"no adapter_config\.json"):
        adapter_digest(str(folder))


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("can't allocate memory")])
def test_too_little_memory_is_not_taken_for_an_adapter_that_does_not_fit(
    error: Exception, toy_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(adapter, "get_peft_model", full)
    monkeypatch.setattr(PeftModel, "from_pretrained", full)
    lm, _ = load_backbone(str(toy_folder), "cpu")
    with pytest.raises(type(error)):
        adapter.add_adapter(lm, LORA)
    with pytest.raises(type(error)):
        read_lora(lm, tmp_path)


def test_an_adapter_is_read_to_where_its_model_is(
    toy_folder: Path, save: Callable[[PeftConfig], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Left to itself peft reads it onto the first GPU, whatever the model is on."""
    folder, read = save(LORA), []
    real = adapter.PeftModel.from_pretrained

    def told(*given: Any, torch_device: str, **others: Any) -> PeftModel:
        read.append(torch_device)
        return real(*given, torch_device="cpu", **others)

    monkeypatch.setattr(adapter.PeftModel, "from_pretrained", told)
    lm, _ = load_backbone(str(toy_folder), "cpu")
    read_lora(lm, folder)
    assert read == ["cpu"]


def test_lora_has_the_rank_alpha_and_dropout_of_the_settings(toy_folder: Path) -> None:
    settings = LanguageModelSettings.build({"rank": 2, "alpha": 6, "dropout": 0.25})
    lm = add_lora(AutoModelForCausalLM.from_pretrained(toy_folder), settings)
    layers = [layer for layer in lm.modules() if isinstance(layer, LoraLayer)]
    assert layers
    for layer in layers:
        assert (layer.r["default"], layer.scaling["default"]) == (2, 3.0)
        assert layer.lora_dropout["default"].p == 0.25
