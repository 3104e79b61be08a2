from collections.abc import Callable

import pytest
import torch
from peft import PeftModel

from recbench.llm.inference.generation import LineEnds, anew, behind, greedy
from recbench.llm.inference.hybrid import HybridLM
from recbench.llm.inference.prefix import read
from recbench.llm.prompts.writer import Prompt
from recbench.testing.toy_lm import toy_tokenizer

ITEM = 270
PROMPTS = [
    Prompt([5, 6, ITEM, 7, 8, ITEM, 9], [1, 3]),
    Prompt([5, 9, 11], []),
    Prompt([12, ITEM, 7, 7, 7, 30, 31, 32, 33, ITEM, 4], [0, 2]),
]
USERS = torch.tensor([[1.0, -2.0], [0.5, 3.0], [-1.0, 0.0]])


def ends_at(*tokens: int, leading: int = 0) -> LineEnds:
    stops = torch.zeros(280, dtype=torch.bool)
    stops[list(tokens)] = True
    return LineEnds(stops, leading)


def write(
    model: HybridLM, prompts: list[Prompt], limits: list[int], ends: LineEnds, way: str = "behind"
) -> list[list[int]]:
    advance = behind(model, read(model, prompts)) if way == "behind" else anew(model, prompts)
    return greedy(advance, limits, ends)


def by_hand(model: HybridLM, row: int, steps: int) -> list[int]:
    """Greedy text of one prompt by itself, without a cache and without padding."""
    prompt, written = PROMPTS[row], []
    with model.reading(USERS[row : row + 1]):
        for _ in range(steps):
            inputs = model.embed(torch.tensor([prompt.ids]), prompt.items)
            words = model.lm.get_input_embeddings()(torch.tensor([written], dtype=torch.long))
            logits = model.lm(inputs_embeds=torch.cat([inputs, words], dim=1)).logits
            written.append(int(logits[0, -1].argmax()))
    return written


@pytest.mark.parametrize("way", ["behind", "anew"])
def test_it_is_greedy_and_does_not_depend_on_the_batch(
    any_lm: PeftModel, make_hybrid: Callable[..., HybridLM], way: str
) -> None:
    model = make_hybrid(any_lm)
    expected = [by_hand(model, row, 6) for row in range(3)]
    for row in expected:  # no answer goes on behind an item
        row[:] = row[: row.index(ITEM) + 1 if ITEM in row else 6]
    with model.reading(USERS):
        assert write(model, PROMPTS, [6, 6, 6], ends_at(ITEM), way) == expected
    order = [2, 0]
    with model.reading(USERS[order]):
        some = write(model, [PROMPTS[i] for i in order], [6, 6], ends_at(ITEM), way)
    assert some == [expected[2], expected[0]]


def test_it_ends_at_the_line_end_and_at_the_limit(
    any_lm: PeftModel, make_hybrid: Callable[..., HybridLM]
) -> None:
    model = make_hybrid(any_lm)
    expected = [by_hand(model, row, 6) for row in range(3)]
    end = expected[0][1]
    with model.reading(USERS):
        written = write(model, PROMPTS, [6, 2, 4], ends_at(end))
    for row, limit in enumerate((6, 2, 4)):
        until = expected[row].index(end) + 1 if end in expected[row] else 6
        assert written[row] == expected[row][: min(limit, until)]


def test_leading_tokens_of_the_prompts_last_line_end_nothing(
    any_lm: PeftModel, make_hybrid: Callable[..., HybridLM]
) -> None:
    model = make_hybrid(any_lm)
    first = by_hand(model, 0, 3)
    with model.reading(USERS[:1]):
        assert write(model, PROMPTS[:1], [3], ends_at(first[0])) == [first[:1]]
        led = write(model, PROMPTS[:1], [3], ends_at(first[0], leading=1))
    assert led[0][:2] == first[:2]


def test_line_ends_are_found_in_the_vocabulary() -> None:
    tokenizer = toy_tokenizer()
    ends = LineEnds.of(tokenizer, 264)
    (newline,) = tokenizer("\n", add_special_tokens=False).input_ids
    assert set(torch.nonzero(ends.tokens).flatten().tolist()) == {newline, tokenizer.eos_token_id}


def test_what_the_model_has_no_logit_for_ends_nothing() -> None:
    """An end that was given to the tokenizer alone, and one that a caller names."""
    tokenizer = toy_tokenizer()
    tokenizer.add_special_tokens({"eos_token": "<end>"})
    assert tokenizer.eos_token_id == 259
    ends = LineEnds.of(tokenizer, 259, ends={260, 0})
    (newline,) = tokenizer("\n", add_special_tokens=False).input_ids
    assert set(torch.nonzero(ends.tokens).flatten().tolist()) == {newline, 0}


def test_a_chat_also_ends_with_its_turn() -> None:
    tokenizer = toy_tokenizer()
    ends = LineEnds.of(tokenizer, 264, ends={0})
    assert ends.tokens[0]
    assert not LineEnds.of(tokenizer, 264).tokens[0]


def test_the_vocabulary_is_looked_through_once(monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer, calls = toy_tokenizer(), []
    decode = tokenizer.batch_decode
    monkeypatch.setattr(tokenizer, "batch_decode", lambda ids: calls.append(1) or decode(ids))
    first, second = LineEnds.of(tokenizer, 264), LineEnds.of(tokenizer, 264, leading=1)
    assert len(calls) == 1
    assert torch.equal(first.tokens, second.tokens)
