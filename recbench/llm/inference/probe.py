"""
What an architecture can do, found out by trying, before anything is trained.

Many answers as one sequence, going on from a cache, batches of unequal rows: each is wrong for some
architectures, and most do not say so but answer with other numbers (Mamba swallows a cache that is
not its own, GPT-Neo's local attention does not see what another mask shows it). So every way is
tried on real prompts against the plain one: one sequence, without cache, mask or padding. The
fastest with the same numbers is taken; where the plain one itself is of no use, the model is
refused.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import torch
from peft import PeftModel
from torch import Tensor
from transformers import PretrainedConfig

from recbench.errors import RecbenchError, UserError
from recbench.llm.inference.abilities import Abilities
from recbench.llm.inference.agreement import agree, in_a_line, says_nothing
from recbench.llm.inference.generation import LineEnds
from recbench.llm.inference.hybrid import HybridLM
from recbench.llm.inference.reader import Batch, Reader
from recbench.llm.inference.scoring import log_likelihoods, pack
from recbench.llm.inference.trainable import check_trains
from recbench.llm.prompts.writer import MARGIN, Prompt

PROBE = 5
"""
Version of what is tried and found here: what was remembered by another is tried again. Raise it
when a model may come out otherwise.
"""

_NOISE, _SHARE = 0.02, 0.1
"""By how much an adapter's weights are moved: at least, and in parts of their own size."""

_MOVED = 0.01
"""
Part of the tolerance by which a likelihood may move, in float32, where other answers of its
sequence change: attention moves it by nothing. In fewer bits the experts of a mixture, who then
get other tokens beside its own, round otherwise.
"""

_NO_ENDS = LineEnds(torch.zeros(0, dtype=torch.bool))
"""Nothing is written here."""


def probe(model: HybridLM, batch: Batch, name: str, *, trains: bool = True) -> Abilities:
    """
    Find out how a model can be read.

    Parameters
    ----------
    model
        As it will be trained and asked, with adapter, gate and item vectors, all of them random:
        a way that leaves one of them out is found.
    batch
        As long as those to come: rows of unequal length with all their answers, the longest first.
    name
        Of the model, in errors.
    trains
        Whether it is tried, too, if it can be tuned; not in the midst of a training, which has
        gradients of its own.

    Raises
    ------
    UserError
        If it fails at plain text, a token's logits depend on tokens behind it or are no numbers,
        the model does not read vectors in the place of tokens, takes positions for others than it
        counts itself, cannot be tuned, or is tuned as another function than it is asked as.
    """
    with _plain_text(name):
        _check_reads(model, batch, name)
        ways = _Ways(model, batch)
    batches = ways.hold(ways.few)
    if not batches and not ways.hold(ways.few, together=False):
        raise UserError(
            f"'{name}' is of no use: no way of reading it gives the numbers of plain text, perhaps "
            "since it counts positions in its own way; choose another language model"
        )
    for together in (True, False):
        packs = ways.hold(batch, reads="packed", together=together)
        steps = ways.hold(ways.few, reads="stepped", together=together)
        if packs or steps:
            break
    else:
        together = batches
    if trains:
        # The shorter rows: a backward pass keeps what every layer has computed, and three of the
        # longest took more memory than the steps of a training, which are cut to what fits.
        rows = slice(-2, None if batches else -1)
        short = ways.few.part(rows)
        lesson = Batch(short.prompts, short.users, [own[:1] for own in short.answers])
        check_trains(model, lesson, ways.expected[rows, :1], name)
    return Abilities.of(
        tokens=ways.plain.tokens,
        batches=batches,
        lists=ways.list_candidates(),
        packs=packs,
        steps=steps,
        together=together,
    )


class _Ways:
    """
    Ways of reading a batch, each compared with the plain one.

    Attributes
    ----------
    few
        The batch with no more answers than are compared.
    expected
        Their likelihoods, each read by itself: [B, C].
    plain
        How that is.
    """

    def __init__(self, model: HybridLM, batch: Batch) -> None:
        self._model, self._batch, self._columns = model, batch, _compared(batch)
        answers = [[own[column] for column in self._columns] for own in batch.answers]
        self.few = Batch(batch.prompts, batch.users, answers)
        self.expected = _plainly(model, self.few)
        tokens = max(map(total, batch.prompts, batch.answers))
        self._alone = reads_long_texts_otherwise(model.lm.config, tokens + MARGIN)
        self.plain = Abilities(tokens=tokens, reads="plain", writes="plain")

    def hold(self, asked: Batch, **changed: object) -> bool:
        """Tell whether the abilities that are `changed` from the plain ones give its numbers."""
        if self._alone and changed != {"together": False}:
            return False
        reader = Reader(self._model, self.plain.model_copy(update=changed), _NO_ENDS)

        def read(some: Batch) -> Tensor | None:
            return reader.answer(some)[0]

        return self._holds(read, asked, packs=changed.get("reads") == "packed")

    def list_candidates(self) -> bool:
        """Tell whether all answers that a prompt lists can be learnt as one sequence."""

        def read(some: Batch) -> Tensor:
            return _listed(self._model, some)

        return not self._alone and self._holds(read, self._batch, packs=True)

    def _holds(self, read: Callable[[Batch], Tensor | None], asked: Batch, *, packs: bool) -> bool:
        found = _as_expected(self._model, lambda: read(asked), self.expected, self._columns)
        if found is None or not packs:
            return found is not None
        return _stand_apart(self._model, found, lambda: read(_beside_others(asked)))


def reads_long_texts_otherwise(config: PretrainedConfig, tokens: int) -> bool:
    """
    Tell whether a text of so many tokens is read by other angles than a short one (LongRoPE).

    Which ones, the last token of all that is read at once decides, for those before it, too. So no
    other answer, row or cache may stand beside a text that can become so long.
    """
    text = config.get_text_config()
    rope = getattr(text, "rope_parameters", None) or {}
    border = rope.get("original_max_position_embeddings") or getattr(
        text, "original_max_position_embeddings", None
    )
    return rope.get("rope_type") == "longrope" and border is not None and tokens > border


def total(prompt: Prompt, answers: Sequence[Sequence[int]]) -> int:
    """Return the tokens of a prompt with all its answers."""
    return len(prompt.ids) + sum(map(len, answers))


def total_apart(prompt: Prompt, answers: Sequence[Sequence[int]]) -> int:
    """Return the tokens of all answers, each behind a prompt of its own."""
    return sum(total(prompt, [answer]) for answer in answers)


def trial(model: HybridLM, prompt: Prompt, answers: Sequence[Sequence[int]]) -> Batch:
    """Return rows of unequal length to try a model on: a prompt, and what is left of it cut."""
    parts = [prompt, *(_cut(prompt, share, model.item_token) for share in (0.6, 0.3))]
    return Batch(parts, model.random_users(len(parts)), [answers] * len(parts))


def _cut(prompt: Prompt, share: float, item_token: int) -> Prompt:
    ids = prompt.ids[: max(2, round(share * len(prompt.ids)))]
    if ids[-1] == item_token:  # the last token is a word's, as in whole prompts
        ids = [*ids[:-1], prompt.ids[-1]]
    return Prompt(ids, prompt.items[: ids.count(item_token)])


@torch.no_grad()
def randomised(module: HybridLM) -> HybridLM:
    """
    Move what is trained of an adapter away, at random, from where it starts.

    There it changes nothing, as a rule, and cannot be seen: LoRA's B is zero, IA3's factors are
    one.
    """
    for parameter in module.lm.parameters():
        if parameter.requires_grad:
            size = float(parameter.square().mean().sqrt())
            parameter.add_(torch.randn_like(parameter), alpha=max(_NOISE, _SHARE * size))
    return module


@torch.no_grad()
def check_begins(model: HybridLM, batch: Batch, name: str) -> None:
    """
    Refuse an adapter with which a sound model says nothing before anything is learnt.

    DoRA, for one, divides by the length of each row of a layer's weights, which may be zero.

    Parameters
    ----------
    model, batch, name
        As for `probe`, but for the adapter, which is where it starts.

    Raises
    ------
    UserError
        If the likelihood of an answer is NaN, and not so without the adapter.
    """
    if not isinstance(model.lm, PeftModel):
        return
    *_, row = batch.rows()

    def likelihood() -> Tensor:
        return _likelihood(model, row.prompts[0], row.answers[0][0])

    with _plain_text(name), model.reading(row.users):
        if not likelihood().isnan():
            return
        with model.lm.disable_adapter():
            sound = not likelihood().isnan()
    if sound:
        raise UserError(
            f"'{name}' answers NaN, which is no number, with this adapter before anything is "
            "learnt, as it does with DoRA where a row of a layer's weights is zero; name other "
            "target_modules, or another kind of adapter"
        )


@contextmanager
def _plain_text(name: str) -> Iterator[None]:
    """Refuse a model that fails inside the block, where nothing is asked of it but plain text."""
    try:
        yield
    except RecbenchError:
        raise
    except Exception as error:
        if says_nothing(error):
            raise
        raise UserError(
            f"'{name}' fails at plain text of the length of a prompt ({in_a_line(error)}); choose "
            "another language model, or show it less"
        ) from error


def _compared(batch: Batch) -> list[int]:
    """Return the numbers of the answers that are compared: the first, and the last long one."""
    lengths = [len(answer) for answer in batch.answers[0]]
    long = max(range(len(lengths)), key=lambda number: (min(lengths[number], 3), number))
    return sorted({0, long})


def _plainly(model: HybridLM, batch: Batch) -> Tensor:
    """Return the log-likelihoods of all answers, each read by itself: [B, C]."""
    expected = torch.empty(len(batch.prompts), len(batch.answers[0]))
    for number, row in enumerate(batch.rows()):
        for column, answer in enumerate(row.answers[0]):
            with model.reading(row.users):
                expected[number, column] = _likelihood(model, row.prompts[0], answer)
    return expected


def _likelihood(model: HybridLM, prompt: Prompt, answer: Sequence[int]) -> Tensor:
    ids = torch.tensor([prompt.ids + list(answer)[:-1]], device=model.device)
    logits = _logits(model, model.embed(ids, prompt.items), len(answer))
    return logits.log_softmax(dim=-1)[range(len(answer)), list(answer)].sum()


def _logits(model: HybridLM, inputs: Tensor, last: int) -> Tensor:
    """
    Return the logits of the `last` places of one sequence [1, T, width] or ids [1, T].

    `inputs` stay as they are, also of a model that scales what it is given in place (CTRL).
    """
    reads = torch.zeros(inputs.shape[:2], dtype=torch.bool, device=inputs.device)
    reads[:, -last:] = True
    name = "inputs_embeds" if inputs.is_floating_point() else "input_ids"
    return model.run(reads, positions=None, use_cache=False, **{name: inputs.clone()})[1]


def _check_reads(model: HybridLM, batch: Batch, name: str) -> None:
    """Refuse what no way of reading is right for."""
    *_, row = batch.rows()
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
    if alone.log_softmax(dim=-1).isnan().any():
        raise UserError(
            f"'{name}' answers NaN, which is no number: its weights are damaged; download it again "
            "or choose another language model"
        )
    if not _same(model, alone, followed):
        raise UserError(
            f"'{name}' is of no use: what it says of a token depends on those behind it; choose a "
            "causal language model"
        )
    if not _same(model, by_ids, by_vectors):
        raise UserError(
            f"'{name}' is of no use: it reads tokens in another way than vectors in their place; "
            "choose another language model"
        )


def _same(model: HybridLM, one: Tensor, other: Tensor) -> bool:
    one, other = one.log_softmax(dim=-1), other.log_softmax(dim=-1)
    likely = one.topk(min(100, len(one))).indices  # what is hopeless is computed less exactly
    return agree(model, one[likely], other[likely])


def _as_expected(
    model: HybridLM,
    way: Callable[[], Tensor | None],
    expected: Tensor,
    columns: Sequence[int],
) -> Tensor | None:
    """Return the likelihoods that a way of reading gives; None where they are not the expected."""
    try:
        scores = way()
    except Exception as error:
        if says_nothing(error):
            raise
        return None
    if scores is None:
        return None
    found = scores if scores.shape == expected.shape else scores[:, columns]
    return scores if agree(model, expected, found.float().cpu()) else None


def _stand_apart(model: HybridLM, before: Tensor, way: Callable[[], Tensor | None]) -> bool:
    """
    Tell whether answers that are read as one sequence are read as if each were alone.

    Where words are mixed with those that stand before them, by a convolution or a state,
    likelihoods move that should not, though perhaps by less than ways of reading may be apart.

    Parameters
    ----------
    before
        The likelihoods [B, C] of a batch.
    way
        Gives those of the batch `_beside_others`.
    """
    after = way()
    assert after is not None
    is_exact = model.lm.get_input_embeddings().weight.dtype == torch.float32
    part = _MOVED if is_exact else 1.0
    return agree(model, before[:, 1::2].float(), after[:, 1::2].float(), part)


def _beside_others(batch: Batch) -> Batch:
    """Return a batch whose every second answer, from the first, is another of the same length."""
    answers = [
        [answer if number % 2 else _other(answer) for number, answer in enumerate(own)]
        for own in batch.answers
    ]
    return replace(batch, answers=answers)


def _other(answer: Sequence[int]) -> list[int]:
    """Return as many tokens, none of which is the one in its place."""
    return [token - 1 if token else 1 for token in answer]


def _listed(model: HybridLM, batch: Batch) -> Tensor:
    with model.reading(batch.users):
        return log_likelihoods(model, pack(batch.prompts, batch.answers, model.device))
