from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import PrefixTuningConfig
from recbench_baselines.prefixrec import PrefixRec, PrefixRecSettings
from recbench_baselines.tallrec import TALLRec, TALLRecSettings
from transformers import GPT2Config, GPT2LMHeadModel

from recbench.errors import UserError
from recbench.llm.prompts.writer import PromptWriter
from recbench.recommender import Runtime
from recbench.testing.contract import AnswererContract, TransferableContract, toy_queries
from recbench.testing.toy import toy_split, toy_training_data
from recbench.testing.toy_lm import toy_llm, toy_tokenizer


@pytest.fixture(scope="module", autouse=True)
def _toy_language_model(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = toy_llm(tmp_path_factory.mktemp("llm"))
    values = {"llm": str(folder), "examples": 32, "batch_size": 16, "prefix_tokens": 4}
    values |= {"candidates": 8, "curve_rows": 0}
    TestPrefixRec.settings = {**values, "curve_rows": 0}


class TestPrefixRec(AnswererContract, TransferableContract):
    model_class = PrefixRec

    def test_nothing_but_the_prefix_is_trained(self, fitted: PrefixRec) -> None:
        trained = {n: p.numel() for n, p in fitted.module.named_parameters() if p.requires_grad}
        # Keys and values of four tokens in two layers of width 32.
        assert list(trained.values()) == [4 * 2 * 2 * 32]

    def test_the_prefix_is_read(self, fitted: PrefixRec, workplace) -> None:
        queries, runtime = toy_queries(toy_split()), self.runtime(workplace, "fitted")
        before = fitted.score(queries, runtime)
        (prefix,) = (p for p in fitted.module.parameters() if p.requires_grad)
        kept = prefix.data.clone()
        prefix.data.mul_(-3)
        after = fitted.score(queries, runtime)
        prefix.data.copy_(kept)
        assert np.abs(after - before).max() > 0.1


@pytest.fixture
def with_positions(tmp_path: Path) -> Path:
    """A model of learned positions: as many as prompts with their answers and 3 tokens need."""
    data = toy_training_data()
    writer = PromptWriter(data, toy_tokenizer())
    longest = writer.longest(data.train.histories.shape[1], 8, hybrid=False)
    config = GPT2Config(vocab_size=264, n_embd=32, n_layer=1, n_head=2, n_positions=longest + 3)
    with torch.random.fork_rng():
        GPT2LMHeadModel(config).save_pretrained(tmp_path / "llm")
    toy_tokenizer().save_pretrained(tmp_path / "llm")
    return tmp_path / "llm"


@pytest.mark.parametrize("by_file", [False, True])
def test_a_prefix_counts_against_the_context(
    with_positions: Path, tmp_path: Path, by_file: bool
) -> None:
    values = {"llm": str(with_positions), "candidates": 8}

    def made(tokens: int) -> PrefixRec | TALLRec:
        if not by_file:
            return PrefixRec(PrefixRecSettings.build({**values, "prefix_tokens": tokens}))
        PrefixTuningConfig(num_virtual_tokens=tokens).save_pretrained(str(tmp_path / "peft"))
        file = str(tmp_path / "peft/adapter_config.json")
        return TALLRec(TALLRecSettings.build({**values, "peft": file}))

    def rehearse(tokens: int) -> Any:
        return made(tokens).rehearse(toy_training_data(), 8, Runtime(0, "cpu", tmp_path, tmp_path))

    rehearse(3)
    with pytest.raises(UserError, match="4 of them for a prefix"):
        rehearse(4)


def test_a_prefix_cannot_be_checkpointed() -> None:
    with pytest.raises(UserError, match="gradient_checkpointing"):
        PrefixRecSettings.build({"gradient_checkpointing": "true"})
