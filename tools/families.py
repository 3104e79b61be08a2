"""
Which families of causal language models can be used, found out on small models of random weights.

Each is given LoRA, a gate and item vectors, and probed as any model is before it is trained
(`recbench.llm.inference.probe`), in a context that is longer than its window, if it has one. The
table stands in `docs/families.md`, and `tests/tools/test_families.py` compares every family that is
not refused with plain sequences:

    python tools/families.py
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from transformers import CONFIG_MAPPING, AutoModelForCausalLM, PretrainedConfig
from transformers.utils import logging

from recbench.errors import RecbenchError
from recbench.llm.inference.abilities import Abilities
from recbench.llm.inference.hybrid import Guide, HybridLM, ItemProjector, word_statistics
from recbench.llm.inference.probe import probe, randomised
from recbench.llm.inference.reader import Batch
from recbench.llm.prompts.writer import Prompt
from recbench.llm.settings import LanguageModelSettings
from recbench.llm.tuning.adapter import add_lora
from recbench.llm.tuning.gate import InstanceGate
from recbench.llm.weights.backbone import unscaled
from recbench.neural.randomness import seeded

PAGE = Path(__file__).resolve().parents[1] / "docs/families.md"

ITEM = 270
WINDOW = 24

_USUAL = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
_MIXTURE = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
_LINEAR = {
    **{**_USUAL, "num_hidden_layers": 4, "head_dim": 8},
    **{"linear_num_key_heads": 2, "linear_key_head_dim": 8},
    **{"linear_num_value_heads": 4, "linear_value_head_dim": 8},
}
_OLDER = {"n_embd": 32, "n_layer": 2, "n_head": 4}
_STATES = {"hidden_size": 32, "num_hidden_layers": 2, "state_size": 8}


@dataclass(frozen=True)
class Family:
    """
    A family of language models, as transformers knows it.

    Attributes
    ----------
    model_type
        Its name in ``config.json``.
    kind
        How it looks back, in words.
    members
        Models that people know.
    shape
        Settings of a small one.
    """

    model_type: str
    kind: str
    members: str
    shape: dict[str, Any] = field(default_factory=dict)

    def config(self) -> PretrainedConfig:
        """Return the configuration of a small one, as it is loaded."""
        shape = {"vocab_size": 280, "initializer_range": 0.2, "pad_token_id": 0, **self.shape}
        return unscaled(CONFIG_MAPPING[self.model_type](**shape))

    def build(self) -> HybridLM:
        """Return a small one with random weights, LoRA, gate and item vectors."""
        with seeded(0):
            lm = AutoModelForCausalLM.from_config(self.config())
            width = lm.get_input_embeddings().embedding_dim
            tuned = add_lora(lm, LanguageModelSettings())
            guide = Guide.random(4, 6)
            projector = ItemProjector(guide.vectors, width, word_statistics(tuned))
            return randomised(
                HybridLM(tuned, ITEM, projector, InstanceGate(2, (2, 2, 2, 2)))
            ).eval()


_ATTENTION, _WINDOW = "attention", "attention in a window"
_STATE, _HYBRID, _EXPERTS = "state space", "state space and attention", "mixture of experts"

FAMILIES = (
    Family("llama", _ATTENTION, "Llama 2 and 3, SmolLM2, TinyLlama", _USUAL),
    Family("qwen2", _ATTENTION, "Qwen2, Qwen2.5", _USUAL),
    Family("qwen3", _ATTENTION, "Qwen3", {**_USUAL, "head_dim": 8}),
    Family("smollm3", _ATTENTION, "SmolLM3", _USUAL),
    Family("gemma", _ATTENTION, "Gemma", {**_USUAL, "head_dim": 8}),
    Family("phi", _ATTENTION, "Phi-1.5, Phi-2", _USUAL),
    Family("phi3", _ATTENTION, "Phi-3, Phi-4", _USUAL),
    Family("olmo2", _ATTENTION, "OLMo 2", _USUAL),
    Family("stablelm", _ATTENTION, "StableLM", _USUAL),
    Family("granite", _ATTENTION, "Granite", _USUAL),
    Family("cohere", _ATTENTION, "Command R", _USUAL),
    Family("glm", _ATTENTION, "GLM-4", {**_USUAL, "head_dim": 8}),
    Family("gpt2", _ATTENTION, "GPT-2, DistilGPT2", _OLDER),
    Family("gptj", _ATTENTION, "GPT-J", {**_OLDER, "rotary_dim": 4}),
    Family("gpt_neox", _ATTENTION, "Pythia, GPT-NeoX", _USUAL),
    Family(
        "opt",
        _ATTENTION,
        "OPT",
        {
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "ffn_dim": 48,
            "word_embed_proj_dim": 32,
            "init_std": 0.2,
        },
    ),
    Family("bloom", "attention by distance (ALiBi)", "BLOOM", {**_OLDER, "hidden_size": 32}),
    Family("falcon", "attention by distance (ALiBi)", "Falcon-RW", {**_USUAL, "alibi": True}),
    Family(
        "mpt",
        "attention by distance (ALiBi)",
        "MPT",
        {"d_model": 32, "n_layers": 2, "n_heads": 4},
    ),
    Family("mistral", _WINDOW, "Mistral", {**_USUAL, "sliding_window": WINDOW}),
    Family(
        "gemma2",
        _WINDOW,
        "Gemma 2",
        {**_USUAL, "head_dim": 8, "sliding_window": WINDOW, "query_pre_attn_scalar": 8},
    ),
    Family(
        "gemma3_text",
        _WINDOW,
        "Gemma 3",
        {
            **_USUAL,
            "head_dim": 8,
            "sliding_window": WINDOW,
            "query_pre_attn_scalar": 8,
            "num_hidden_layers": 6,
        },
    ),
    Family(
        "gemma4_text",
        _WINDOW,
        "Gemma 4 31B",
        {
            **_USUAL,
            "head_dim": 8,
            "global_head_dim": 16,
            "sliding_window": WINDOW,
            "num_hidden_layers": 6,
            "hidden_size_per_layer_input": 0,
        },
    ),
    Family(
        "gpt_neo",
        _WINDOW,
        "GPT-Neo",
        {
            "hidden_size": 32,
            "num_layers": 2,
            "num_heads": 4,
            "intermediate_size": 48,
            "attention_types": [[["global", "local"], 1]],
            "window_size": 16,
        },
    ),
    Family("mamba", _STATE, "Mamba", _STATES),
    Family(
        "mamba2",
        _STATE,
        "Mamba 2",
        {**_STATES, "num_heads": 8, "head_dim": 8, "n_groups": 1, "chunk_size": 16},
    ),
    Family("falcon_mamba", _STATE, "Falcon Mamba", _STATES),
    Family(
        "rwkv",
        _STATE,
        "RWKV-4",
        {
            "hidden_size": 32,
            "num_hidden_layers": 4,
            "attention_hidden_size": 32,
            "intermediate_size": 48,
            "rescale_every": 2,
        },
    ),
    Family(
        "recurrent_gemma",
        _HYBRID,
        "RecurrentGemma",
        {**_USUAL, "num_hidden_layers": 3, "attention_window_size": WINDOW, "lru_width": 32},
    ),
    Family(
        "jamba",
        _HYBRID,
        "Jamba",
        {
            **_USUAL,
            "num_hidden_layers": 4,
            "attn_layer_period": 2,
            "attn_layer_offset": 1,
            "num_experts": 4,
            "num_experts_per_tok": 2,
            "expert_layer_period": 2,
            "expert_layer_offset": 1,
            "mamba_d_state": 8,
            "mamba_dt_rank": 4,
            "use_mamba_kernels": False,
        },
    ),
    Family(
        "bamba",
        _HYBRID,
        "Bamba",
        {
            **_USUAL,
            "attn_layer_indices": [1],
            "mamba_n_heads": 8,
            "mamba_d_state": 8,
            "mamba_d_head": 8,
            "mamba_n_groups": 1,
        },
    ),
    Family(
        "granitemoehybrid",
        _HYBRID,
        "Granite 4",
        {
            **_USUAL,
            "layer_types": ["mamba", "attention"],
            "mamba_n_heads": 8,
            "mamba_d_state": 8,
            "mamba_d_head": 8,
            "num_local_experts": 4,
            "num_experts_per_tok": 2,
            "shared_intermediate_size": 32,
        },
    ),
    Family("lfm2", _HYBRID, "LFM2", {**_USUAL, "num_hidden_layers": 3, "full_attn_idxs": [1]}),
    Family("qwen3_next", _HYBRID, "Qwen3-Next", {**_LINEAR, **_MIXTURE}),
    Family("qwen3_5_text", _HYBRID, "Qwen3.5", _LINEAR),
    Family(
        "falcon_h1",
        _HYBRID,
        "Falcon-H1",
        {
            **{**_USUAL, "mamba_d_ssm": 64, "mamba_n_heads": 8, "mamba_d_head": 8},
            **{"mamba_d_state": 8, "mamba_n_groups": 2, "mamba_chunk_size": 16},
        },
    ),
    Family(
        "deepseek_v3",
        _EXPERTS,
        "DeepSeek-V3, Moonlight, Kimi K2",
        {
            **{**_USUAL, "num_key_value_heads": 4},
            **{"n_routed_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16},
            **{"n_group": 2, "topk_group": 1, "first_k_dense_replace": 1, "q_lora_rank": 16},
            **{"kv_lora_rank": 16, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 8},
        },
    ),
    Family("qwen3_moe", _EXPERTS, "Qwen3-30B-A3B", {**_USUAL, **_MIXTURE, "head_dim": 8}),
    Family(
        "mixtral", _EXPERTS, "Mixtral", {**_USUAL, "num_local_experts": 4, "num_experts_per_tok": 2}
    ),
    Family(
        "jetmoe",
        _EXPERTS,
        "JetMoE",
        {
            **{"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2},
            **{"num_key_value_heads": 2, "kv_channels": 8},
            **{"num_local_experts": 4, "num_experts_per_tok": 2},
        },
    ),
    Family("olmoe", _EXPERTS, "OLMoE", {**_USUAL, "num_experts": 4, "num_experts_per_tok": 2}),
    Family(
        "gpt_oss",
        _EXPERTS,
        "gpt-oss",
        {
            **_USUAL,
            "head_dim": 8,
            "num_local_experts": 4,
            "num_experts_per_tok": 2,
            "sliding_window": WINDOW,
        },
    ),
)


def batch() -> Batch:
    """Return three prompts of unequal length, longer than the window, with five answers each."""
    with seeded(3):
        prompts = []
        for length, items in ((40, [0, 2, 3]), (31, [1, 1]), (17, [2])):
            ids = torch.randint(3, 260, (length,)).tolist()
            for number in range(len(items)):
                ids[5 + 4 * number] = ITEM
            prompts.append(Prompt(ids, items))
        answers = [
            [[*torch.randint(3, 260, (size,)).tolist(), 10] for size in (3, 1, 6, 2, 4)]
            for _ in prompts
        ]
    return Batch(prompts, torch.tensor([[1.0, -2.0], [0.5, 3.0], [-1.0, 0.0]]), answers)


def verdict(family: Family) -> tuple[str, Abilities | None]:
    """Return in words how a family can be used, and its abilities; None where it is refused."""
    try:
        model = family.build()
        abilities = probe(model, batch(), family.model_type)
    except RecbenchError as error:
        return f"refused: {error}", None
    return f"works slowly: {abilities.slow}" if abilities.slow else "works", abilities


HEAD = """# Families of language models

Which causal language models can be put in with `--llm`: any of these families, in any size. Made
by `python tools/families.py` on small models with random weights, LoRA, gate and item vectors, in a
context longer than their window; every one that is not refused gives the numbers of plain sequences
(`tests/tools/test_families.py`). A model of a family that is not listed is tried in the same way,
before anything is trained. What "works slowly" does without one of the short cuts, with which the
numbers would be others. Where a window is wider than the prompts, as Mistral's is, the short cuts
are right and are taken. All of them were tried in float32. On a GPU, where a model is read in
bfloat16, it is tried in both, since rounding hides a short cut that is wrong by as much; where
memory does not suffice for float32, where weights are quantised or sharded, and where a model that
was loaded is asked, in its own precision alone, which is said. There a short cut that is wrong by
less than rounding is not found, such as a wrong window.

Of a model that sees or hears besides, the part that reads text is taken where transformers has it
as a causal model by itself (Gemma 3 and 4, LLaVA, Llama 4, Mistral Small 3); where it has not, as
of Qwen2.5-VL and Qwen3-VL, the model is refused. Refused, too, is what reads an embedding of each
token in every layer, as Gemma 3n and the small ones of Gemma 4 (E2B, E4B) do: the vector of an item
has none.

| family | looks back by | for example | with recbench |
| :--- | :--- | :--- | :--- |
"""


def page(judge: Callable[[Family], tuple[str, Any]] = verdict) -> str:
    """Return the table of all families."""
    rows = [
        f"| `{one.model_type}` | {one.kind} | {one.members} | {judge(one)[0]} |" for one in FAMILIES
    ]
    return HEAD + "\n".join(rows) + "\n"


def main() -> int:
    """Write the page."""
    logging.set_verbosity_error()
    PAGE.write_text(page(), encoding="utf-8")
    print(f"wrote {PAGE}: {len(FAMILIES)} families")
    return 0


if __name__ == "__main__":
    sys.exit(main())
