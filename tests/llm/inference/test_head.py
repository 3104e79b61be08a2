"""The output head in float32, whatever the rest computes in."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftConfig, PeftModel, get_peft_model
from torch import nn

from recbench.llm.inference import head as room
from recbench.llm.inference.generation import LineEnds, anew, behind, greedy
from recbench.llm.inference.head import head_on
from recbench.llm.inference.hybrid import HybridLM
from recbench.llm.inference.prefix import read
from recbench.llm.inference.scoring import log_likelihoods, pack
from recbench.llm.prompts.writer import Prompt, PromptWriter
from recbench.llm.weights.backbone import load_backbone
from recbench.neural.precision import FLOAT32, Precision, computing

HALF = Precision("bfloat16", torch.bfloat16, torch.bfloat16)
CPU = torch.device("cpu")


@pytest.mark.parametrize("weights", [torch.bfloat16, torch.float32])
def test_logits_are_those_of_a_float32_head(
    any_lm: PeftModel, weights: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its weights are cast a few at a time, which no logit depends on."""
    monkeypatch.setattr(room, "_CAST_AT_ONCE", 1000)
    lm, ids = any_lm.to(weights), torch.arange(12).view(2, 6)
    reads, seen = ids % 5 == 0, []
    head = lm.get_output_embeddings()
    head.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.no_grad(), computing(HALF, CPU), head_on(lm, reads):
        logits = lm(input_ids=ids).logits
    exact = nn.functional.linear(seen[0][reads].float(), head.weight.float())
    assert logits.dtype == torch.float32
    torch.testing.assert_close(logits, exact)
    with torch.no_grad(), computing(HALF, CPU):
        assert lm(input_ids=ids).logits.dtype == torch.bfloat16  # nothing of it is left


HEADS: dict[str, dict[str, Any]] = {
    "adapted": {"target_modules": ["q_proj", "lm_head"]},
    "trained whole": {"target_modules": ["q_proj"], "modules_to_save": ["lm_head"]},
}
OTHER_HEADS: dict[str, dict[str, Any]] = {
    "scaled": {"peft_type": "LORA", "target_modules": ["lm_head"], "use_dora": True},
    "words": {"peft_type": "LORA", "target_modules": ["q_proj"], "trainable_token_indices": [3]},
    "weights": {"peft_type": "LORA", "target_parameters": ["lm_head.weight"], "target_modules": []},
    "a kind of its own": {"peft_type": "VBLORA", "target_modules": ["lm_head"], "vector_length": 8},
}
"""Adapters that are not added to the head's own product."""


@pytest.mark.filterwarnings("ignore")  # of weights that head and embeddings share
@pytest.mark.parametrize("kind", HEADS)
def test_so_they_are_where_an_adapter_stands_on_the_head(toy_folder: Path, kind: str) -> None:
    lm, _ = load_backbone(str(toy_folder), "cpu", torch.bfloat16)
    lm = get_peft_model(lm, LoraConfig(r=2, task_type="CAUSAL_LM", **HEADS[kind])).eval()
    for name, weight in lm.named_parameters():
        if "lora_B" in name:
            torch.nn.init.constant_(weight, 0.01)
    ids = torch.arange(12).view(2, 6)
    reads = ids % 5 == 0
    with torch.no_grad(), computing(HALF, CPU):
        rounded = lm(input_ids=ids).logits[reads]
        with head_on(lm, reads):
            logits = lm(input_ids=ids).logits
        assert torch.equal(lm(input_ids=ids).logits[reads], rounded)  # nothing of it is left
    assert logits.dtype == torch.float32
    assert not torch.equal(logits, logits.bfloat16().float())
    torch.testing.assert_close(logits, rounded.float(), rtol=0.02, atol=0.02)


@pytest.mark.honesty
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("weights", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize("kind", OTHER_HEADS)
def test_any_other_adapter_has_its_part_in_the_logits(
    toy_folder: Path, kind: str, weights: torch.dtype
) -> None:
    lm, _ = load_backbone(str(toy_folder), "cpu", weights)
    config = PeftConfig.from_peft_type(r=2, task_type="CAUSAL_LM", **OTHER_HEADS[kind])
    lm = get_peft_model(lm, config).eval()
    with torch.no_grad():
        for name, weight in lm.named_parameters():
            if "lora_B" in name or "vblora_" in name:
                weight.normal_(generator=torch.Generator().manual_seed(1))
    ids = torch.arange(12).view(2, 6)
    reads = ids % 5 == 0
    with torch.no_grad(), computing(HALF if weights == torch.bfloat16 else FLOAT32, CPU):
        expected = lm(input_ids=ids).logits[reads].float()
        with head_on(lm, reads):
            torch.testing.assert_close(
                lm(input_ids=ids).logits.float(), expected, rtol=1e-2, atol=1e-2
            )
        with lm.disable_adapter():
            assert (lm(input_ids=ids).logits[reads].float() - expected).abs().max() > 0.1


def test_training_and_float32_are_as_they_were(any_lm: PeftModel) -> None:
    ids = torch.arange(12).view(2, 6)
    plain = any_lm(input_ids=ids).logits
    everywhere = torch.ones_like(ids, dtype=torch.bool)
    with head_on(any_lm, everywhere):
        assert torch.equal(any_lm(input_ids=ids).logits, plain.flatten(0, 1))
        with torch.no_grad():
            assert torch.equal(any_lm(input_ids=ids).logits, plain.flatten(0, 1))
        with computing(HALF, CPU):
            assert any_lm(input_ids=ids).logits.dtype == torch.bfloat16


def test_a_forward_that_others_have_put_there_is_put_back(any_lm: PeftModel) -> None:
    """As accelerate does for quantised models."""
    head, everywhere = any_lm.get_output_embeddings(), torch.ones(2, 6, dtype=torch.bool)
    with head_on(any_lm, everywhere):
        pass
    assert "forward" not in vars(head)
    head.forward = others = head.forward
    with head_on(any_lm, everywhere):
        assert head.forward is not others
    assert head.forward is others


def test_neither_scores_nor_answers_pass_through_bfloat16_logits(
    toy_lora: tuple[PeftModel, PromptWriter], make_hybrid: Callable[..., HybridLM]
) -> None:
    lm, writer = toy_lora
    model, dtypes = HybridLM(lm.to(torch.bfloat16), writer.item_token).eval(), set()
    prompts = [Prompt([3, 4, 5, 6], []), Prompt([7, 8, 9], [])]
    lm.get_output_embeddings().register_forward_hook(lambda *given: dtypes.add(given[2].dtype))
    with torch.no_grad(), computing(HALF, CPU):
        log_likelihoods(model, pack(prompts, [[[10, 11], [12]], [[13], [14, 15]]], CPU))
        assert dtypes == {torch.float32}
        for advance in (anew(model, prompts), behind(model, read(model, prompts))):
            greedy(advance, [3, 3], LineEnds(torch.zeros(264, dtype=torch.bool)))
    assert dtypes == {torch.float32}
