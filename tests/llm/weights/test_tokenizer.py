"""The tokenizer of a model, of Mistral's above all: it may cut a text elsewhere than learnt."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Regex, Tokenizer, models, pre_tokenizers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from recbench.llm.weights import tokenizer as module
from recbench.llm.weights.backbone import described, files_of
from recbench.llm.weights.fingerprint import fingerprint
from recbench.llm.weights.particulars import particulars
from recbench.llm.weights.places import place_of
from recbench.llm.weights.tokenizer import is_mended, read_tokenizer

MANY = 100_001
THREES = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s+"
"""Cuts a year into two numbers; Mistral's models have learnt to read it as four."""

Folder = Callable[..., Path]


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer of many tokens, in threes."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = ["<s>", "</s>", "[INST]", *alphabet, "19", "199", "0", "95"]
    words = list(dict.fromkeys(words))
    words += [f"<{number}>" for number in range(MANY - len(words))]
    vocabulary = {word: number for number, word in enumerate(words)}
    made = Tokenizer(models.BPE(vocabulary, [("1", "9"), ("19", "9")]))
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(THREES), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    folder = tmp_path_factory.mktemp("large")
    PreTrainedTokenizerFast(
        tokenizer_object=made,
        bos_token="<s>",
        eos_token="</s>",
        additional_special_tokens=["[INST]"],
    ).save_pretrained(folder)
    return folder


@pytest.fixture
def folder(large: Path, toy_folder: Path, tmp_path: Path) -> Folder:
    """Return a function that makes a model of that tokenizer, with changes to its configuration."""

    def make(**changes: Any) -> Path:
        place = tmp_path / "llm"
        shutil.copytree(large, place)
        config = json.loads((toy_folder / "config.json").read_text())
        mistral = {"model_type": "mistral", "architectures": ["MistralForCausalLM"]}
        older = {"transformers_version": "4.50.0", "vocab_size": MANY, "eos_token_id": 1}
        config = config | mistral | older | changes
        (place / "config.json").write_text(json.dumps(config))
        return place

    return make


def read(folder: Path) -> Any:
    return read_tokenizer(files_of(str(folder), place_of(str(folder)), pytest.fail))


def pieces(tokenizer: Any) -> list[str]:
    return tokenizer.tokenize("(1995)")


def test_a_year_is_cut_as_mistrals_models_have_learnt_it(folder: Folder) -> None:
    place = folder()
    assert pieces(AutoTokenizer.from_pretrained(place)) == ["(", "199", "5", ")"]
    tokenizer = read(place)
    assert pieces(tokenizer) == ["(", "1", "9", "9", "5", ")"]
    assert is_mended(tokenizer)
    assert tokenizer.add_tokens(["<|item|>"]) == 1
    assert particulars(str(place), fingerprint(str(place))) == {"tokenizer": "mended"}
    _, same = described(str(place), files_of(str(place), place_of(str(place)), pytest.fail))
    assert pieces(same) == pieces(tokenizer)


@pytest.mark.parametrize(
    "changes",
    [
        {"model_type": "llama", "architectures": ["LlamaForCausalLM"]},
        {"transformers_version": "5.1.0"},
    ],
    ids=["another model's", "of a file that is mended"],
)
def test_what_needs_no_mending_is_read_as_it_is(folder: Folder, changes: dict[str, str]) -> None:
    tokenizer = read(folder(**changes))
    assert pieces(tokenizer) == ["(", "199", "5", ")"]
    assert not is_mended(tokenizer)


def test_another_tokenizer_in_a_model_of_mistrals_kind_is_read_as_it_is(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_OF_MISTRAL", "[ANOTHER]")
    tokenizer = read(folder())
    assert pieces(tokenizer) == ["(", "199", "5", ")"]
    assert not is_mended(tokenizer)


def test_mistral_common_is_not_asked(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without that package transformers does not look at the keyword, so the keyword is."""
    given: list[Any] = []

    class Auto:
        @staticmethod
        def from_pretrained(*args: Any, **kwargs: Any) -> Any:
            given.append(kwargs.get("mistral_format"))
            return AutoTokenizer.from_pretrained(*args, **kwargs)

    monkeypatch.setattr(module, "AutoTokenizer", Auto)
    assert isinstance(read(folder()), PreTrainedTokenizerFast)
    assert given == [False, False]  # as it is, and mended
