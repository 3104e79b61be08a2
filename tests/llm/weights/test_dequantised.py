import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, LlamaConfig, PreTrainedModel
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

from recbench.errors import RecbenchError, UserError
from recbench.llm.weights import dequantised as module
from recbench.llm.weights.backbone import load_backbone
from recbench.llm.weights.dequantised import dequantised
from recbench.llm.weights.places import InGguf


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CACHE", tmp_path / "weights")


def as_gguf(
    folder: Path,
    file: Path,
    tensors: Mapping[str, NDArray[np.float32]] = MappingProxyType({}),
    said: Callable[[Any], None] = lambda _: None,
) -> Path:
    """Write the toy model of a folder as one GGUF file, its tokenizer only nearly; with more."""
    gguf = pytest.importorskip("gguf")
    config = json.loads((folder / "config.json").read_text())
    tokens = list(json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"])
    filler = [f"<{number}>" for number in range(len(tokens) + 1, config["vocab_size"])]
    writer = gguf.GGUFWriter(file, "llama")
    writer.add_name("toy")
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list([*tokens, "Re", *filler])
    writer.add_token_merges(["R e"])
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config["num_hidden_layers"])
    for name, tensor in load_file(folder / "model.safetensors").items():
        writer.add_tensor(names.get_name(name, (".weight",)), tensor.numpy())
    for name, tensor in tensors.items():
        writer.add_tensor(name, tensor)
    said(writer)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def test_a_gguf_file_is_read_in_silence(
    toy_folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = as_gguf(toy_folder, tmp_path / "model.gguf")
    lm, _ = load_backbone(str(file), "cpu")
    kept = load_file(toy_folder / "model.safetensors")["model.embed_tokens.weight"]
    assert torch.equal(lm.get_input_embeddings().weight, kept)
    assert capfd.readouterr() == ("", "")


def test_weights_are_made_plain_once(toy_folder: Path, tmp_path: Path) -> None:
    file, said = as_gguf(toy_folder, tmp_path / "model.gguf"), list[str]()
    first = load_backbone(str(file), "cpu", report=said.append)[0].state_dict()
    second = load_backbone(str(file), "cpu", report=said.append)[0].state_dict()
    assert len(said) == 1
    assert "once" in said[0]
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_runs_at_the_same_time_make_them_once(
    toy_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, said = InGguf((as_gguf(toy_folder, tmp_path / "model.gguf"),)), list[str]()
    make, waits = module._dequantise, Event()

    def slow(*asked: Any) -> None:
        assert waits.wait(60)  # for the other
        make(*asked)

    def told(line: str) -> None:
        said.append(line)
        if line.startswith("waiting for process"):
            waits.set()

    monkeypatch.setattr(module, "_dequantise", slow)
    with ThreadPoolExecutor(2) as pool:
        made = [pool.submit(dequantised, "toy", place, told) for _ in range(2)]
        assert len({one.result() for one in made}) == 1
    assert len(said) == 2


@pytest.mark.honesty
def test_plain_weights_that_a_disk_has_changed_are_made_again(
    toy_folder: Path, tmp_path: Path
) -> None:
    place, said = InGguf((as_gguf(toy_folder, tmp_path / "model.gguf"),)), list[str]()
    folder = dequantised("toy", place, said.append)
    file = folder / "model.safetensors"
    kept = file.read_bytes()
    file.write_bytes(kept[:-9] + bytes([kept[-9] ^ 1]) + kept[-8:])
    said.clear()
    assert dequantised("toy", place, said.append) == folder
    assert file.read_bytes() == kept
    assert said[0] == f"{folder} was changed after it was made; it is made again"
    assert dequantised("toy", place, pytest.fail) == folder


def test_a_file_in_parts_is_the_file(toy_folder: Path, tmp_path: Path) -> None:
    file = as_gguf(toy_folder, tmp_path / "model.gguf")
    whole, half = file.read_bytes(), file.stat().st_size // 2
    parts = tmp_path / "part1", tmp_path / "part2"
    parts[0].write_bytes(whole[:half])
    parts[1].write_bytes(whole[half:])
    joined = dequantised("parts", InGguf(parts), lambda _: None)
    assert dequantised("whole", InGguf((file,)), pytest.fail) == joined
    assert not list(joined.glob("*.gguf"))


def test_a_bias_that_transformers_does_not_read_is_refused(
    toy_folder: Path, tmp_path: Path
) -> None:
    width = json.loads((toy_folder / "config.json").read_text())["hidden_size"]
    three, none = ({"blk.0.attn_q.bias": np.full(width, v, np.float32)} for v in (3, 0))
    file = as_gguf(toy_folder, tmp_path / "model.gguf", three)
    said = r"download model\.gguf again .*1 weights have no place .*: blk\.0\.attn_q\.bias"
    with pytest.raises(RecbenchError, match=said):
        load_backbone(str(file), "cpu")
    load_backbone(str(as_gguf(toy_folder, tmp_path / "empty.gguf", none)), "cpu")


BASE = {"rope_theta": 10000.0}
LLAMA_3 = {
    "rope_type": "llama3",
    "factor": 32.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}


def divisors(config: LlamaConfig) -> NDArray[np.float32]:
    """Return what Llama 3.2 divides its frequencies by, as its GGUF files hold it."""
    plain = LlamaConfig(**config.to_dict() | {"rope_parameters": {"rope_theta": 10000.0}})
    rotary = [LlamaRotaryEmbedding(one).inv_freq for one in (plain, config)]
    return (rotary[0] / rotary[1]).numpy()


def logits(lm: PreTrainedModel) -> torch.Tensor:
    with torch.no_grad():
        return lm(torch.arange(3, 60)[None]).logits


@pytest.mark.parametrize("scaled", [{"rope_type": "linear", "factor": 4.0}, LLAMA_3])
@pytest.mark.honesty
def test_positions_are_scaled_as_a_gguf_file_says(
    toy_folder: Path, tmp_path: Path, scaled: dict[str, Any]
) -> None:
    config = LlamaConfig.from_pretrained(toy_folder)
    plain = AutoModelForCausalLM.from_pretrained(toy_folder)
    config.rope_parameters = {"rope_theta": 10000.0} | scaled
    wanted = logits(AutoModelForCausalLM.from_pretrained(toy_folder, config=config))
    assert not torch.allclose(wanted, logits(plain), atol=1e-3)

    def linear(writer: Any) -> None:
        writer.add_rope_scaling_type(pytest.importorskip("gguf").RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(4.0)

    if scaled is LLAMA_3:
        own = {"rope_freqs.weight": divisors(config)}
        file = as_gguf(toy_folder, tmp_path / "model.gguf", own)
    else:
        file = as_gguf(toy_folder, tmp_path / "model.gguf", said=linear)
    assert torch.allclose(logits(load_backbone(str(file), "cpu")[0]), wanted, atol=1e-5)


@pytest.mark.parametrize("way", ["yarn", "long", "other"])
def test_positions_scaled_in_a_way_that_is_not_known_are_refused(
    toy_folder: Path, tmp_path: Path, way: str
) -> None:
    gguf = pytest.importorskip("gguf")
    own = divisors(LlamaConfig.from_pretrained(toy_folder, rope_parameters=LLAMA_3 | BASE))
    tensors = {
        "yarn": {},
        "long": {"rope_factors_long.weight": own},
        "other": {"rope_freqs.weight": own + np.arange(len(own), dtype=np.float32)},
    }[way]

    def said(writer: Any) -> None:
        if way == "yarn":
            writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
            writer.add_rope_scaling_factor(4.0)

    file = as_gguf(toy_folder, tmp_path / "model.gguf", tensors, said)
    with pytest.raises(UserError, match=r"scales its positions \(.*config\.json and safetensors"):
        load_backbone(str(file), "cpu")
    assert not list((tmp_path / "weights").iterdir())


def test_frequencies_that_are_divided_by_one_are_as_they_are(
    toy_folder: Path, tmp_path: Path
) -> None:
    width = len(divisors(LlamaConfig.from_pretrained(toy_folder, rope_parameters=LLAMA_3 | BASE)))
    ones = {"rope_freqs.weight": np.ones(width, np.float32)}
    lm, _ = load_backbone(str(as_gguf(toy_folder, tmp_path / "model.gguf", ones)), "cpu")
    assert lm.config.rope_parameters["rope_type"] == "default"


def test_a_broken_gguf_file_is_named_in_one_line(tmp_path: Path) -> None:
    pytest.importorskip("gguf")
    (tmp_path / "model.gguf").write_bytes(b"GGUF\x03\x00\x00\x00\x00")
    with pytest.raises(RecbenchError, match=r"download model\.gguf again") as caught:
        load_backbone(str(tmp_path / "model.gguf"), "cpu")
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "weights").iterdir())
