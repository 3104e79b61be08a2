"""What a model says of itself besides, and what of it is an ingredient."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from recbench_baselines.tallrec import TALLRec, TALLRecSettings
from transformers import GenerationConfig, LlamaConfig

from recbench.llm.weights import particulars as module
from recbench.llm.weights.fingerprint import fingerprint
from recbench.llm.weights.particulars import closing_tokens, particulars
from recbench.llm.weights.places import OnHub
from recbench.recommender import Runtime, TrainingData
from recbench.testing.toy_lm import toy_tokenizer


@pytest.fixture
def ending(toy_folder: Path, tmp_path: Path) -> Path:
    """A model that ends with more than its tokenizer says."""
    shutil.copytree(toy_folder, tmp_path / "llm")
    (tmp_path / "llm/generation_config.json").write_text(json.dumps({"eos_token_id": [2, 1]}))
    return tmp_path / "llm"


@pytest.mark.parametrize(
    ("config", "generation", "found"),
    [
        *((2, 2, set()), (None, None, set()), (2, None, set()), ([2], [2], set())),
        *((2, [2, 1], {1}), ([2, 0], None, {0}), (0, [1], {0, 1}), (None, 1, {1})),
        *(([2, 65], 66, set()), (-1, [300], set())),  # words, and no tokens at all
    ],
)
def test_control_tokens_that_either_names_end_an_answer(
    config: Any, generation: Any, found: set[int]
) -> None:
    named = LlamaConfig(vocab_size=264, eos_token_id=config)
    assert (
        closing_tokens(named, GenerationConfig(eos_token_id=generation), toy_tokenizer()) == found
    )
    if generation is None:
        assert closing_tokens(named, None, toy_tokenizer()) == found


def test_what_the_model_has_no_number_for_ends_nothing() -> None:
    config = LlamaConfig(vocab_size=1, eos_token_id=[0, 1])
    assert closing_tokens(config, None, toy_tokenizer()) == {0}


def test_it_is_an_ingredient_of_these_models_alone(toy_folder: Path, ending: Path) -> None:
    def ingredients(folder: Path) -> dict[str, Any]:
        return TALLRec(TALLRecSettings.build({"llm": str(folder)})).ingredients()

    assert set(ingredients(toy_folder)) == {"code", "llm", "prompts"}
    assert ingredients(ending)["ends"] == [1]
    assert particulars("tiny", fingerprint("tiny")) == {}


@pytest.mark.parametrize(
    ("family", "own"),
    [
        ("rwkv", {"rescale_every": 0}),
        ("mamba", {"lora": "without x_proj"}),
        ("falcon_mamba", {"lora": "without x_proj"}),
        ("jetmoe", {"lora": "without routers"}),
        ("zaya", {"lora": "without routers"}),
        ("afmoe", {"lora": "without routers"}),
        ("jamba", {}),
        ("mamba2", {}),
    ],
)
def test_what_is_computed_otherwise_than_at_first_is_one_of_these_families(
    toy_folder: Path, tmp_path: Path, family: str, own: dict[str, Any]
) -> None:
    folder = tmp_path / family
    shutil.copytree(toy_folder, folder)
    page = {"model_type": family, "architectures": ["AnyForCausalLM"], "eos_token_id": 2}
    (folder / "config.json").write_text(json.dumps(page))
    assert particulars(str(folder), family) == own


def test_without_a_file_on_how_it_writes_its_configuration_says_it(ending: Path) -> None:
    (ending / "generation_config.json").unlink()
    config = json.loads((ending / "config.json").read_text())
    assert particulars(str(ending), "one") == {}
    (ending / "config.json").write_text(json.dumps(config | {"eos_token_id": [2, 0]}))
    assert particulars(str(ending), "another") == {"ends": [0]}


def test_of_the_hub_the_weights_are_not_read(ending: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "place_of", lambda _: OnHub(str(ending), "main"))
    monkeypatch.setattr(module, "commit", lambda place: place.revision)
    monkeypatch.setattr(module, "files_of", pytest.fail)
    assert particulars("some/model", "a digest") == {"ends": [1]}


def test_answers_end_with_what_is_an_ingredient(
    toy_folder: Path, ending: Path, data: TrainingData, runtime: Runtime
) -> None:
    def ends(folder: Path) -> list[bool]:
        values = {"llm": str(folder), "examples": 8, "batch_size": 8, "curve_rows": 0}
        model = TALLRec(TALLRecSettings.build(values))
        model.rehearse(data, 4, runtime)
        model.module = model._module(
            model._load_lm(data, runtime), model._adapted, model._stand_in(data), runtime
        )
        return model._reader().ends.tokens[:3].tolist()

    assert ends(toy_folder) == [False, False, True]
    assert ends(ending) == [False, True, True]
