"""
What an architecture can do, found out by trying, before anything is trained.

Many answers as one sequence, going on from a cache, batches of unequal rows: each is wrong for some
architectures, and most do not say so but answer with other numbers (Mamba swallows a cache that is
not its own, GPT-Neo's local attention does not see what another mask shows it). So every way is
tried on real prompts against the plain one: one sequence, without cache, mask or padding. The
fastest with the same numbers is taken; where the plain one itself is of no use, the model is
refused.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from recbench.errors import UserError
from recbench.llm.abilities import Abilities
from recbench.llm.generation import LineEnds
from recbench.llm.hybrid import HybridLM
from recbench.llm.prompts import Prompt
from recbench.llm.reader import Batch, Reader
from recbench.llm.scoring import log_likelihoods, pack

TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 2e-2, torch.float16: 5e-3}
"""Most that two ways may differ by, in parts of a log-likelihood's size plus one."""

_COMPARED = 3
"""Answers of each row that are read the plain way."""

_NO_ENDS = LineEnds(torch.zeros(0, dtype=torch.bool))
"""Nothing is written here."""


def probe(model: HybridLM, batch: Batch, name: str) -> Abilities:
    """
    Find out how a model can be read.

    Parameters
    ----------
    model
        As it will be trained and asked, with adapter, gate and item vectors, all of them random:
        a way that leaves one of them out is found.
    batch
        As long as those to come: rows of unequal length with all their answers.
    name
        Of the model, in errors.

    Raises
    ------
    UserError
        If a token's logits depend on tokens behind it, the model does not read vectors in the
        place of tokens, or cannot be tuned.
    """
    _check_reads(model, batch, name)
    expected = _plainly(model, batch)
    tokens = max(map(total, batch.prompts, batch.answers))
    plain = Abilities(tokens=tokens, reads="plain", writes="plain")

    def holds(**changed: object) -> bool:
        return _holds(model, batch, plain.model_copy(update=changed), expected)

    batches = holds()
    for together in (True, False):
        packs = holds(reads="packed", together=together)
        steps = holds(reads="stepped", together=together)
        if packs or steps:
            break
    else:
        together = batches
    _check_trains(model, batch if batches else next(batch.rows()), name)
    return Abilities(
        tokens=tokens,
        batches=batches,
        lists=_lists(model, batch, expected),
        reads="packed" if packs else "stepped" if steps else "plain",
        writes="cached" if steps else "plain",
        together=together,
    )


def total(prompt: Prompt, answers: Sequence[Sequence[int]]) -> int:
    """Return the tokens of a prompt with all its answers."""
    return len(prompt.ids) + sum(map(len, answers))


def trial(model: HybridLM, prompt: Prompt, answers: Sequence[Sequence[int]]) -> Batch:
    """Return rows of unequal length to try a model on: a prompt, and what is left of it cut."""
    parts = [prompt, *(_cut(prompt, share, model.item_token) for share in (0.6, 0.3))]
    return Batch(parts, model.random_users(len(parts)), [answers] * len(parts))


def _cut(prompt: Prompt, share: float, item_token: int) -> Prompt:
    ids = prompt.ids[: max(2, round(share * len(prompt.ids)))]
    if ids[-1] == item_token:  # the last token is a word's, as in whole prompts
        ids = [*ids[:-1], prompt.ids[-1]]
    return Prompt(ids, prompt.items[: ids.count(item_token)])


def randomised(module: HybridLM) -> HybridLM:
    """Give LoRA's B, which starts at zero, where nothing of it can be seen, random values."""
    for name, parameter in module.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(parameter, std=0.02)
    return module


def _plainly(model: HybridLM, batch: Batch) -> Tensor:
    """Return the log-likelihoods of some answers of each row, NaN for the others: [B, C]."""
    expected = torch.full((len(batch.prompts), len(batch.answers[0])), torch.nan)
    for number, row in enumerate(batch.rows()):
        lengths = [len(answer) for answer in row.answers[0]]
        longest_first = sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True)
        for column in {*longest_first[: _COMPARED - 1], len(lengths) - 1}:
            with model.reading(row.users):
                score = _likelihood(model, row.prompts[0], row.answers[0][column])
            expected[number, column] = score
    return expected


def _likelihood(model: HybridLM, prompt: Prompt, answer: Sequence[int]) -> Tensor:
    ids = torch.tensor([prompt.ids + list(answer)[:-1]], device=model.device)
    logits = _logits(model, model.embed(ids, prompt.items), len(answer))
    return logits.log_softmax(dim=-1)[range(len(answer)), list(answer)].sum()


def _logits(model: HybridLM, inputs: Tensor, last: int) -> Tensor:
    """Return the logits of the `last` places of one sequence [1, T, width] or ids [1, T]."""
    reads = torch.zeros(inputs.shape[:2], dtype=torch.bool, device=inputs.device)
    reads[:, -last:] = True
    name = "inputs_embeds" if inputs.is_floating_point() else "input_ids"
    return model.run(reads, positions=None, use_cache=False, **{name: inputs})[1]


def _check_reads(model: HybridLM, batch: Batch, name: str) -> None:
    """Refuse what no way of reading is right for."""
    row = next(batch.rows())
    prompt, answer = row.prompts[0], row.answers[0][0]
    with model.reading(row.users):
        ids = torch.tensor([prompt.ids], device=model.device)
        vectors = model.embed(ids, prompt.items)
        more = model.embed(torch.tensor([answer], device=model.device), ())
        alone = _logits(model, vectors, 1)[-1]
        followed = _logits(model, torch.cat([vectors, more], dim=1), len(answer) + 1)[0]
        words = ids.masked_fill(ids == model.item_token, 0)
        by_ids = _logits(model, words, 1)[-1]
        by_vectors = _logits(model, model.embed(words, ()), 1)[-1]
    if not _same(alone, followed):
        raise UserError(
            f"'{name}' is of no use: what it says of a token depends on those behind it; choose a "
            "causal language model"
        )
    if not _same(by_ids, by_vectors):
        raise UserError(
            f"'{name}' is of no use: it reads tokens in another way than vectors in their place; "
            "choose another language model"
        )


def _check_trains(model: HybridLM, batch: Batch, name: str) -> None:
    """Refuse what fails in the backward pass, or has an adapter that answers do not depend on."""
    trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
    if not trained:
        return
    if model.gate is not None and batch.users is not None:
        model.gate.hold(batch.users)
    try:
        answers = [own[:1] for own in batch.answers]
        log_likelihoods(model, pack(batch.prompts, answers, model.device)).sum().backward()
    except Exception as error:
        raise UserError(
            f"'{name}' cannot be tuned ({type(error).__name__}: {error}); choose another language "
            "model, or other targets"
        ) from error
    finally:
        if model.gate is not None:
            model.gate.release()
    idle = [n for n, p in trained.items() if "lora_" in n and p.grad is None]
    model.zero_grad()
    if idle:
        layer = idle[0].partition(".lora_")[0].rsplit(".", 1)[-1]
        raise UserError(
            f"'{name}' answers without its layer '{layer}': LoRA would learn nothing there; leave "
            "it out of targets"
        )


def _same(one: Tensor, other: Tensor) -> bool:
    one, other = one.log_softmax(dim=-1), other.log_softmax(dim=-1)
    likely = one.topk(min(100, len(one))).indices  # what is hopeless is computed less exactly
    return _agree(one[likely], other[likely], one.dtype)


def _holds(model: HybridLM, batch: Batch, abilities: Abilities, expected: Tensor) -> bool:
    reader = Reader(model, abilities, _NO_ENDS)
    try:
        scores, _ = reader.answer(batch)
    except Exception:
        return False
    return scores is not None and _agree(expected, scores.cpu(), _dtype(model))


def _lists(model: HybridLM, batch: Batch, expected: Tensor) -> bool:
    try:
        with model.reading(batch.users):
            scores = log_likelihoods(model, pack(batch.prompts, batch.answers, model.device))
    except Exception:
        return False
    return _agree(expected, scores.cpu(), _dtype(model))


def _agree(expected: Tensor, found: Tensor, dtype: torch.dtype) -> bool:
    compared = ~expected.isnan()
    expected, found = expected[compared], found[compared]
    return bool(((expected - found).abs() <= TOLERANCE[dtype] * (1 + expected.abs())).all())


def _dtype(model: HybridLM) -> torch.dtype:
    return model.lm.get_input_embeddings().weight.dtype
