"""
The likelihood of answers: log p(title, line end | prompt), summed over tokens.

A prompt and all its answers are one sequence, prompt first: an answer's tokens see the prompt and
their own predecessors, not the other answers, and count positions from the prompt's end. So the
prompt is computed once for 20 candidates, and every number equals that of the plain sequence. The
output head runs on the positions that predict an answer's token, and on nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from recbench.llm.inference.hybrid import HybridLM
from recbench.llm.inference.prefix import Prefix, step
from recbench.llm.prompts.writer import Prompt

_PADDING = -1


@dataclass(frozen=True)
class Packed:
    """
    Prompts with their answers, on the model's device.

    Attributes
    ----------
    ids, positions, segments
        int64 [B, T], padded on the right: token ids, positions in the plain sequence, and 0 for the
        prompt, 1.. for the answers, -1 for padding.
    items
        Catalogue codes of the item tokens, row by row.
    reads
        bool [B, T]: where the output head is computed, P places in all.
    places, labels, answers
        int64 [N], one an answer token: which of the P places predicts it, its id, and the number of
        its answer, counted through the batch.
    shape
        Rows, answers a row.
    """

    ids: Tensor
    positions: Tensor
    segments: Tensor
    items: list[int]
    reads: Tensor
    places: Tensor
    labels: Tensor
    answers: Tensor
    shape: tuple[int, int]


def pack(
    prompts: Sequence[Prompt],
    answers: Sequence[Sequence[Sequence[int]]],
    device: torch.device,
    *,
    whole: bool = False,
) -> Packed:
    """
    Lay out prompts and answers.

    Parameters
    ----------
    prompts
        B prompts, at least one token each.
    answers
        For each the same number C of answers, at least one token each.
    device
        Where the tensors go.
    whole
        Whether the prompt belongs to the answer, one a row: its tokens but the first are then
        predicted too. For prompts without items.
    """
    rows: list[tuple[list[int], list[int], list[int], list[bool]]] = []
    places: list[int] = []
    labels: list[int] = []
    owners: list[int] = []
    read = 0
    for row, (prompt, own) in enumerate(zip(prompts, answers, strict=True)):
        start, last = len(prompt.ids), read
        ids, positions, segments = list(prompt.ids), list(range(start)), [0] * start
        led = start - 1 if whole else 0  # places that predict a token of the prompt
        reads = [whole] * (start - 1) + [True]
        places += range(read, read + led)
        labels += prompt.ids[1:] if whole else []
        owners += [row] * led
        last += led
        read += led + 1
        for number, answer in enumerate(own):
            more = len(answer) - 1  # the last token is predicted, but predicts nothing
            ids += answer[:-1]
            positions += range(start, start + more)
            segments += [number + 1] * more
            reads += [True] * more
            places += [last, *range(read, read + more)]
            labels += answer
            owners += [row * len(own) + number] * len(answer)
            read += more
        rows.append((ids, positions, segments, reads))
    longest = max(len(row[0]) for row in rows)

    def padded(part: int, fill: int) -> Tensor:
        return torch.tensor([[*row[part], *[fill] * (longest - len(row[part]))] for row in rows])

    return Packed(
        ids=padded(0, 0).to(device),
        positions=padded(1, 0).to(device),
        segments=padded(2, _PADDING).to(device),
        items=[item for prompt in prompts for item in prompt.items],
        reads=padded(3, 0).bool().to(device),
        places=torch.tensor(places, device=device),
        labels=torch.tensor(labels, device=device),
        answers=torch.tensor(owners, device=device),
        shape=(len(rows), len(answers[0])),
    )


def log_likelihoods(model: HybridLM, packed: Packed, prefix: Prefix | None = None) -> Tensor:
    """
    Return the log-likelihood of every answer, float32 [B, C], at most 0.

    Parameters
    ----------
    model
        Its gate held.
    packed
        Prompts and answers; behind a prefix, `tails` of the prompts.
    prefix
        What was read of the prompts before; it stays as it is.
    """
    logits = run_packed(model, packed, prefix)
    scores = logits[packed.places, packed.labels] - logits.logsumexp(dim=-1)[packed.places]  # [N]
    rows, answers = packed.shape
    sums = torch.zeros(rows * answers, device=scores.device)
    return sums.index_add(0, packed.answers, scores).view(rows, answers)


def run_packed(model: HybridLM, packed: Packed, prefix: Prefix | None = None) -> Tensor:
    """
    Return the logits of the places that `packed` reads, float32 [P, V].

    With one answer a row the attention mask is the plain one, which every architecture takes; with
    more, or a prefix, it is four-dimensional, which not all do
    (`recbench.llm.inference.abilities`).
    """
    inputs = model.embed(packed.ids, packed.items)
    positions, mask, cache = packed.positions, packed.segments.ne(_PADDING).long(), {}
    if packed.shape[1] > 1 or prefix is not None:
        mask = _mask(packed.segments, inputs.dtype, prefix)
    if prefix is not None:
        positions = positions + prefix.positions[:, None]
        cache = prefix.repeated().cache
    _, logits = model.run(
        packed.reads,
        positions=positions,
        inputs_embeds=inputs,
        attention_mask=mask,
        use_cache=prefix is not None,
        **cache,
    )
    return logits


def tails(prompts: Sequence[Prompt]) -> list[Prompt]:
    """Return of prompts what `recbench.llm.inference.prefix.read` leaves: their last tokens."""
    return [Prompt(prompt.ids[-1:], []) for prompt in prompts]


def stepped_log_likelihoods(
    model: HybridLM, prefix: Prefix, answers: Sequence[Sequence[Sequence[int]]]
) -> Tensor:
    """
    Return what `log_likelihoods` does, a token at a time, for models that take no special mask.

    Every answer goes on from a copy of what was read of its prompt: the gate must be held for B * C
    rows. `prefix` stays as it is.
    """
    rows, count = len(answers), len(answers[0])
    flat = [answer for own in answers for answer in own]
    longest = max(map(len, flat))
    labels = torch.tensor(
        [[*answer, *[_PADDING] * (longest - len(answer))] for answer in flat],
        device=prefix.next.device,
    )
    scores = torch.zeros(len(flat), device=labels.device)
    prefix = prefix.repeated(count)
    for label in labels.T:
        prefix, logits = step(model, prefix)
        token = label.clamp_min(0)
        chosen = logits.gather(1, token[:, None])[:, 0] - logits.logsumexp(dim=-1)
        scores = scores + torch.where(label == _PADDING, 0.0, chosen)
        prefix = replace(prefix, next=token)
    return scores.view(rows, count)


def _mask(segments: Tensor, dtype: torch.dtype, prefix: Prefix | None) -> Tensor:
    """
    Return the additive mask [B, 1, T, P + T]: earlier tokens of the prompt or of the own segment.

    The P places of a prefix stand before the others.
    """
    earlier = torch.ones(segments.shape[1], segments.shape[1], device=segments.device).tril().bool()
    own = segments[:, :, None] == segments[:, None, :]
    seen = earlier & (own | (segments == 0)[:, None, :])  # padding sees padding: no row is empty
    if prefix is not None:
        read = prefix.mask[:, None, :].expand(-1, segments.shape[1], -1)
        seen = torch.cat([read, seen], dim=2)
    mask = torch.zeros(seen.shape, dtype=dtype, device=segments.device)
    return mask.masked_fill_(~seen, torch.finfo(dtype).min)[:, None]
