import warnings
from typing import Any

import pytest
import torch
from peft import PeftModel
from peft.tuners.lora import LoraLayer
from recbench_baselines.bigrec import BIGRecSettings
from recbench_baselines.tallrec import TALLRecSettings
from transformers import (
    AutoModelForCausalLM,
    BartConfig,
    DeepseekV3Config,
    GPT2Config,
    GPTNeoXConfig,
    JambaConfig,
    JetMoeConfig,
    Lfm2Config,
    LlamaConfig,
    Mamba2Config,
    MambaConfig,
    MixtralConfig,
    Phi3Config,
    PretrainedConfig,
    PreTrainedModel,
    Qwen2MoeConfig,
    Qwen3MoeConfig,
)

from recbench.errors import UserError
from recbench.llm.settings import ALL, ALL_LINEAR, ATTENTION_QV, LanguageModelSettings
from recbench.llm.tuning.adapter import add_lora
from recbench.llm.tuning.targets import resolve

_SMALL: dict[str, Any] = {
    **{"vocab_size": 280, "hidden_size": 32, "num_hidden_layers": 2, "pad_token_id": 0},
    **{"bos_token_id": 1, "eos_token_id": 2},
}
_ATTENTION: dict[str, Any] = {
    **{"intermediate_size": 48, "num_attention_heads": 4, "num_key_value_heads": 2},
}
_EXPERTS: dict[str, Any] = {
    **_SMALL,
    **_ATTENTION,
    **{"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16},
}
ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
OTHERS: dict[str, tuple[PretrainedConfig, tuple[str, ...]]] = {
    "phi3": (
        Phi3Config(**_SMALL, **_ATTENTION),
        ("o_proj", "qkv_proj", "gate_up_proj", "down_proj"),
    ),
    "gpt2": (
        GPT2Config(vocab_size=280, n_embd=32, n_layer=2, n_head=4, bos_token_id=1, eos_token_id=2),
        ("c_attn", "c_proj", "c_fc"),
    ),
    "gpt_neox": (
        GPTNeoXConfig(**_SMALL, intermediate_size=48, num_attention_heads=4),
        ("query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"),
    ),
    "qwen3_moe": (Qwen3MoeConfig(**_EXPERTS), ATTENTION),
    "qwen2_moe": (Qwen2MoeConfig(**_EXPERTS), ATTENTION),
    "mixtral": (
        MixtralConfig(**_SMALL, **_ATTENTION, num_local_experts=4, num_experts_per_tok=2),
        ATTENTION,
    ),
    "deepseek_v3": (
        DeepseekV3Config(
            **{**_EXPERTS, "num_key_value_heads": 4, "first_k_dense_replace": 1},
            **{"n_routed_experts": 4, "n_group": 1, "topk_group": 1, "kv_lora_rank": 8},
            **{"q_lora_rank": 8, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 8},
        ),
        ("q_a_proj", "q_b_proj", "kv_a_proj_with_mqa", "kv_b_proj", "o_proj"),
    ),
    "jetmoe": (
        JetMoeConfig(**_SMALL, intermediate_size=48, num_key_value_heads=2, kv_channels=8),
        ("kv_proj",),
    ),
    "mamba": (MambaConfig(**_SMALL, state_size=8), ("in_proj",)),
    "mamba2": (
        Mamba2Config(**_SMALL, state_size=8, num_heads=8, head_dim=8, n_groups=1),
        ("in_proj",),
    ),
    "lfm2": (
        Lfm2Config(**_SMALL, **_ATTENTION, layer_types=["conv", "full_attention"]),
        ("in_proj", "out_proj", "w1", "w3", "w2", "q_proj", "k_proj", "v_proj"),
    ),
}


def outline(config: PretrainedConfig) -> PreTrainedModel:
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(config)


def settings(*targets: str) -> LanguageModelSettings:
    return LanguageModelSettings(targets=targets or ALL_LINEAR)


def with_lora(model: PeftModel) -> set[str]:
    """Names of the adapted layers in the model as it was."""
    return {
        name.removeprefix("base_model.model.")
        for name, module in model.named_modules()
        if isinstance(module, LoraLayer)
    }


@pytest.mark.parametrize("name", sorted(OTHERS))
def test_where_the_papers_names_are_missing_it_is_all_linear(name: str) -> None:
    config, expected = OTHERS[name]
    assert resolve(settings(), outline(config)) == expected
    assert resolve(settings(ALL), outline(config)) == expected
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lm = AutoModelForCausalLM.from_config(config)
        named = {layer for layer, _ in lm.named_modules()}
        adapted = with_lora(add_lora(lm, settings()))
    assert adapted <= named
    assert {layer.rsplit(".", 1)[-1] for layer in adapted} == set(expected)
    assert not [layer for layer in adapted if "expert" in layer or "head" in layer]


@pytest.mark.parametrize(
    "part",
    [
        *("encoder_attn", "cross_attn", "crossattention", "indexer", "pooler"),
        *("router", "router_mlp", "shared_expert_gate"),
    ],
)
def test_parts_that_get_no_lora_are_known_by_any_of_their_names(part: str) -> None:
    inside, mlp = ({name: torch.nn.Linear(2, 2)} for name in ("dense", "fc1"))
    parts = {part: torch.nn.ModuleDict(inside), "mlp": torch.nn.ModuleDict(mlp)}
    lm = torch.nn.ModuleDict(parts)
    assert resolve(settings(ALL), lm) == ("fc1",)


@pytest.mark.parametrize("targets", [(), ATTENTION_QV, (ALL,)])
def test_what_a_text_alone_does_not_pass_is_left_out(targets: tuple[str, ...]) -> None:
    """Of a decoder that was half of another model: it has attention to an encoder, and no text."""
    config = BartConfig(
        **{"vocab_size": 280, "d_model": 32, "decoder_layers": 2, "pad_token_id": 0},
        **{"decoder_attention_heads": 4, "decoder_ffn_dim": 48, "is_decoder": True},
        **{"is_encoder_decoder": False, "bos_token_id": 1, "eos_token_id": 2},
    )
    own = LanguageModelSettings() if not targets else TALLRecSettings(targets=targets)
    model = add_lora(AutoModelForCausalLM.from_config(config), own)
    adapted = with_lora(model)
    assert {"model.decoder.layers.1.self_attn.v_proj"} <= adapted
    assert not [name for name in adapted if "encoder_attn" in name]


def test_names_that_are_there_stay_as_they_are() -> None:
    llama = outline(LlamaConfig(**_SMALL, **_ATTENTION))
    assert resolve(settings(), llama) == ALL_LINEAR
    assert resolve(settings(ALL), llama) == ALL_LINEAR
    assert resolve(settings(*ATTENTION_QV), llama) == ATTENTION_QV
    assert resolve(settings("v_proj", "q_proj"), llama) == ("v_proj", "q_proj")


def test_only_some_layers_of_a_kind_are_named_whole() -> None:
    """The second `dense` is an expert's."""

    class Mixture(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.dense = torch.nn.Linear(2, 2)
            self.experts = torch.nn.ModuleList([torch.nn.ModuleDict({"dense": self.dense})])

    model = torch.nn.ModuleDict(
        {"a": torch.nn.ModuleDict({"dense": torch.nn.Linear(2, 2)}), "b": Mixture()}
    )
    assert resolve(settings(ALL), model) == ("a.dense",)


def test_a_presets_names_are_no_users() -> None:
    """BIGRec's preset names q and v, which GPT-2 has in one layer, as TALLRec's default does."""
    gpt2, kinds = outline(OTHERS["gpt2"][0]), OTHERS["gpt2"][1]
    assert resolve(BIGRecSettings.build({}, "paper"), gpt2) == kinds
    assert resolve(TALLRecSettings.build({}, "paper"), gpt2) == kinds
    with pytest.raises(UserError, match="no layer 'k_proj'"):
        resolve(BIGRecSettings.build({"targets": "k_proj"}, "paper"), gpt2)


def test_a_name_that_is_missing_is_refused() -> None:
    phi = outline(OTHERS["phi3"][0])
    with pytest.raises(UserError, match=r"no layer 'q_proj'; it has down_proj, .*all-linear"):
        resolve(settings("q_proj", "v_proj"), phi)
    resolve(settings("qkv_proj"), phi)


@pytest.mark.parametrize(
    ("name", "layer"), [("mamba", "out_proj"), ("mamba", "x_proj"), ("mamba2", "out_proj")]
)
def test_a_layer_whose_weights_are_read_past_it_is_refused(name: str, layer: str) -> None:
    with pytest.raises(UserError, match=rf"'{layer}' .* no effect"):
        resolve(settings("in_proj", layer), outline(OTHERS[name][0]))


def test_jamba_calls_the_layer_that_mambas_kernels_read_past() -> None:
    config = JambaConfig(
        vocab_size=64,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        attn_layer_period=2,
        attn_layer_offset=1,
        num_experts=1,
        mamba_d_state=4,
        mamba_dt_rank=4,
        use_mamba_kernels=False,
    )
    assert "x_proj" in resolve(settings("in_proj", "x_proj"), outline(config))
    with pytest.raises(UserError, match=r"'dt_proj' .* no effect"):
        resolve(settings("in_proj", "dt_proj"), outline(config))


def test_all_linear_stands_alone() -> None:
    with pytest.raises(UserError, match="takes no other name beside it"):
        LanguageModelSettings.build({"targets": "all-linear,q_proj"})
    assert LanguageModelSettings.build({"targets": "all-linear"}).targets == (ALL,)


def test_a_model_without_linear_layers_is_refused() -> None:
    with pytest.raises(UserError, match="no linear layer that can be adapted, but none at all"):
        resolve(settings(ALL), torch.nn.ModuleDict())
