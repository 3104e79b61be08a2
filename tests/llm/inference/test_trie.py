from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from peft import PeftModel

from recbench.llm.inference.abilities import Abilities
from recbench.llm.inference.generation import LineEnds
from recbench.llm.inference.hybrid import HybridLM
from recbench.llm.inference.reader import Reader
from recbench.llm.inference.trie import Trie, in_order, search
from recbench.llm.prompts.writer import Prompt, PromptWriter
from recbench.seeding import generator

PROMPT = Prompt([12, 7, 7, 30, 31, 32, 33, 4], [])
END = 99
TITLES = [
    [5, 6, 7, END],
    [5, 6, 7, END],  # of two items
    [5, 6],  # begins the one above
    [5, 6, 8, 9, END],
    [5, END],
    [40, 41, END],
    [60],
]


def reader(model: HybridLM, way: str = "cached") -> Reader:
    abilities = Abilities(tokens=100, writes=way)  # type: ignore[arg-type]
    return Reader(model, abilities, LineEnds(torch.zeros(280, dtype=torch.bool)))


def one_by_one(model: HybridLM, prompt: Prompt, titles: Sequence[Sequence[int]]) -> list[float]:
    """Log-likelihoods, each title read behind the prompt by itself."""
    found = []
    for title in titles:
        with torch.no_grad():
            logits = model.lm(torch.tensor([[*prompt.ids, *title]])).logits[0].float()
        steps = logits.log_softmax(dim=-1)[len(prompt.ids) - 1 : -1]
        found.append(float(steps[range(len(title)), list(title)].sum()))
    return found


@pytest.mark.parametrize("way", ["cached", "plain"])
def test_with_beams_enough_every_title_has_its_likelihood(
    any_lm: PeftModel, make_hybrid: Callable[..., HybridLM], way: str
) -> None:
    model = make_hybrid(any_lm, gated=False)
    found = reader(model, way).search(PROMPT, Trie.of(TITLES), beams=10)
    np.testing.assert_allclose(found, one_by_one(model, PROMPT, TITLES), rtol=0, atol=1e-5)
    assert found[0] == found[1]


def test_many_random_titles(any_lm: PeftModel, make_hybrid: Callable[..., HybridLM]) -> None:
    """Of three letters, so that most share their beginning and some are equal."""
    random, model = generator(0, "titles"), make_hybrid(any_lm, gated=False)
    titles = [random.integers(5, 8, random.integers(1, 6)).tolist() for _ in range(80)]
    found = reader(model).search(PROMPT, Trie.of(titles), beams=len(titles))
    expected = one_by_one(model, PROMPT, titles)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def test_a_narrow_beam_finds_the_likeliest_beginnings(
    any_lm: PeftModel, make_hybrid: Callable[..., HybridLM]
) -> None:
    """By hand: the best unfinished beginnings of each length go on, and finish what they can."""
    random, model = generator(1, "titles"), make_hybrid(any_lm, gated=False)
    titles = list({tuple(random.integers(5, 9, 4).tolist()) for _ in range(60)})
    beams = 3
    kept: list[tuple[int, ...]] = [()]
    for length in (1, 2, 3):
        longer = sorted({title[:length] for title in titles if title[: length - 1] in kept})
        likelihoods = one_by_one(model, PROMPT, longer)
        best = np.argsort(-np.array(likelihoods), kind="stable")[:beams]
        kept = [longer[number] for number in best]
    found = reader(model).search(PROMPT, Trie.of(titles), beams)
    expected = [title[:3] in kept for title in titles]
    assert np.isfinite(found).tolist() == expected
    exact = np.array(one_by_one(model, PROMPT, titles))
    np.testing.assert_allclose(found[expected], exact[expected], rtol=0, atol=1e-5)


def test_a_whole_title_takes_no_beam_from_beginnings() -> None:
    def advance(tokens: torch.Tensor | None, rows: torch.Tensor | None = None) -> torch.Tensor:
        return torch.tensor([[3.0, 2.0, 1.0, 0.0]])  # the first token is always the likeliest

    found = search(advance, Trie.of([[0], [1, 0], [2, 0]]), beams=1)
    assert np.isfinite(found).tolist() == [True, True, False]


def test_a_beam_of_one_ends(any_lm: PeftModel, make_hybrid: Callable[..., HybridLM]) -> None:
    model = make_hybrid(any_lm, gated=False)
    assert np.isfinite(reader(model).search(PROMPT, Trie.of(TITLES), beams=1)).any()


def test_titles_of_the_catalogue_behind_a_whole_prompt(
    toy_lora: tuple[PeftModel, PromptWriter],
) -> None:
    lm, writer = toy_lora
    model = HybridLM(lm, writer.item_token)
    histories = np.array([[3, 4, 5]], dtype=np.int32)
    (prompt,) = writer.prompts(histories, np.array([[1, 2]], dtype=np.int32), [False])
    found = reader(model).search(prompt, Trie.of(writer.answers), beams=len(writer.titles))
    expected = one_by_one(model, prompt, writer.answers)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)


def test_a_trie_has_a_node_for_every_beginning() -> None:
    trie = Trie.of(TITLES)
    beginnings = {tuple(title[:length]) for title in TITLES for length in range(len(title) + 1)}
    assert len(trie.children) == len(trie.tokens) == len(beginnings)
    assert trie.ends[0] == trie.ends[1]
    for title, end in zip(TITLES, trie.ends, strict=True):
        node = 0
        for token in title:
            (node,) = (one for one in trie.children[node] if trie.tokens[one] == token)
        assert node == end


def test_a_trie_of_one_title() -> None:
    def advance(tokens: torch.Tensor | None, rows: torch.Tensor | None = None) -> torch.Tensor:
        return torch.zeros(1 if tokens is None else len(tokens), 10)

    found = search(advance, Trie.of([[1, 2, 3]]), beams=4)
    np.testing.assert_allclose(found, [-3 * np.log(10)], rtol=1e-6)


def test_what_was_not_found_shares_the_place_behind() -> None:
    infinite = -np.inf
    scores = in_order(np.array([-3.0, infinite, -7.5, infinite], dtype=np.float32))
    assert scores.dtype == np.float32
    assert scores.tolist() == [-3, -8.5, -7.5, -8.5]
    assert in_order(np.array([-3.0, -1.0], dtype=np.float32)).tolist() == [-3, -1]
