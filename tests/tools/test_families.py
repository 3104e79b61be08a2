"""Every family of the table against plain sequences, read without any of our short cuts."""

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from transformers import CONFIG_MAPPING, PretrainedConfig

from recbench.llm.inference.batching import rows_at_once
from recbench.llm.inference.generation import LineEnds
from recbench.llm.inference.hybrid import HybridLM
from recbench.llm.inference.reader import Batch, Reader
from recbench.llm.inference.scoring import log_likelihoods, pack
from recbench.llm.prompts.writer import Prompt
from recbench.llm.weights.backbone import _text_part
from recbench.neural.precision import Precision

PAGE = Path(__file__).resolve().parents[2] / "docs/families.md"
ITEM = 270
LISTED = [line.split("`")[1] for line in PAGE.read_text("utf-8").splitlines() if line[:3] == "| `"]
NO_END = LineEnds(torch.zeros(280, dtype=torch.bool))


@pytest.fixture(scope="module")
def tool(load) -> ModuleType:
    """Every family is probed once: two tests ask what can be done with it."""
    module = load("families")
    verdict, known = module.verdict, {}

    def once(family: Any) -> Any:
        key = type(family), family.model_type
        if key not in known:
            known[key] = verdict(family)
        return known[key]

    module.verdict = once
    return module


def plain_logits(model: HybridLM, prompt: Prompt, behind: list[int]) -> torch.Tensor:
    """Logits of one sequence, all of them, by the model itself; its gate is held."""
    words = model.lm.get_input_embeddings()
    vectors = words(torch.tensor([[0 if t == ITEM else t for t in prompt.ids]]))
    places = [place for place, token in enumerate(prompt.ids) if token == ITEM]
    assert model.projector is not None
    for place, item in zip(places, prompt.items, strict=True):
        vectors[0, place] = model.projector(torch.tensor([item]))[0]
    tail = words(torch.tensor([behind], dtype=torch.long))
    body = model.lm.get_base_model()
    logits: torch.Tensor = body(inputs_embeds=torch.cat([vectors, tail], dim=1), use_cache=False)[0]
    return logits[0].float()


def plain_likelihood(model: HybridLM, prompt: Prompt, answer: list[int]) -> torch.Tensor:
    logits = plain_logits(model, prompt, answer)[len(prompt.ids) - 1 : -1]
    return logits.log_softmax(-1)[torch.arange(len(answer)), answer].sum()


@pytest.mark.parametrize("name", LISTED)
def test_a_family_gives_the_numbers_of_plain_sequences_or_is_refused(tool, name: str) -> None:
    family = {one.model_type: one for one in tool.FAMILIES}[name]
    words, abilities = tool.verdict(family)
    row = next(line for line in PAGE.read_text("utf-8").splitlines() if f"| `{name}` |" in line)
    assert row.endswith(f"| {words} |")
    if abilities is None:
        return
    model, asked = family.build(), tool.batch()
    reader = Reader(model, abilities, NO_END)
    limits = [4, 4, 4]
    scores, written = reader.answer(Batch(asked.prompts, asked.users, asked.answers, limits))
    assert scores is not None
    for row, one in enumerate(asked.rows()):
        with model.reading(one.users):
            for column, answer in enumerate(one.answers[0]):
                expected = plain_likelihood(model, one.prompts[0], list(answer))
                torch.testing.assert_close(scores[row, column], expected, atol=2e-3, rtol=1e-3)
            behind: list[int] = []
            for token in written[row]:
                last = plain_logits(model, one.prompts[0], behind)[-1]
                assert last[token] >= last.max() - 1e-3  # the likeliest, up to rounding
                behind.append(token)
                if token == ITEM:
                    break


@pytest.mark.parametrize("name", LISTED)
def test_a_batch_teaches_what_its_rows_teach(tool, name: str) -> None:
    family = {one.model_type: one for one in tool.FAMILIES}[name]
    _, abilities = tool.verdict(family)
    if abilities is None:
        pytest.skip(f"{family.model_type} is refused")
    model, asked = family.build(), tool.batch()
    trained = [p for n, p in model.named_parameters() if p.requires_grad and "lora_B" in n]

    def gradients(part: Batch) -> torch.Tensor:
        model.zero_grad()
        assert model.gate is not None
        assert part.users is not None
        model.gate.hold(part.users)
        answers = [own[:1] for own in part.answers]
        log_likelihoods(model, pack(part.prompts, answers, torch.device("cpu"))).sum().backward()
        model.gate.release()
        return torch.cat([p.grad.flatten() for p in trained if p.grad is not None])

    apart = torch.stack([gradients(row) for row in asked.rows()]).sum(dim=0)
    if abilities.batches:
        torch.testing.assert_close(gradients(asked), apart, atol=2e-3, rtol=2e-3)
    assert apart.abs().max() > 0


def test_a_row_of_every_family_is_counted_where_a_cpu_computes_in_half(tool) -> None:
    half, cpu = Precision("bfloat16", torch.bfloat16, torch.bfloat16), torch.device("cpu")
    for family in tool.FAMILIES:
        assert rows_at_once(family.config(), 40, 10, cpu, "training", half) >= 1, family.model_type


def test_what_reads_text_in_a_model_that_sees_is_of_the_family_that_is_listed(tool) -> None:
    family = {one.model_type: one for one in tool.FAMILIES}["gemma3_text"]
    text = family.config().to_dict()
    sees = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    whole = CONFIG_MAPPING["gemma3"](text_config=text, vision_config=sees)

    class Part(tool.Family):
        def config(self) -> PretrainedConfig:
            return _text_part(whole)

    part = Part(family.model_type, family.kind, family.members)
    assert tool.verdict(part) == tool.verdict(family)


def test_the_table_lists_every_family_once(tool) -> None:
    assert [one.model_type for one in tool.FAMILIES] == LISTED
    assert len(set(LISTED)) >= 25
