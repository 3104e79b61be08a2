"""A configuration of peft in the place of LoRA: tuned, saved, loaded, and part of the row."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from killed_at_work import small_encoders
from peft import (
    BOFTConfig,
    FourierFTConfig,
    HRAConfig,
    IA3Config,
    LNTuningConfig,
    LoHaConfig,
    LoKrConfig,
    LoraConfig,
    OFTConfig,
    PeftConfig,
    PeftType,
    PrefixTuningConfig,
    VeraConfig,
)
from recbench_baselines.ilora import ILoRA, ILoRASettings
from recbench_baselines.llara import LLaRA
from recbench_baselines.tallrec import TALLRec, TALLRecSettings

from recbench.errors import RecbenchError, UserError
from recbench.llm.recommender import LanguageModelRecommender
from recbench.llm.settings import HybridSettings, LanguageModelSettings
from recbench.llm.tuning.adapter import (
    KINDS,
    LEARNT,
    NOT_LEARNT,
    PREFIX,
    PREFIXES,
    add_adapter,
    add_lora,
    config_page,
    read_config,
    write_lora,
)
from recbench.llm.weights.backbone import load_backbone
from recbench.recommender import Runtime
from recbench.testing.contract import toy_queries
from recbench.testing.toy import toy_split, toy_training_data
from recbench.testing.toy_lm import toy_llm

ATTENTION = ["q_proj", "v_proj"]
PAGE = Path(__file__).resolve().parents[2] / "docs/models.md"
IN_WORDS = {9: "Nine", 10: "Ten", 11: "Eleven"}


@pytest.mark.honesty
@pytest.mark.parametrize("damaged", [False, True], ids=["its adapter", "itself"])
def test_an_adapter_without_numbers_where_it_starts_is_refused_before_the_training(
    tmp_path: Path, damaged: bool
) -> None:
    """DoRA divides by the length of rows, of which a language model may have zeros, as tiny has."""
    runtime = Runtime(seed=0, device="cpu", checkpoints=tmp_path, cache=tmp_path)
    config = LoraConfig(r=2, target_modules=ATTENTION, use_dora=True)
    given = values(tmp_path, config)
    lm, _ = load_backbone(given["llm"], "cpu", torch.float32, None, print)
    weight = lm.get_parameter("model.layers.0.self_attn.v_proj.weight")
    weight.data[3] = torch.nan if damaged else 0.0
    lm.save_pretrained(given["llm"])
    said = "weights are damaged" if damaged else "with this adapter before .*; name other target_"
    with pytest.raises(UserError, match=said):
        TALLRec(TALLRecSettings.build(given)).rehearse(toy_training_data(), 8, runtime)
    whole = {**given, "peft": None}
    if not damaged:
        TALLRec(TALLRecSettings.build(whole)).rehearse(toy_training_data(), 8, runtime)


def values(folder: Path, config: PeftConfig | None) -> dict[str, Any]:
    found = {"llm": str(toy_llm(folder / "llm")), "examples": 32, "batch_size": 16, "curve_rows": 0}
    if config is not None:
        config.save_pretrained(str(folder / "peft"))
        found["peft"] = str(folder / "peft/adapter_config.json")
    return found


def written(folder: Path, **page: Any) -> str:
    file = folder / "written.json"
    file.write_text(json.dumps(page), encoding="utf-8")
    return str(file)


OF_ALL_KINDS: dict[str, PeftConfig] = {
    "LORA": LoraConfig(r=4, use_dora=True, target_modules=ATTENTION),
    "IA3": IA3Config(target_modules=["v_proj", "down_proj"], feedforward_modules=["down_proj"]),
    "LOHA": LoHaConfig(r=2, target_modules=ATTENTION),
    "LOKR": LoKrConfig(r=2, target_modules=ATTENTION),
    "VERA": VeraConfig(r=4, target_modules=ATTENTION),
    "OFT": OFTConfig(oft_block_size=4, target_modules=ATTENTION),
    "BOFT": BOFTConfig(boft_block_size=4, target_modules=ATTENTION),
    "HRA": HRAConfig(r=2, target_modules=ATTENTION),
    "FOURIERFT": FourierFTConfig(n_frequency=8, target_modules=ATTENTION),
    "LN_TUNING": LNTuningConfig(target_modules=["input_layernorm"]),
    "PREFIX_TUNING": PrefixTuningConfig(num_virtual_tokens=3),
    "PREFIX_TUNING, projected": PrefixTuningConfig(
        num_virtual_tokens=3, prefix_projection=True, encoder_hidden_size=8
    ),
}
ON_ATTENTION: dict[str, dict[str, Any]] = {
    "ADAMSS": {},
    "BEFT": {},
    "C3A": {"block_size": 4},
    "DEFT": {},
    "DELORA": {"r": 4},
    "GLORA": {"r": 4},
    "GRALORA": {"r": 4, "gralora_k": 2},
    "HIRA": {"r": 4},
    "LILY": {"r": 4},
    "MISS": {"r": 4},
    "OSF": {},
    "PEANUT": {},
    "PSOFT": {"r": 4},
    "PVERA": {"r": 4},
    "RANDLORA": {"r": 4},
    "ROAD": {"group_size": 4},
    "SUPERTUNING": {},
    "TINYLORA": {},
    "UNILORA": {},
    "VBLORA": {"vector_length": 4, "num_vectors": 8, "topk": 2},
    "WAVEFT": {"n_frequency": 8},
}
OTHERS: dict[str, dict[str, Any]] = {
    "ADAPTION_PROMPT": {"adapter_len": 3, "adapter_layers": 1, "target_modules": "self_attn"},
    "CARTRIDGE": {"num_virtual_tokens": 3},
    "TRAINABLE_TOKENS": {"token_indices": [1, 2]},
}
OF_ALL_KINDS |= {
    kind: PeftConfig.from_peft_type(peft_type=kind, **own)
    for kind, own in (
        *((kind, {"target_modules": ATTENTION} | own) for kind, own in ON_ATTENTION.items()),
        *OTHERS.items(),
    )
}


def test_every_kind_that_can_be_learnt_is_tried() -> None:
    assert {kind.partition(",")[0] for kind in OF_ALL_KINDS} == set(LEARNT)


def test_of_every_kind_of_peft_it_is_said_whether_it_is_learnt_or_why_not() -> None:
    assert {*LEARNT, *NOT_LEARNT} == set(PeftType.__members__)
    assert not set(LEARNT) & set(NOT_LEARNT)
    page = " ".join(PAGE.read_text(encoding="utf-8").split())
    assert f"Of the {len(PeftType.__members__)} kinds of peft" in page
    assert f" {len(LEARNT)} are learnt: " in page
    assert f"{IN_WORDS[len(NOT_LEARNT)]} are refused: prompt tuning, " in page


ALIKE = set(ON_ATTENTION) - {"RANDLORA"}  # whose layers share tensors
"""Kinds that stand in the layers of attention, as others that are always tried do."""


@pytest.mark.parametrize(
    "kind",
    [pytest.param(one, marks=pytest.mark.slow if one in ALIKE else ()) for one in OF_ALL_KINDS],
)
def test_an_adapter_of_any_such_kind_is_tuned_and_comes_back(
    tmp_path: Path, runtime: Runtime, kind: str
) -> None:
    config = OF_ALL_KINDS[kind]
    settings = TALLRecSettings.build({**values(tmp_path, config), "learning_rate": 1e-2})
    model = comes_back(TALLRec, settings, tmp_path / "saved", runtime)
    assert model.ingredients()["peft"]["peft_type"] == config.peft_type.value


def comes_back(
    kind: type[LanguageModelRecommender],
    settings: LanguageModelSettings,
    folder: Path,
    runtime: Runtime,
) -> LanguageModelRecommender:
    """Tune a model, save it and load it: it answers the same, by its adapter."""
    data, queries, model = toy_training_data(), toy_queries(toy_split()), kind(settings)
    model.fit(data, runtime)
    scores = model.score(queries, runtime)
    folder.mkdir()
    model.save(folder)
    np.testing.assert_array_equal(model.score(queries, runtime), scores)  # it is still asked
    with model.module.lm.disable_adapter():
        assert not np.array_equal(model.score(queries, runtime), scores)
    again = kind(settings)
    again.load(folder, data, runtime)
    np.testing.assert_allclose(again.score(queries, runtime), scores, atol=1e-4)
    return model


WORDS = {
    "LORA": LoraConfig(r=4, target_modules=["q_proj", "embed_tokens"]),
    "LORA, words anew": LoraConfig(
        r=4, target_modules=["q_proj"], modules_to_save=["embed_tokens"]
    ),
    "LORA, some words anew": LoraConfig(
        r=4, target_modules=["q_proj"], trainable_token_indices=[1, 2]
    ),
    "TRAINABLE_TOKENS": OF_ALL_KINDS["TRAINABLE_TOKENS"],
    "IA3": OF_ALL_KINDS["IA3"],
    "PREFIX_TUNING": OF_ALL_KINDS["PREFIX_TUNING"],
}
"""On the embeddings that item vectors stand between, as a rule."""


@pytest.mark.parametrize("kind", WORDS)
@small_encoders()
def test_items_are_read_beside_an_adapter_of_any_such_kind(
    tmp_path: Path, runtime: Runtime, kind: str
) -> None:
    told = values(tmp_path, WORDS[kind])
    settings = HybridSettings.build({**told, "learning_rate": 1e-2})
    model = comes_back(LLaRA, settings, tmp_path / "saved", runtime)
    assert model.module.projector is not None
    if kind in KINDS:  # it can be read, and tuned further
        told["adapter"] = str(tmp_path / "saved/adapter")
        further = LLaRA(HybridSettings.build({**told, "peft": None}))
        further.rehearse(toy_training_data(), 8, runtime)


def test_a_gate_is_on_plain_lora_alone(tmp_path: Path, runtime: Runtime) -> None:
    config = LoraConfig(r=8, use_dora=True, target_modules=ATTENTION)
    model = ILoRA(ILoRASettings.build({**values(tmp_path, config), "encoder": "caser"}))
    with pytest.raises(RecbenchError, match="no plain LoRA but a variant"):
        model.fit(toy_training_data(), runtime)


def test_a_gate_on_a_parameter_that_is_no_layer_is_refused(
    tmp_path: Path, runtime: Runtime
) -> None:
    """LoRA is added to it whole, so that no row would be weighed."""
    config = LoraConfig(r=8, target_modules=["q_proj"], target_parameters=["down_proj.weight"])
    model = ILoRA(ILoRASettings.build({**values(tmp_path, config), "encoder": "caser"}))
    with pytest.raises(
        UserError, match=r"cannot be gated: .*\(target_parameters\).*leave that out"
    ):
        model.rehearse(toy_training_data(), 8, runtime)


@pytest.mark.parametrize("page", [None, "{", "[]", "{}", json.dumps({"r": 4})])
def test_what_is_no_configuration_is_refused(tmp_path: Path, page: str | None) -> None:
    file = tmp_path / "adapter_config.json"
    if page is not None:
        file.write_text(page, encoding="utf-8")
    model = TALLRec(TALLRecSettings.build({"peft": str(file)}))
    with pytest.raises(UserError, match="is no configuration of peft"):
        model.ingredients()


@pytest.mark.parametrize("kind", [*NOT_LEARNT, "NONE", 3])
def test_a_kind_that_cannot_be_learnt_is_refused(tmp_path: Path, kind: Any) -> None:
    file = written(tmp_path, peft_type=kind, num_virtual_tokens=3)
    why = NOT_LEARNT.get(kind, "it was not tried")
    with pytest.raises(UserError, match=rf"of the kind {kind}, .*: {why}; name one of LORA, .*, C"):
        read_config(file)


def test_a_kind_of_a_later_peft_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recbench.llm.tuning.adapter.LEARNT", (*LEARNT, "NEWEST"))
    with pytest.raises(UserError, match=r"of the kind NEWEST, .*: peft \S+, which is installed"):
        read_config(written(tmp_path, peft_type="NEWEST"))


def test_parts_that_are_dropped_at_a_step_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has use_asa, by which ADAMSS drops parts in a call"):
        read_config(written(tmp_path, peft_type="ADAMSS", use_asa=True))


@pytest.mark.parametrize("begin", ["pissa", "pissa_niter_4", "olora", "corda", "loftq", "lora_ga"])
def test_what_changes_weights_that_are_not_saved_is_refused(tmp_path: Path, begin: str) -> None:
    file = written(tmp_path, peft_type="LORA", init_lora_weights=begin)
    with pytest.raises(UserError, match=f"has init_lora_weights={begin}, .*; leave it out"):
        read_config(file)


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ({"lora_alpa": 64}, "an unknown entry 'lora_alpa'; did you mean 'lora_alpha'"),
        ({"init_lora_weights": "eva"}, "in a call that training here does not make; leave it out"),
        ({"lora_alpha": 0}, "has lora_alpha=0, by which the adapter changes nothing"),
    ],
)
def test_what_would_be_other_than_it_says_is_refused(
    tmp_path: Path, page: dict[str, Any], said: str
) -> None:
    with pytest.raises(UserError, match=said):
        read_config(written(tmp_path, peft_type="LORA", **page))


@pytest.mark.parametrize(
    "page", [{"target_modules": ".*(q_proj"}, {"trainable_token_indices": [99999]}], ids=str
)
def test_what_peft_cannot_use_is_one_line(
    tmp_path: Path, toy_folder: Path, page: dict[str, Any]
) -> None:
    page = {"target_modules": ATTENTION} | page
    config = read_config(written(tmp_path, peft_type="LORA", **page))
    lm, _ = load_backbone(str(toy_folder), "cpu")
    with pytest.raises(UserError, match="peft cannot give this language model LORA as configured"):
        add_adapter(lm, config)


@pytest.mark.parametrize("begin", [True, False, "gaussian", "orthogonal"])
def test_other_beginnings_are_taken(tmp_path: Path, begin: bool | str) -> None:
    read_config(written(tmp_path, peft_type="LORA", init_lora_weights=begin))


def test_what_acts_behind_given_tokens_alone_is_refused(tmp_path: Path) -> None:
    file = written(tmp_path, peft_type="LORA", alora_invocation_tokens=[5, 6])
    with pytest.raises(UserError, match=r"has alora_invocation_tokens, .*; leave it out"):
        read_config(file)


def test_the_configuration_of_a_saved_adapter_is_learnt_anew(
    tmp_path: Path, runtime: Runtime
) -> None:
    tuned = values(tmp_path, None)
    lm, _ = load_backbone(tuned["llm"], "cpu")
    write_lora(add_lora(lm, LanguageModelSettings()), tmp_path / "saved", tuned["llm"])
    file = str(tmp_path / "saved" / "adapter_config.json")
    assert json.loads(Path(file).read_bytes())["inference_mode"] is True
    model = TALLRec(TALLRecSettings.build({**tuned, "peft": file}))
    assert model.fit(toy_training_data(), runtime)["parameters_trained"] > 0
    trained = {n: p for n, p in model.module.named_parameters() if p.requires_grad}
    assert all("lora_" in name for name in trained)
    assert any(bool(p.any()) for name, p in trained.items() if "lora_B" in name)  # zero at first


def test_a_prefix_has_the_shape_of_the_model_that_it_is_for(
    tmp_path: Path, runtime: Runtime
) -> None:
    shape = {"num_layers": 1, "token_dim": 8, "num_attention_heads": 1}
    file = written(tmp_path, peft_type=PREFIX, num_virtual_tokens=3, **shape)
    model = TALLRec(TALLRecSettings.build({**values(tmp_path, None), "peft": file}))
    model.fit(toy_training_data(), runtime)
    trained = [p.numel() for p in model.module.parameters() if p.requires_grad]
    assert trained == [3 * 2 * 2 * 32]  # keys and values in two layers of width 32


@pytest.mark.parametrize("kind", PREFIXES)
@pytest.mark.parametrize("tokens", [0, -2, None, "4", 4.0])
def test_a_prefix_has_a_number_of_tokens(tmp_path: Path, tokens: Any, kind: str) -> None:
    file = written(tmp_path, peft_type=kind, num_virtual_tokens=tokens)
    with pytest.raises(UserError, match=rf"num_virtual_tokens={tokens!r}; .* from 1"):
        read_config(file)


def test_what_would_learn_nothing_is_refused(tmp_path: Path) -> None:
    lm, _ = load_backbone(str(toy_llm(tmp_path / "llm")), "cpu")
    config = LoraConfig(r=4, target_modules=ATTENTION, inference_mode=True)
    with pytest.raises(UserError, match="LORA as configured has nothing to learn"):
        add_adapter(lm, config)


def test_a_configuration_names_the_same_row_in_every_process(tmp_path: Path) -> None:
    names = ["q_proj", "k_proj", "v_proj", "o_proj", "up_proj", "down_proj"]
    file = written(tmp_path, peft_type="LORA", target_modules=names, exclude_modules=names[::-1])
    page = config_page(read_config(file))
    assert page["target_modules"] == page["exclude_modules"] == sorted(names)
    model = TALLRec(TALLRecSettings.build({"peft": file}))
    assert model.ingredients()["peft"] == page


def test_layers_that_are_not_there_are_refused(tmp_path: Path, runtime: Runtime) -> None:
    config = LoraConfig(r=4, target_modules=["nowhere"])
    model = TALLRec(TALLRecSettings.build(values(tmp_path, config)))
    with pytest.raises(UserError, match="peft cannot give this language model LORA"):
        model.fit(toy_training_data(), runtime)
