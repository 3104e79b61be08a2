from collections.abc import Callable

import pytest
import torch
from peft import PeftModel

from recbench.llm.inference.hybrid import HybridLM
from recbench.llm.inference.prefix import read
from recbench.llm.inference.scoring import log_likelihoods, pack, stepped_log_likelihoods, tails
from recbench.llm.prompts.writer import Prompt

Hybrid = Callable[..., HybridLM]
ITEM = 270
CPU = torch.device("cpu")
PROMPTS = [
    Prompt([5, 6, ITEM, 7, 8, ITEM, 9], [1, 3]),
    Prompt([5, 9, 11], []),
    Prompt([12, ITEM, 7, 7, 7, 30, 31, 32, 33, ITEM, 4], [0, 2]),
]
ANSWERS = [
    [[40, 41, 10], [42, 10], [43, 44, 45, 46, 10]],
    [[50, 10], [40, 41, 51, 10], [10]],
    [[40, 10], [52, 53, 54, 10], [40, 41, 10]],
]
USERS = torch.tensor([[1.0, -2.0], [0.5, 3.0], [-1.0, 0.0]])


def plain(model: HybridLM, row: int, answer: list[int]) -> torch.Tensor:
    """The likelihood by the full sequence, alone, with every logit computed."""
    prompt = PROMPTS[row]
    ids = torch.tensor([prompt.ids + answer])
    with model.reading(USERS[row : row + 1]):
        logits = model.lm(inputs_embeds=model.embed(ids, prompt.items)).logits[0]
    steps = logits.log_softmax(-1)[len(prompt.ids) - 1 : -1]
    return steps[torch.arange(len(answer)), answer].sum()


@pytest.mark.parametrize("gated", [False, True])
def test_the_likelihood_is_that_of_the_plain_full_sequence(
    any_lm: PeftModel, make_hybrid: Hybrid, gated: bool
) -> None:
    model = make_hybrid(any_lm, gated=gated)
    with model.reading(USERS):
        scores = log_likelihoods(model, pack(PROMPTS, ANSWERS, CPU))
    for row, answers in enumerate(ANSWERS):
        for column, answer in enumerate(answers):
            torch.testing.assert_close(
                scores[row, column], plain(model, row, answer), atol=1e-4, rtol=1e-5
            )


def test_one_answer_a_row_is_the_same_without_a_special_mask(
    any_lm: PeftModel, make_hybrid: Hybrid
) -> None:
    model = make_hybrid(any_lm)
    with model.reading(USERS):
        together = log_likelihoods(model, pack(PROMPTS, ANSWERS, CPU))
        for column in range(3):
            packed = pack(PROMPTS, [[own[column]] for own in ANSWERS], CPU)
            alone = log_likelihoods(model, packed)
            torch.testing.assert_close(alone[:, 0], together[:, column], atol=1e-4, rtol=1e-5)


def test_a_row_does_not_depend_on_its_batch_or_on_the_other_answers(
    any_lm: PeftModel, make_hybrid: Hybrid
) -> None:
    model = make_hybrid(any_lm)
    with model.reading(USERS):
        together = log_likelihoods(model, pack(PROMPTS, ANSWERS, CPU))
    for row in range(3):
        with model.reading(USERS[row : row + 1]):
            some = [ANSWERS[row][2], ANSWERS[row][0]]
            alone = log_likelihoods(model, pack(PROMPTS[row : row + 1], [some], CPU))
        torch.testing.assert_close(alone[0], together[row, [2, 0]], atol=1e-4, rtol=1e-5)


def test_the_loss_on_answer_tokens_is_the_masked_loss_of_all(
    any_lm: PeftModel, make_hybrid: Hybrid
) -> None:
    model = make_hybrid(any_lm)
    firsts = [own[0] for own in ANSWERS]
    longest = max(len(p.ids) + len(a) for p, a in zip(PROMPTS, firsts, strict=True))
    ids, labels, mask = (torch.zeros(3, longest, dtype=torch.long) for _ in range(3))
    labels[:] = -100
    for row, (prompt, answer) in enumerate(zip(PROMPTS, firsts, strict=True)):
        size, end = len(prompt.ids), len(prompt.ids) + len(answer)
        ids[row, :end] = torch.tensor(prompt.ids + answer)
        labels[row, size:end] = torch.tensor(answer)
        mask[row, :end] = 1
    with model.reading(USERS):
        embedded = model.embed(ids, [item for prompt in PROMPTS for item in prompt.items])
        full = model.lm(inputs_embeds=embedded, attention_mask=mask, labels=labels).loss
        sums = log_likelihoods(model, pack(PROMPTS, [[a] for a in firsts], CPU))
    tokens = sum(map(len, firsts))
    torch.testing.assert_close(-sums.sum() / tokens, full, atol=1e-5, rtol=1e-5)


def test_the_output_head_runs_on_answer_positions_alone(
    any_lm: PeftModel, make_hybrid: Hybrid
) -> None:
    model = make_hybrid(any_lm)
    seen = []
    head = any_lm.get_output_embeddings()
    with model.reading(USERS):
        hook = head.register_forward_hook(lambda *args: seen.append(args[2].shape[:-1].numel()))
        log_likelihoods(model, pack(PROMPTS, ANSWERS, CPU))
        hook.remove()
    # One position a prompt for all first tokens, then one for each further token.
    assert seen == [3 + sum(len(answer) - 1 for own in ANSWERS for answer in own)]


@pytest.mark.parametrize("gated", [False, True])
def test_behind_prompts_read_before_the_likelihood_is_the_same(
    any_lm: PeftModel, make_hybrid: Hybrid, gated: bool
) -> None:
    """As one sequence or a token at a time; and what was read can be asked again."""
    model = make_hybrid(any_lm, gated=gated)
    with model.reading(USERS):
        expected = log_likelihoods(model, pack(PROMPTS, ANSWERS, CPU))
        prefix = read(model, PROMPTS)
        for _ in range(2):
            packed = log_likelihoods(model, pack(tails(PROMPTS), ANSWERS, CPU), prefix)
            torch.testing.assert_close(packed, expected, atol=1e-4, rtol=1e-5)
        firsts = [own[:1] for own in ANSWERS]
        alone = log_likelihoods(model, pack(tails(PROMPTS), firsts, CPU), prefix)
        torch.testing.assert_close(alone, expected[:, :1], atol=1e-4, rtol=1e-5)
    with model.reading(USERS, repeats=3):
        for _ in range(2):
            stepped = stepped_log_likelihoods(model, prefix, ANSWERS)
            torch.testing.assert_close(stepped, expected, atol=1e-4, rtol=1e-5)


def test_the_whole_text_is_as_likely_as_its_tokens(any_lm: PeftModel, make_hybrid: Hybrid) -> None:
    model = make_hybrid(any_lm, gated=False)
    prompts, answers = [Prompt([5, 9, 11, 12], []), Prompt([7, 8], [])], [[40, 41, 10], [42, 10]]
    with model.reading(None):
        sums = log_likelihoods(model, pack(prompts, [[a] for a in answers], CPU, whole=True))
        for row, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
            ids = torch.tensor([prompt.ids + answer])
            logits = model.lm(input_ids=ids).logits[0, :-1].log_softmax(-1)
            expected = logits.gather(1, ids[0, 1:, None]).sum()
            torch.testing.assert_close(sums[row, 0], expected, atol=1e-4, rtol=1e-5)


@pytest.mark.gpu
def test_a_gpu_gives_the_likelihoods_of_a_cpu(any_lm: PeftModel, make_hybrid: Hybrid) -> None:
    model, gpu = make_hybrid(any_lm), torch.device("cuda")
    with model.reading(USERS):
        expected = log_likelihoods(model, pack(PROMPTS, ANSWERS, CPU))
    model.to(gpu)
    with model.reading(USERS.to(gpu)):
        found = log_likelihoods(model, pack(PROMPTS, ANSWERS, gpu))
    torch.testing.assert_close(found.cpu(), expected, atol=1e-3, rtol=1e-4)
