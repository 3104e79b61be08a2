import json
import shutil
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import CONFIG_MAPPING, AutoModelForImageTextToText, AutoTokenizer

from recbench.errors import RecbenchError, UserError
from recbench.llm.weights import places
from recbench.llm.weights.backbone import _of_text_part, caption, load_backbone, load_outline


def test_a_folder_is_read(toy_folder: Path) -> None:
    lm, tokenizer = load_backbone(str(toy_folder), "cpu")
    assert lm.config.hidden_size == 32
    assert lm.dtype == torch.float32
    assert not lm.training
    assert tokenizer.decode(tokenizer("Red River").input_ids) == "Red River"


def test_tiny_is_small_and_has_its_caption() -> None:
    lm, _ = load_backbone("tiny", "cpu")
    assert sum(p.numel() for p in lm.parameters()) <= 3_000_000
    assert lm.dtype == torch.float32
    folder = Path(str(files("recbench.llm") / "tiny"))
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 8_000_000
    assert "mechanism test" in caption("tiny")
    assert caption("some/model") == ""


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no config\.json in it"):
        load_backbone(str(tmp_path), "cpu")
    with pytest.raises(UserError, match="no folder"):
        load_backbone(str(tmp_path / "nothing"), "cpu")
    with pytest.raises(UserError, match="no GGUF file"):
        load_backbone(str(tmp_path / "no.gguf"), "cpu")


def test_weights_that_are_pickled_are_not_read(toy_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pickled"
    shutil.copytree(toy_folder, folder)
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"not to be unpickled")
    with pytest.raises(RecbenchError, match="safetensors") as caught:
        load_backbone(str(folder), "cpu")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "head"), [("bert", "BertLMHeadModel"), ("roberta", "RobertaForCausalLM")]
)
def test_a_masked_model_is_refused_whatever_its_head_is_called(
    kind: str, head: str, toy_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / kind
    shutil.copytree(toy_folder, folder)
    (folder / "config.json").write_text(json.dumps({"model_type": kind, "architectures": [head]}))
    with pytest.raises(UserError, match=f"is a {kind} model that reads its text in both direc"):
        load_backbone(str(folder), "cpu")


def test_a_model_that_is_rescaled_when_it_is_asked_is_read_without(
    toy_folder: Path, tmp_path: Path
) -> None:
    """Else it would be trained as one function and asked as another."""
    shutil.copytree(toy_folder, tmp_path / "rwkv")
    page = {"model_type": "rwkv", "architectures": ["RwkvForCausalLM"], "vocab_size": 264}
    sizes = {"hidden_size": 8, "num_hidden_layers": 8, "intermediate_size": 8, "rescale_every": 6}
    (tmp_path / "rwkv/config.json").write_text(json.dumps(page | sizes))
    lm, _ = load_outline(str(tmp_path / "rwkv"))
    assert lm.config.rescale_every == 0


def test_a_model_of_another_kind_is_named(toy_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "bert"
    shutil.copytree(toy_folder, folder)
    (folder / "config.json").write_text(
        json.dumps({"model_type": "bert", "architectures": ["BertForMaskedLM"]})
    )
    with pytest.raises(UserError, match="not a causal language model but BertForMaskedLM"):
        load_backbone(str(folder), "cpu")
    (folder / "config.json").write_text(
        json.dumps({"model_type": "t5", "architectures": ["T5ForConditionalGeneration"]})
    )
    with pytest.raises(UserError, match="not a causal language model"):
        load_backbone(str(folder), "cpu")


@pytest.mark.parametrize(
    "page",
    [
        {"model_type": "bert-generation", "architectures": ["BertGenerationDecoder"]},
        {"model_type": "xlm", "architectures": ["XLMWithLMHeadModel"], "causal": True},
        {"model_type": "bert", "architectures": ["BertLMHeadModel"], "is_decoder": True},
    ],
)
def test_a_decoder_is_none_of_another_kind_by_whatever_name(
    toy_folder: Path, tmp_path: Path, page: dict[str, Any]
) -> None:
    folder = tmp_path / "decoder"
    shutil.copytree(toy_folder, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    (folder / "config.json").write_text(json.dumps({"vocab_size": 400, **page}))
    lm, _ = load_outline(str(folder))
    assert type(lm).__name__ == page["architectures"][0]


SIZES = {
    **{"vocab_size": 400, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2},
    **{"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "pad_token_id": 0},
}
SEES = {
    **{"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1},
    **{"num_attention_heads": 2, "image_size": 28, "patch_size": 14},
}
SEEING = {
    "gemma3": ({}, SEES, {"mm_tokens_per_image": 4}),
    "gemma4": (
        {"model_type": "gemma4_text", "hidden_size_per_layer_input": 0},
        *(None, {"audio_config": None}),
    ),
    "llava": ({"model_type": "llama"}, {**SEES, "model_type": "clip_vision_model"}, {}),
    "smolvlm": ({"model_type": "llama"}, SEES, {}),
    "mistral3": ({"model_type": "mistral"}, {**SEES, "model_type": "pixtral"}, {}),
    "qwen3_vl": ({}, {"depth": 1, "hidden_size": 16, "num_heads": 2, "out_hidden_size": 32}, {}),
}


def seeing(kind: str, toy_folder: Path, folder: Path) -> torch.nn.Module:
    """Write a small model that reads pictures, too, with the tokenizer of the toy."""
    shutil.copytree(toy_folder, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    text, sees, more = SEEING[kind]
    config = CONFIG_MAPPING[kind](text_config={**SIZES, **text}, vision_config=sees, **more)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = AutoModelForImageTextToText.from_config(config).eval()
    model.save_pretrained(folder)
    return model


@pytest.mark.parametrize("kind", ["gemma3", "gemma4", "llava", "mistral3", "smolvlm"])
def test_of_a_model_that_sees_what_reads_text_is_taken(
    kind: str, toy_folder: Path, tmp_path: Path
) -> None:
    whole = seeing(kind, toy_folder, tmp_path / kind)
    lm, tokenizer = load_backbone(str(tmp_path / kind), "cpu")
    outline, _ = load_outline(str(tmp_path / kind))
    assert type(outline) is type(lm)
    assert not any("vision" in name for name, _ in lm.named_modules())
    tokens = tokenizer("Red River", return_tensors="pt").input_ids
    with torch.no_grad():
        assert torch.equal(lm(input_ids=tokens).logits, whole(input_ids=tokens).logits)


def test_a_model_that_sees_and_has_no_causal_model_of_its_own_is_refused(
    toy_folder: Path, tmp_path: Path
) -> None:
    seeing("qwen3_vl", toy_folder, tmp_path / "model")
    with pytest.raises(UserError, match="not a causal language model but Qwen3VLForCond"):
        load_backbone(str(tmp_path / "model"), "cpu")


def in_few_bits(folder: Path, quant_method: str | None) -> dict[str, Tensor]:
    """Store the layers of text in eight bits, with a scale each; return what they then are."""
    file, meant = folder / "model.safetensors", {}
    weights = load_file(file)
    for name in [one for one in weights if one.endswith("proj.weight") and "vision" not in one]:
        scale = (weights[name].abs().max() / 448).reshape(1, 1)
        weights[name] = (weights[name] / scale).to(torch.float8_e4m3fn)
        weights[name.replace(".weight", ".weight_scale_inv")] = scale
        meant[name.partition("layers.")[2]] = weights[name].float() * scale
    save_file(weights, file, {"format": "pt"})
    if quant_method is not None:
        how = {"quant_method": quant_method, "weight_block_size": [128, 128]}
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | {"quantization_config": how}))
    return meant


@pytest.mark.parametrize("kind", ["gemma3", "mistral3"])
def test_of_a_model_that_sees_few_bits_are_read_with_their_scales(
    kind: str, toy_folder: Path, tmp_path: Path
) -> None:
    seeing(kind, toy_folder, tmp_path / kind)
    meant = in_few_bits(tmp_path / kind, "fp8")
    found = load_backbone(str(tmp_path / kind), "cpu")[0].state_dict()
    assert len(meant) == 14
    for name, weight in meant.items():
        torch.testing.assert_close(found[f"model.layers.{name}"], weight, atol=1e-4, rtol=1e-2)


@pytest.mark.parametrize("kind", ["toy", "gemma3"])
@pytest.mark.parametrize("quant_method", ["of tomorrow", None])
def test_few_bits_that_would_be_read_without_their_scales_are_refused(
    quant_method: str | None, kind: str, toy_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / kind
    if kind == "toy":
        shutil.copytree(toy_folder, folder)
    else:
        seeing(kind, toy_folder, folder)
    in_few_bits(folder, quant_method)
    with pytest.raises(UserError, match=r"quantised weights .*\(\S+weight_scale_inv, .*in plain"):
        load_backbone(str(folder), "cpu")


@pytest.mark.parametrize("narrow", [torch.float8_e4m3fn, torch.int8])
def test_few_bits_without_scales_are_refused(
    narrow: torch.dtype, toy_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "narrow"
    shutil.copytree(toy_folder, folder)
    weights = load_file(folder / "model.safetensors")
    name = "model.layers.0.self_attn.q_proj.weight"
    save_file(weights | {name: weights[name].to(narrow)}, folder / "model.safetensors")
    with pytest.raises(UserError, match=rf"holds quantised weights .*\({name}, "):
        load_backbone(str(folder), "cpu")


def test_scales_of_what_only_sees_are_nothing_to_what_reads(
    toy_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    seeing("gemma3", toy_folder, folder)
    weights = load_file(folder / "model.safetensors")
    more = {f"{part}vision_tower.layers.0.scale": torch.ones(1) for part in ("", "model.")}
    save_file(weights | more, folder / "model.safetensors", {"format": "pt"})
    load_backbone(str(folder), "cpu")


def test_what_a_quantisation_leaves_alone_is_called_as_in_the_part_that_reads_text() -> None:
    given = {
        "weight_block_size": [128, 128],
        "modules_to_not_convert": ["model.vision_tower", "language_model.lm_head", "lm_head"],
        "ignore": ["re:.*head", "model.language_model.layers.3.mlp", "language_model.model.norm"],
    }
    assert _of_text_part(given) == {
        "weight_block_size": [128, 128],
        "modules_to_not_convert": ["model.vision_tower", "lm_head", "lm_head"],
        "ignore": ["re:.*head", "model.layers.3.mlp", "model.norm"],
    }


@pytest.mark.parametrize("kind", ["gemma4", "gemma4_text", "gemma3n", "gemma3n_text"])
def test_a_model_with_an_embedding_of_each_token_in_every_layer_is_refused(
    kind: str, toy_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / kind
    shutil.copytree(toy_folder, folder)
    CONFIG_MAPPING[kind]().save_pretrained(folder)
    with pytest.raises(UserError, match=r"an embedding of each token in every layer.*without"):
        load_outline(str(folder))


def test_a_broken_folder_is_one_line(toy_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "broken"
    shutil.copytree(toy_folder, folder)
    (folder / "config.json").write_text('{"model_type": "no such thing"}')
    with pytest.raises(RecbenchError, match="cannot be read") as caught:
        load_backbone(str(folder), "cpu")
    assert "\n" not in str(caught.value)


def test_gguf_without_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model.gguf").write_bytes(b"")
    monkeypatch.setattr(places, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install gguf"):
        load_backbone(str(tmp_path / "model.gguf"), "cpu")


def shortened(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def widened(file: Path) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | {"hidden_size": 64}))


def foreign(file: Path) -> None:
    file.write_text('{"not": "a tokenizer"}')


@pytest.mark.parametrize(
    ("name", "damage", "named"),
    [
        ("config.json", shortened, r"config\.json"),
        ("config.json", widened, r"config\.json and the weights \(\*\.safetensors\)"),
        ("tokenizer.json", shortened, "the tokenizer's files"),
        ("tokenizer.json", foreign, "the tokenizer's files"),
        ("model.safetensors", shortened, r"the weights \(\*\.safetensors\)"),
    ],
)
def test_a_broken_file_is_named_in_one_line(
    name: str, damage: Callable[[Path], None], named: str, toy_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "broken"
    shutil.copytree(toy_folder, folder)
    damage(folder / name)
    with pytest.raises(RecbenchError, match=f"cannot be read; download .*{named} again") as caught:
        load_backbone(str(folder), "cpu")
    assert "\n" not in str(caught.value)


def test_weights_that_lack_a_tensor_are_not_made_up(toy_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "incomplete"
    shutil.copytree(toy_folder, folder)
    weights = load_file(folder / "model.safetensors")
    del weights["model.norm.weight"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(RecbenchError, match=r"1 weights are not in the file: model\.norm\.weight"):
        load_backbone(str(folder), "cpu")


def with_more(folder: Path, toy_folder: Path, more: dict[str, Tensor], **said: object) -> str:
    """Copy the toy model, with weights besides its own and a configuration that says other."""
    shutil.copytree(toy_folder, folder)
    file, page = folder / "model.safetensors", folder / "config.json"
    save_file(load_file(file) | more, file, {"format": "pt"})
    page.write_text(json.dumps(json.loads(page.read_text()) | said))
    return str(folder)


@pytest.mark.parametrize(
    "name", ["model.layers.0.self_attn.q_proj.bias", "model.layers.7.mlp.up_proj.weight"]
)
def test_weights_without_a_place_in_the_model_are_refused(
    name: str, toy_folder: Path, tmp_path: Path
) -> None:
    llm = with_more(tmp_path / "more", toy_folder, {name: torch.ones(32)})
    with pytest.raises(RecbenchError, match=rf"again .*1 weights have no place .*: {name}") as told:
        load_backbone(llm, "cpu")
    assert "\n" not in str(told.value)


def test_a_configuration_of_fewer_layers_than_the_weights_is_refused(
    toy_folder: Path, tmp_path: Path
) -> None:
    llm = with_more(tmp_path / "fewer", toy_folder, {}, num_hidden_layers=1, layer_types=None)
    with pytest.raises(RecbenchError, match=r"have no place .*: model\.layers\.1\."):
        load_backbone(llm, "cpu")


def test_what_a_model_computes_or_what_adds_nothing_may_stand_beside_its_weights(
    toy_folder: Path, tmp_path: Path
) -> None:
    """Masks and angles of older files, empty biases, and layers that guess tokens to come."""
    attention = "model.layers.0.self_attn"
    ones = [
        *(f"{attention}.{name}" for name in ("bias", "masked_bias", "rotary_emb.inv_freq")),
        *("model.embed_tokens.position_ids", "model.layers.2.mlp.up_proj.weight", "v_head.weight"),
    ]
    more = {f"{attention}.q_proj.bias": torch.zeros(32), **dict.fromkeys(ones, torch.ones(1))}
    llm = with_more(
        tmp_path / "more",
        toy_folder,
        {name: one.clone() for name, one in more.items()},
        num_nextn_predict_layers=1,
    )
    load_backbone(llm, "cpu")


def test_a_missing_package_is_not_taken_for_a_broken_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise ImportError("\nThe tokenizer requires some library.\nInstall it")

    monkeypatch.setattr(AutoTokenizer, "from_pretrained", fails)
    with pytest.raises(UserError, match=r"needs a package: The tokenizer requires some library\.$"):
        load_backbone("tiny", "cpu")


@pytest.fixture
def with_code(
    toy_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Path]]:
    """Copy the toy model and add code; whoever is asked whether it may run says yes."""
    folder, asked = tmp_path / "with_code", []

    def make(name: str, **changes: object) -> Path:
        shutil.copytree(toy_folder, folder)
        (folder / "code.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()")
        (folder / name).write_text(json.dumps(json.loads((folder / name).read_text()) | changes))
        return folder

    monkeypatch.setattr("builtins.input", lambda *text: asked.append(text) or "y")
    yield make
    assert not asked
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("config.json", {"model_type": "other", "auto_map": {"AutoConfig": "code.Config"}}),
        (
            "tokenizer_config.json",
            {"tokenizer_class": "Other", "auto_map": {"AutoTokenizer": ["code.Other", None]}},
        ),
    ],
)
def test_code_that_comes_with_a_model_is_refused(
    name: str, changes: dict[str, object], with_code: Callable[..., Path]
) -> None:
    with pytest.raises(UserError, match="such code is never run") as caught:
        load_backbone(str(with_code(name, **changes)), "cpu")
    assert "\n" not in str(caught.value)


def test_code_that_is_not_needed_is_left_alone(with_code: Callable[..., Path]) -> None:
    own = {"AutoConfig": "code.Config", "AutoModelForCausalLM": "code.Model"}
    lm, _ = load_backbone(str(with_code("config.json", auto_map=own)), "cpu")
    assert type(lm).__name__ == "LlamaForCausalLM"


def test_a_hub_that_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(RecbenchError, match="hub cannot be reached"):
        load_backbone("some-owner/some-model", "cpu")
