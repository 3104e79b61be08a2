"""
Experts that are weighed token by token, as in mixtures of LoRA, not user by user.

The rival of iLoRA's gate: every layer has a router of its own, one linear layer on the layer's own
input, and every token its own weights (MoLE: Wu et al., ICLR 2024; MoELoRA: Luo et al., arXiv
2402.12851). Nothing has to be known of the user, and the rows of a batch need not be told apart.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from recbench.llm.tuning.gate import ExpertGate, Hook, gated_layers


class TokenRouter(ExpertGate):
    """
    A router in every LoRA layer of one model.

    Parameters
    ----------
    model
        Whose layers are counted and measured; `attach` gates them.
    ranks
        Of the experts.

    Raises
    ------
    UserError
        As `attach`.
    """

    def __init__(self, model: nn.Module, ranks: Sequence[int]) -> None:
        super().__init__(ranks)
        downs = [layer.lora_A["default"] for layer in gated_layers(model, ranks).values()]
        self.routers = nn.ModuleList(nn.Linear(down.in_features, len(ranks)) for down in downs)

    def _hook(self, number: int, name: str) -> Hook:  # noqa: ARG002
        """Return what weighs each token by the router of that layer."""
        return partial(self._weigh, self.routers[number])

    def _weigh(
        self, router: nn.Module, _: nn.Module, given: tuple[Any, ...], out: Tensor
    ) -> Tensor:
        tokens = given[0]  # [..., d_in]
        with torch.autocast(tokens.device.type, enabled=False):
            weights = self._weights(router(tokens.float()))  # [..., K]
        return out * self._factors_of(weights).to(out.dtype)
