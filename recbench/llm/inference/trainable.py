"""Whether a model can be tuned to answer as it is asked, and all that is tuned has a say."""

from collections.abc import Iterator, Set

import torch
from peft.tuners.trainable_tokens import TrainableTokensLayer
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn

from recbench.errors import UserError
from recbench.llm.inference.agreement import agree, in_a_line, says_nothing
from recbench.llm.inference.as_trained import likelihoods_as_trained
from recbench.llm.inference.hybrid import HybridLM
from recbench.llm.inference.reader import Batch
from recbench.llm.inference.scoring import log_likelihoods, pack


@torch.enable_grad()  # even where a training is only looked at
def check_trains(model: HybridLM, batch: Batch, expected: Tensor, name: str) -> None:
    """
    Refuse what cannot be tuned to answer as it is asked.

    Parameters
    ----------
    model
        With what is trained of it away from where it starts. Without anything trained all is well.
    batch
        Rows with one answer each.
    expected
        The log-likelihoods of the answers as they are asked for, float32 [B, 1].
    name
        Of the model, in errors.

    Raises
    ------
    UserError
        If the backward pass fails, training mode computes other numbers, or answers do not depend
        on some of what is trained.
    """
    trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
    if not trained:
        return
    try:
        found = likelihoods_as_trained(model, batch)
        _backward(model, batch)
    except Exception as error:
        if says_nothing(error):
            raise
        raise UserError(
            f"'{name}' cannot be tuned ({in_a_line(error)}); choose another language model, or "
            "other targets"
        ) from error
    try:
        _check_heard(model, batch, name)
    finally:
        model.zero_grad()
    if found is not None and not agree(model, expected, found.cpu()):
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
