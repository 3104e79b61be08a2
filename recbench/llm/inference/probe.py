"""
What an architecture can do, found out by trying, before anything is trained.

Many answers as one sequence, going on from a cache, batches of unequal rows: each is wrong for some
architectures, and most do not say so but answer with other numbers (Mamba swallows a cache that is
not its own, GPT-Neo's local attention does not see what another mask shows it). So every way is
tried on real prompts against the plain one: one sequence, without cache, mask or padding. The
fastest with the same numbers is taken; where the plain one itself is of no use, the model is
refused.
"""

from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import replace

import torch
from peft.tuners.trainable_tokens import TrainableTokensLayer
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn
from transformers import PretrainedConfig

from recbench.errors import RecbenchError, UserError
from recbench.hardware.devices import is_deterministic, lacks_deterministic_form
from recbench.llm.inference.abilities import Abilities
from recbench.llm.inference.as_trained import likelihoods_as_trained
from recbench.llm.inference.generation import LineEnds
from recbench.llm.inference.hybrid import HybridLM
from recbench.llm.inference.reader import Batch, Reader
from recbench.llm.inference.scoring import log_likelihoods, pack
from recbench.llm.prompts.writer import MARGIN, Prompt
from recbench.llm.tolerance import TOLERANCE
from recbench.out_of_memory import lacks_memory
from recbench.processes import UnreachableError

PROBE = 4
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
    columns = _compared(batch)
    answers = [[own[column] for column in columns] for own in batch.answers]
    few = Batch(batch.prompts, batch.users, answers)
    with _plain_text(name):
        _check_reads(model, batch, name)
        expected = _plainly(model, few)
    tokens = max(map(total, batch.prompts, batch.answers))
    alone = reads_long_texts_otherwise(model.lm.config, tokens + MARGIN)
    plain = Abilities(tokens=tokens, reads="plain", writes="plain")

    def holds(asked: Batch, **changed: object) -> bool:
        if alone and changed != {"together": False}:
            return False
        reader = Reader(model, plain.model_copy(update=changed), _NO_ENDS)

        def read(some: Batch) -> Tensor | None:
            return reader.answer(some)[0]

        found = _as_expected(model, lambda: read(asked), expected, columns)
        if found is None or changed.get("reads") != "packed":
            return found is not None
        return _stand_apart(model, found, lambda: read(_beside_others(asked)))

    batches = holds(few)
    if not batches and not holds(few, together=False):
        raise UserError(
            f"'{name}' is of no use: no way of reading it gives the numbers of plain text, perhaps "
            "since it counts positions in its own way; choose another language model"
        )
    for together in (True, False):
        packs = holds(batch, reads="packed", together=together)
        steps = holds(few, reads="stepped", together=together)
        if packs or steps:
            break
    else:
        together = batches
    if trains:
        # The shorter rows: a backward pass keeps what every layer has computed, and three of the
        # longest took more memory than the steps of a training, which are cut to what fits.
        rows = slice(-2, None if batches else -1)
        short = few.part(rows)
        lesson = Batch(short.prompts, short.users, [own[:1] for own in short.answers])
        _check_trains(model, lesson, expected[rows, :1], name)

    def lists() -> bool:
        found = _as_expected(model, lambda: _listed(model, batch), expected, columns)
        if found is None:
            return False
        return _stand_apart(model, found, lambda: _listed(model, _beside_others(batch)))

    return Abilities.of(
        tokens=tokens,
        batches=batches,
        lists=not alone and lists(),
        packs=packs,
        steps=steps,
        together=together,
    )


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


@contextmanager
def _plain_text(name: str) -> Iterator[None]:
    """Refuse a model that fails inside the block, where nothing is asked of it but plain text."""
    try:
        yield
    except RecbenchError:
        raise
    except Exception as error:
        if _says_nothing(error):
            raise
        raise UserError(
            f"'{name}' fails at plain text of the length of a prompt ({_in_a_line(error)}); choose "
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


@torch.enable_grad()  # even where a training is only looked at
def _check_trains(model: HybridLM, batch: Batch, expected: Tensor, name: str) -> None:
    """
    Refuse what cannot be tuned to answer as it is asked.

    That is what fails in the backward pass, computes in training mode what is not `expected` of it
    when it is asked, or has an adapter that answers do not depend on.
    """
    trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
    if not trained:
        return
    try:
        found = likelihoods_as_trained(model, batch)
        _backward(model, batch)
    except Exception as error:
        if _says_nothing(error):
            raise
        raise UserError(
            f"'{name}' cannot be tuned ({_in_a_line(error)}); choose another language model, or "
            "other targets"
        ) from error
    try:
        _check_heard(model, batch, name)
    finally:
        model.zero_grad()
    if found is not None and not _agree(model, expected, found.cpu()):
        raise UserError(
            f"'{name}' cannot be tuned: in training it computes other numbers than when it is "
            "asked, and not by dropout; choose another language model"
        )


def _check_heard(model: HybridLM, batch: Batch, name: str) -> None:
    """Refuse, after a backward pass, what is to be learnt and has no say in the answers."""
    idle = {kind for kind, weight in _adapted(model) if _is_idle(weight)}
    unheard = [
        part for part, module in _beside(model, batch) if any(map(_is_idle, _learnt(module)))
    ]
    if idle:
        raise UserError(
            f"'{name}' answers without {', '.join(sorted(idle))}: the adapter would learn nothing "
            f"there, or in some layers of the name; {_useful(model, idle)}"
        )
    if unheard:
        raise UserError(
            f"'{name}' answers without {' and '.join(unheard)}, which would learn nothing; choose "
            "another language model, or other targets"
        )


def _useful(model: HybridLM, idle: Set[str]) -> str:
    """Say what to adapt instead of kinds of layers of which some learn nothing."""
    others = ",".join(dict.fromkeys(kind for kind, _ in _adapted(model) if kind not in idle))
    named = f"take --set targets={others}, or these as target_modules in the file of --set peft"
    heard = {kind for kind, weight in _adapted(model) if not _is_idle(weight)}
    if heard & idle:  # as in BART, whose attention to another text has the names of the other
        every = "--set targets=all-linear, which leaves out what a text alone does not pass"
        return f"take {every}" if not others else f"{named}, or {every}"
    return named if others else "choose another language model"


def _backward(model: HybridLM, batch: Batch) -> None:
    """Compute gradients, the language model in training mode; a gate keeps its statistics."""
    before = model.training
    model.eval()
    model.lm.train()
    if model.user_gate is not None and batch.users is not None:
        model.user_gate.hold(batch.users)
    try:
        packed = pack(batch.prompts, batch.answers, model.device)
        log_likelihoods(model, packed).sum().backward()
    finally:
        if model.user_gate is not None:
            model.user_gate.release()
        model.train(before)


def _adapted(model: HybridLM) -> Iterator[tuple[str, nn.Parameter]]:
    """
    Yield what is trained in the layers that have an adapter, with the layer's kind.

    But for single words, which need not stand in a prompt.
    """
    for name, layer in model.lm.named_modules():
        if isinstance(layer, BaseTunerLayer) and not isinstance(layer, TrainableTokensLayer):
            kind = name.rsplit(".", 1)[-1]
            yield from ((kind, weight) for weight in _learnt(layer))


def _beside(model: HybridLM, batch: Batch) -> Iterator[tuple[str, nn.Module]]:
    """Yield what is trained beside the adapter and has a say in the answers of a batch."""
    if model.projector is not None and any(prompt.items for prompt in batch.prompts):
        yield "its item vectors", model.projector
    if model.gate is not None and len(model.gate.ranks) > 1:
        yield "its gate", model.gate


def _learnt(module: nn.Module) -> Iterator[nn.Parameter]:
    return (weight for weight in module.parameters() if weight.requires_grad)


def _is_idle(weight: nn.Parameter) -> bool:
    """Tell whether no answer depends on a weight, all of which are random here."""
    return weight.grad is None or not bool(weight.grad.any())


def _says_nothing(error: Exception) -> bool:
    """Whether what was raised is no word on the architecture, and has to be let through."""
    if isinstance(error, UnreachableError) or lacks_memory(error):
        return True
    return is_deterministic() and lacks_deterministic_form(error)


def _in_a_line(error: Exception) -> str:
    """Return the kind of an error with the first line of what it says."""
    first = next(iter(str(error).strip().splitlines()), "")
    return f"{type(error).__name__}: {first}"


def _same(model: HybridLM, one: Tensor, other: Tensor) -> bool:
    one, other = one.log_softmax(dim=-1), other.log_softmax(dim=-1)
    likely = one.topk(min(100, len(one))).indices  # what is hopeless is computed less exactly
    return _agree(model, one[likely], other[likely])


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
        if _says_nothing(error):
            raise
        return None
    if scores is None:
        return None
    found = scores if scores.shape == expected.shape else scores[:, columns]
    return scores if _agree(model, expected, found.float().cpu()) else None


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
    return _agree(model, before[:, 1::2].float(), after[:, 1::2].float(), part)


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


def _agree(model: HybridLM, expected: Tensor, found: Tensor, part: float = 1.0) -> bool:
    most = part * TOLERANCE[model.lm.get_input_embeddings().weight.dtype]
    return bool(((expected - found).abs() <= most * (1 + expected.abs())).all())
