"""Where the language model is asked without its adapter it is the one that it was."""

from pathlib import Path
from typing import Any

import pytest
from killed_at_work import small_encoders
from peft import LoraConfig
from recbench_baselines.bigrec import BIGRec
from recbench_baselines.ilora import ILoRA
from recbench_baselines.tallrec import TALLRec
from transformers import AutoModelForCausalLM, OPTConfig

from recbench.errors import UserError
from recbench.llm.recommender import TunedLanguageModel
from recbench.llm.tuning.adapter import add_adapter
from recbench.llm.tuning.bare import adapted_over_bare
from recbench.recommender import Runtime
from recbench.testing.toy import toy_training_data

LAYERS = ["q_proj", "v_proj"]
OPT = OPTConfig(
    **{"vocab_size": 60, "hidden_size": 16, "word_embed_proj_dim": 16, "ffn_dim": 16},
    **{"num_hidden_layers": 2, "num_attention_heads": 2, "init_std": 0.2},
)
SAID = "asks the language model without its adapter, and this adapter changes it for good"


@pytest.mark.parametrize(
    "changed",
    [
        {"bias": "all"},
        {"bias": "lora_only"},
        {"init_lora_weights": "olora"},
        {"init_lora_weights": "pissa"},
    ],
    ids=lambda one: "=".join(*one.items()),
)
def test_an_adapter_that_changes_the_model_beneath_it_is_refused(changed: dict[str, Any]) -> None:
    config = LoraConfig(r=2, target_modules=LAYERS, **changed)
    with pytest.raises(UserError, match=f"^somebody {SAID}"):
        adapted_over_bare(
            AutoModelForCausalLM.from_config(OPT), lambda lm: add_adapter(lm, config), "somebody"
        )


@pytest.mark.parametrize("changed", [{}, {"use_dora": True}, {"modules_to_save": ["lm_head"]}])
def test_one_that_can_be_put_aside_is_taken(changed: dict[str, Any]) -> None:
    config = LoraConfig(r=2, target_modules=LAYERS, **changed)
    lm = AutoModelForCausalLM.from_config(OPT)
    adapted_over_bare(lm, lambda lm: add_adapter(lm, config), "somebody")


@pytest.fixture
def olora(toy_folder: Path, tmp_path: Path) -> str:
    """Write an adapter of the toy model that has a part of its weights."""
    config = LoraConfig(r=2, target_modules=LAYERS, init_lora_weights="olora")
    lm = add_adapter(AutoModelForCausalLM.from_pretrained(toy_folder), config)
    lm.save_pretrained(str(tmp_path / "adapter"))
    return str(tmp_path / "adapter")


@pytest.mark.parametrize(
    ("kind", "asked", "asker"),
    [
        (BIGRec, {}, "comparing titles"),
        (ILoRA, {"guidance": "prompt", "rank": 2, "experts": 2}, "guidance=prompt"),
        (ILoRA, {"guidance": "tokens", "rank": 2, "experts": 2}, "guidance=tokens"),
    ],
    ids=["BIGRec", "prompt", "tokens"],
)
@small_encoders()
def test_it_is_refused_before_training(
    kind: type[TunedLanguageModel],
    asked: dict[str, Any],
    asker: str,
    olora: str,
    toy_folder: Path,
    runtime: Runtime,
) -> None:
    model = kind(kind.settings_class.build({"llm": str(toy_folder), "adapter": olora, **asked}))
    with pytest.raises(UserError, match=f"^{asker} {SAID}"):
        model.rehearse(toy_training_data(), 8, runtime)


def test_what_asks_nothing_without_its_adapter_takes_it(
    olora: str, toy_folder: Path, runtime: Runtime
) -> None:
    told = {"llm": str(toy_folder), "adapter": olora}
    TALLRec(TALLRec.settings_class.build(told)).rehearse(toy_training_data(), 8, runtime)
