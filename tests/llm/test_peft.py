"""Any configuration of peft in the place of LoRA: tuned, saved, loaded, and part of the row."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from peft import IA3Config, LoHaConfig, LoraConfig, PeftConfig
from recbench_baselines.ilora import ILoRA, ILoRASettings
from recbench_baselines.tallrec import TALLRec, TALLRecSettings

from recbench.errors import RecbenchError, UserError
from recbench.recommender import Runtime
from recbench.testing.contract import toy_queries
from recbench.testing.toy import toy_split, toy_training_data
from recbench.testing.toy_lm import toy_llm

ATTENTION = ["q_proj", "v_proj"]


@pytest.fixture
def runtime(tmp_path: Path) -> Runtime:
    for name in ("run", "cache"):
        (tmp_path / name).mkdir()
    return Runtime(0, "cpu", tmp_path / "run", tmp_path / "cache")


def values(folder: Path, config: PeftConfig | None) -> dict[str, Any]:
    found = {"llm": str(toy_llm(folder / "llm")), "examples": 32, "batch_size": 16, "curve_rows": 0}
    if config is not None:
        config.save_pretrained(str(folder / "peft"))
        found["peft"] = str(folder / "peft/adapter_config.json")
    return found


@pytest.mark.parametrize(
    "config",
    [
        LoraConfig(r=4, use_dora=True, target_modules=ATTENTION),
        IA3Config(target_modules=["v_proj", "down_proj"], feedforward_modules=["down_proj"]),
        LoHaConfig(r=2, target_modules=ATTENTION),
    ],
    ids=["DoRA", "IA3", "LoHa"],
)
def test_any_adapter_is_tuned_and_comes_back(
    tmp_path: Path, runtime: Runtime, config: PeftConfig
) -> None:
    data, queries = toy_training_data(), toy_queries(toy_split())
    settings = TALLRecSettings.build({**values(tmp_path, config), "learning_rate": 1e-2})
    model = TALLRec(settings)
    model.fit(data, runtime)
    assert model.ingredients()["peft"]["peft_type"] == config.peft_type.value
    scores = model.score(queries, runtime)
    (tmp_path / "saved").mkdir()
    model.save(tmp_path / "saved")
    again = TALLRec(settings)
    again.load(tmp_path / "saved", data, runtime)
    np.testing.assert_allclose(again.score(queries, runtime), scores, atol=1e-4)


def test_a_gate_is_on_plain_lora_alone(tmp_path: Path, runtime: Runtime) -> None:
    config = LoraConfig(r=8, use_dora=True, target_modules=ATTENTION)
    model = ILoRA(ILoRASettings.build({**values(tmp_path, config), "encoder": "caser"}))
    with pytest.raises(RecbenchError, match="no plain LoRA but a variant"):
        model.fit(toy_training_data(), runtime)


@pytest.mark.parametrize(
    "page", [None, "{", "[]", "{}", json.dumps({"peft_type": "NONE"}), json.dumps({"r": 4})]
)
def test_what_is_no_configuration_is_refused(tmp_path: Path, page: str | None) -> None:
    file = tmp_path / "adapter_config.json"
    if page is not None:
        file.write_text(page, encoding="utf-8")
    model = TALLRec(TALLRecSettings.build({"peft": str(file)}))
    with pytest.raises(UserError, match="is no configuration of peft"):
        model.ingredients()


def test_layers_that_are_not_there_are_refused(tmp_path: Path, runtime: Runtime) -> None:
    config = LoraConfig(r=4, target_modules=["nowhere"])
    model = TALLRec(TALLRecSettings.build(values(tmp_path, config)))
    with pytest.raises(UserError, match="peft cannot give this language model LORA"):
        model.fit(toy_training_data(), runtime)
