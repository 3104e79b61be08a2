from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from peft import PeftModel

from recbench.errors import UserError
from recbench.llm import grounding as grounding_module
from recbench.llm.grounding import Grounding, embedded
from recbench.llm.inference.abilities import Abilities
from recbench.llm.inference.generation import LineEnds
from recbench.llm.inference.hybrid import HybridLM
from recbench.llm.inference.reader import Batch, Reader
from recbench.llm.prompts.writer import PromptWriter

TEXTS = [[5, 6, 7], [9], [8, 8, 30, 31], [7, 6, 5], [5, 6, 7]]


class Written(Reader):
    """A reader whose model has written these tokens."""

    tokens: list[int]

    def answer(self, batch: Batch) -> tuple[None, list[list[int]]]:
        return None, [self.tokens]


def written(model: HybridLM, tokens: list[int]) -> Reader:
    reader = Written(model, Abilities(tokens=100), LineEnds(torch.zeros(1, dtype=torch.bool)))
    object.__setattr__(reader, "tokens", tokens)
    return reader


def by_hand(lm: PeftModel, ids: list[int]) -> torch.Tensor:
    """What the model's last layer makes of the last token, without the adapter."""
    with torch.no_grad(), lm.disable_adapter():
        hidden = lm(torch.tensor([ids]), output_hidden_states=True).hidden_states[-1]
    return hidden[0, -1].float()


@pytest.mark.parametrize("at_once", [1, 64])
def test_a_text_is_its_last_hidden_state_without_the_adapter(
    any_lm: PeftModel,
    make_hybrid: Callable[..., HybridLM],
    monkeypatch: pytest.MonkeyPatch,
    at_once: int,
) -> None:
    monkeypatch.setattr(grounding_module, "_AT_ONCE", at_once)
    found = embedded(make_hybrid(any_lm, gated=False), TEXTS)
    expected = torch.stack([by_hand(any_lm, text) for text in TEXTS])
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    with torch.no_grad():
        tuned = any_lm(torch.tensor([TEXTS[2]]), output_hidden_states=True).hidden_states[-1]
    assert (tuned[0, -1] - found[2]).abs().max() > 1e-2


@pytest.fixture
def grounded(toy_lora: tuple[PeftModel, PromptWriter]) -> tuple[HybridLM, Grounding]:
    lm, writer = toy_lora
    model = HybridLM(lm, writer.item_token)
    return model, Grounding.of(model, writer)


def test_a_title_that_is_written_is_meant(grounded: tuple[HybridLM, Grounding]) -> None:
    model, grounding = grounded
    (prompt,) = prompts(grounding.writer)
    for item in (0, 7, 39):
        reader = written(model, grounding.writer.answers[item])
        scores = grounding.scores(reader, prompt)
        assert scores.dtype == np.float32
        assert scores[item] == 0
        assert (np.delete(scores, item) < -1e-3).all()


def test_other_words_are_near_to_titles_by_their_embeddings(
    grounded: tuple[HybridLM, Grounding],
) -> None:
    model, grounding = grounded
    writer = grounding.writer
    (prompt,) = prompts(writer)
    (tokens,) = writer.alone(["Pink River"])
    scores = grounding.scores(written(model, tokens), prompt)
    own = by_hand(model.lm, tokens)
    expected = [-float((own - by_hand(model.lm, ids)).norm()) for ids in writer.alone(writer.shown)]
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-4)


def test_equal_titles_are_equally_near(toy_lora: tuple[PeftModel, PromptWriter]) -> None:
    lm, writer = toy_lora
    model = HybridLM(lm, writer.item_token)
    writer.answers[3] = writer.answers[11]
    grounding = Grounding.of(model, writer)
    (prompt,) = prompts(writer)
    (tokens,) = writer.alone(["Pink River"])
    scores = grounding.scores(written(model, tokens), prompt)
    assert scores[3] == scores[11]
    assert len(set(scores.tolist())) == len(scores) - 1


def test_a_title_of_which_nothing_is_left_is_near_to_nothing(
    toy_lora: tuple[PeftModel, PromptWriter],
) -> None:
    lm, writer = toy_lora
    model = HybridLM(lm, writer.item_token)
    (end,) = writer.tokenizer(["\n"], add_special_tokens=False).input_ids
    writer.answers[3] = writer.answers[11] = end
    (prompt,) = prompts(writer)
    grounding = Grounding.of(model, writer)
    scores = grounding.scores(written(model, writer.answers[5]), prompt)
    assert np.isfinite(scores).all()
    assert scores[3] == scores[11] == scores.min()


def test_an_empty_line_means_nothing(grounded: tuple[HybridLM, Grounding]) -> None:
    model, grounding = grounded
    (prompt,) = prompts(grounding.writer)
    (tokens,) = grounding.writer.tokenizer(["\n"], add_special_tokens=False).input_ids
    assert set(grounding.scores(written(model, tokens), prompt).tolist()) == {-1}


def prompts(writer: PromptWriter) -> list:
    histories = np.array([[3, 4, 5]], dtype=np.int32)
    return writer.prompts(histories, np.array([[1, 2]], dtype=np.int32), [False])


def test_a_model_that_keeps_its_hidden_states_to_itself_is_refused(
    any_lm: PeftModel, make_hybrid: Callable[..., HybridLM], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make_hybrid(any_lm, gated=False)
    run = model.run

    def silent(*arguments: Any, output_hidden_states: bool, **told: Any) -> Any:
        assert output_hidden_states
        return run(*arguments, **told)

    monkeypatch.setattr(model, "run", silent)
    with pytest.raises(UserError, match=r"does not give its hidden states.*--model constrained"):
        embedded(model, TEXTS)
