"""
The likelihood of answers: log p(title, line end | prompt), summed over tokens.

A prompt and all its answers are one sequence, prompt first: an answer's tokens see the prompt and
their own predecessors, not the other answers, and count positions from the prompt's end. So the
prompt is computed once for 20 candidates, and every number equals that of the plain sequence. The
output head runs on the positions that predict an answer's token, and on nothing else.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from peft import PeftModel
from torch import Tensor

from recbench.llm.hybrid import HybridLM
from recbench.llm.prompts import Prompt

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
    prompts: Sequence[Prompt], answers: Sequence[Sequence[Sequence[int]]], device: torch.device
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
    """
    rows: list[tuple[list[int], list[int], list[int], list[bool]]] = []
    places: list[int] = []
    labels: list[int] = []
    owners: list[int] = []
    read = 0
    for row, (prompt, own) in enumerate(zip(prompts, answers, strict=True)):
        start, last = len(prompt.ids), read
        ids, positions, segments = list(prompt.ids), list(range(start)), [0] * start
        reads = [False] * (start - 1) + [True]
        read += 1
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


def log_likelihoods(model: HybridLM, packed: Packed) -> Tensor:
    """
    Return the log-likelihood of every answer, float32 [B, C], at most 0.

    With one answer a row the attention mask is the plain one, which every architecture takes; with
    more it is four-dimensional, see `shares_prompts`.
    """
    inputs = model.embed(packed.ids, packed.items)
    single = packed.shape[1] == 1
    mask = packed.segments.ne(_PADDING).long() if single else _mask(packed.segments, inputs.dtype)
    with _head_on(model.lm, packed.reads):
        logits = model.lm(
            inputs_embeds=inputs,
            attention_mask=mask,
            position_ids=packed.positions,
            use_cache=False,
        ).logits  # [P, V]
    scores = logits.float().log_softmax(dim=-1)[packed.places, packed.labels]  # [N]
    rows, answers = packed.shape
    sums = torch.zeros(rows * answers, device=scores.device)
    return sums.index_add(0, packed.answers, scores).view(rows, answers)


def shares_prompts(lm: PeftModel, length: int) -> bool:
    """
    Whether a model may read a prompt and all its answers as one sequence of `length` tokens.

    Not with layers that keep a running state, and not where a sliding window is shorter than the
    sequence: there every answer needs a sequence of its own.
    """
    config = lm.config
    kinds = set(getattr(config, "layer_types", None) or ())
    window = getattr(config, "sliding_window", None)
    return kinds <= {"full_attention", "sliding_attention"} and (window is None or length <= window)


def _mask(segments: Tensor, dtype: torch.dtype) -> Tensor:
    """Return the additive mask [B, 1, T, T]: earlier tokens of the prompt or of the own segment."""
    earlier = torch.ones(segments.shape[1], segments.shape[1], device=segments.device).tril().bool()
    own = segments[:, :, None] == segments[:, None, :]
    seen = earlier & (own | (segments == 0)[:, None, :])  # padding sees padding: no row is empty
    mask = torch.zeros(seen.shape, dtype=dtype, device=segments.device)
    return mask.masked_fill_(~seen, torch.finfo(dtype).min)[:, None]  # [B, 1, T, T]


@contextmanager
def _head_on(lm: PeftModel, reads: Tensor) -> Iterator[None]:
    """Let the output head see the hidden states of `reads` [B, T] alone: logits become [P, V]."""
    hook = lm.get_output_embeddings().register_forward_pre_hook(
        lambda _, inputs: (inputs[0][reads], *inputs[1:])
    )
    try:
        yield
    finally:
        hook.remove()
