"""
What a model says in the mode in which it is trained, which some families compute otherwise.

RWKV, for one, rescales its blocks when it is asked, but not what an adapter adds to them. What is
other in training by design is left out: dropout, a gate's batch statistics, and noise.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import dropout
from torch.overrides import TorchFunctionMode

from recbench.llm.inference.hybrid import HybridLM
from recbench.llm.inference.reader import Batch
from recbench.llm.inference.scoring import log_likelihoods, pack


def likelihoods_as_trained(model: HybridLM, batch: Batch) -> Tensor | None:
    """
    Return the log-likelihood of every answer in training mode, without dropout, float32 [B, C].

    None where numbers were drawn at random nevertheless, for the noise of a router or a layer that
    is left out now and then: then nothing can be told.
    """
    before = _streams(model.device)
    with model.reading(batch.users), _WithoutDropout():
        model.lm.train()
        found = log_likelihoods(model, pack(batch.prompts, batch.answers, model.device))
    after = _streams(model.device)
    still = all(torch.equal(one, other) for one, other in zip(before, after, strict=True))
    return found if still else None


def _streams(device: torch.device) -> list[Tensor]:
    """Return where torch's streams of random numbers stand."""
    own = [torch.cuda.get_rng_state(device)] if device.type == "cuda" else []
    return [torch.get_rng_state(), *own]


class _WithoutDropout(TorchFunctionMode):
    """Inside it numbers pass where dropout would set some of them to zero."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if func is dropout:
            return args[0]
        given = dict(kwargs or {})
        if "dropout_p" in given:  # of attention
            given["dropout_p"] = 0.0
        return func(*args, **given)
