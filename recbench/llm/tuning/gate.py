"""
The gate of iLoRA: every user has an own mixture of LoRA experts, and peft stays as it is.

LoRA's A [r, d_in] and B [d_out, r] are cut along the rank into K experts, and a gate on what a
recommender knows of the user, w = softmax(network(u)), weighs them: W x + s * sum_k w_k B_k A_k x.
Because w_k only scales rows of A x, this equals B (g * (A x)) with each w_k repeated r_k times, so
a forward hook on `lora_A` does all of it. The hook multiplies by K w rather than by w: a uniform
gate then multiplies by one, the paper's scale alpha / (r / K) comes out of peft's alpha / r, and
the saved adapter, loaded without a gate, is plain LoRA.

Kong et al., "Customizing Language Models with Instance-wise LoRA for Sequential Recommendation",
NeurIPS 2024, arXiv 2408.10159.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal, NoReturn

import numpy as np
import torch
from numpy.typing import NDArray
from peft.tuners.lora.layer import LoraLayer, ParamWrapper
from torch import Tensor, nn
from torch.nn.functional import one_hot

from recbench.errors import RecbenchError, UserError
from recbench.llm.tuning.narrow_scale import NarrowScale

Hook = Callable[[nn.Module, tuple[Any, ...], Tensor], Tensor]
"""Sees what goes into a layer and what comes out, and returns what comes out in its place."""


class ExpertGate(nn.Module, ABC):
    """
    What weighs LoRA's experts.

    By the user it is an `InstanceGate`, by the token a `recbench.llm.tuning.router.TokenRouter`.

    Parameters
    ----------
    ranks
        Ranks of the experts, K of them, all at least 1; they add up to the rank of the LoRA.
        Unequal ranks keep the one scale K alpha / r.
    """

    ranks: Tensor
    hard: bool = False
    """Whether the heaviest expert stands alone; the gradient is then that of its weight."""

    def __init__(self, ranks: Sequence[int]) -> None:
        super().__init__()
        self.register_buffer("ranks", torch.tensor(ranks), persistent=False)

    def attach(self, model: nn.Module, adapter: str = "default") -> None:
        """
        Gate every LoRA layer of `model`, and refuse to merge them from now on.

        Raises
        ------
        UserError
            If there is no LoRA layer, or one that cannot be gated.
        """
        layers = gated_layers(model, self.ranks.tolist(), adapter)
        for number, (name, layer) in enumerate(layers.items()):
            layer.lora_A[adapter].register_forward_hook(self._hook(number, name))
            layer.merge = _refuse_to_merge

    @abstractmethod
    def _hook(self, number: int, name: str) -> Hook:
        """Return what weighs the output of the `number`-th layer's A; errors say its name."""

    def _weights(self, logits: Tensor) -> Tensor:
        """Return the expert weights [..., K] of logits; they add up to 1."""
        weights = logits.softmax(dim=-1)
        if not self.hard:
            return weights
        heaviest = one_hot(weights.argmax(dim=-1), weights.shape[-1])
        return heaviest + weights - weights.detach()

    def _factors_of(self, weights: Tensor) -> Tensor:
        """Return what multiplies each of the r outputs of A: K times its expert's weight."""
        return len(self.ranks) * weights.repeat_interleave(self.ranks, dim=-1)


class InstanceGate(ExpertGate):
    """
    Expert weights of a batch of users, and the hooks that apply them.

    Between `hold` and `release` every gated layer sees the weights of the batch that was held. They
    must outlive the backward pass, because gradient checkpointing (`use_reentrant=False` only) runs
    the forward pass again.

    Parameters
    ----------
    width
        Size of a user vector.
    ranks
        Of the experts, see `ExpertGate`.
    kind
        ``"linear"``, one layer (the paper; unlike that of the released code it has a bias), or
        ``"resnet"``, a small 1-D ResNet (the released code), whose batch statistics are those of a
        whole training step (`hold_part`), and frozen in evaluation mode. One network serves all
        layers.
    scale
        Multiplies user vectors before the network, so that they may come in the encoder's own size.
    """

    scale: Tensor
    alike: Tensor | None = None
    """Weights [K] that all users have in the place of their own; None, as a rule, for none."""

    def __init__(
        self,
        width: int,
        ranks: Sequence[int],
        kind: Literal["linear", "resnet"] = "linear",
        scale: float = 1.0,
    ) -> None:
        super().__init__(ranks)
        self.width = width
        self.network = {"linear": nn.Linear, "resnet": GateResNet}[kind](width, len(ranks))
        self.register_buffer("scale", torch.tensor(scale))
        self._factors: Tensor | None = None

    @property
    def mixes_rows(self) -> bool:
        """Whether in training what a row gets depends on the others of its step."""
        return bool(self._norms)

    def forward(self, users: Tensor) -> Tensor:
        """Return the expert weights [B, K] of user vectors [B, width]; rows add up to 1."""
        if self.alike is not None:
            return self.alike.expand(len(users), -1)
        with torch.autocast(users.device.type, enabled=False):
            return self._weights(self.network(users.float() * self.scale))

    def hold(self, users: Tensor, repeats: int = 1) -> None:
        """
        Set the weights of the next forward and backward pass.

        Parameters
        ----------
        users
            User vectors [B, width].
        repeats
            Rows of the language model's batch for each user, adjacent: beams or candidates.
        """
        self._keep(self(users).repeat_interleave(repeats, dim=0))

    def hold_part(self, users: Tensor, part: NDArray[np.bool_], step: int) -> None:
        """
        Set the weights of some rows of a training step, which are computed among all of its rows.

        So they are the same whatever is computed at once, and by whom. The running statistics
        follow once a step: how far they have come is a buffer itself, so that they follow again
        where a step begins anew and its buffers are put back.

        Parameters
        ----------
        users
            Vectors of all rows of the step, [B, width], in an order of its own.
        part
            bool [B]: which of them are in the next forward and backward pass.
        step
            Its number, from 0.
        """
        counts = [norm.get_buffer("num_batches_tracked") for norm in self._norms]
        follow = self.training and any(int(count) != step + 1 for count in counts)
        with self._statistics(follow):
            weights = self(users)
        if follow:
            for count in counts:  # a process without a row of the last step is one behind
                count.fill_(step + 1)
        self._keep(weights[torch.from_numpy(part).to(weights.device)])

    @property
    def _norms(self) -> list[nn.BatchNorm1d]:
        """What normalises a row by the others of its batch."""
        return [one for one in self.network.modules() if isinstance(one, nn.BatchNorm1d)]

    @contextmanager
    def _statistics(self, follow: bool) -> Iterator[None]:
        """Let running statistics follow those of a batch inside the block, or stay as they are."""
        for norm in self._norms:
            norm.track_running_stats = follow
        try:
            yield
        finally:
            for norm in self._norms:
                norm.track_running_stats = True

    def _keep(self, weights: Tensor) -> None:
        """Keep what multiplies the rows of the next passes, by their weights [B, K]."""
        self._factors = self._factors_of(weights)[:, None, :]  # [B, 1, r]

    def release(self) -> None:
        """Forget the weights: a forward pass without a gate is an error."""
        self._factors = None

    @contextmanager
    def held(self, users: Tensor, repeats: int = 1) -> Iterator[None]:
        """Hold the weights inside the block."""
        self.hold(users, repeats)
        try:
            yield
        finally:
            self.release()

    def _hook(self, number: int, name: str) -> Hook:  # noqa: ARG002
        """Return the same for every layer."""
        return partial(self._weigh, name)

    def _weigh(self, name: str, _: nn.Module, __: tuple[Any, ...], output: Tensor) -> Tensor:
        if self._factors is None:
            raise RecbenchError("the gate is not set: call hold(users) before the forward pass")
        rows = len(self._factors)
        folds = output.dim() == 2 and len(output) % rows == 0  # OPT: batch and tokens in one
        if not folds and (output.dim() == 2 or len(output) != rows):
            raise RecbenchError(
                f"the gate holds {rows} users, and layer '{name}' gave {list(output.shape)}: its "
                "rows are others (experts of a mixture?); leave it out of targets, or choose "
                "another language model"
            )
        factors = self._factors.to(output.dtype)  # [B, 1, r]
        by_user = output.view(rows, -1, output.shape[-1]) if folds else output.flatten(1, -2)
        return (by_user * factors).view_as(output)  # [B, ..., r]


def gated_layers(
    model: nn.Module, ranks: Sequence[int], adapter: str = "default"
) -> dict[str, LoraLayer]:
    """
    Return the LoRA layers of a model by their names, all of them, in their order.

    Raises
    ------
    UserError
        If there is none, or one that experts of such ranks cannot be weighed in.
    """
    layers = {n: m for n, m in model.named_modules() if isinstance(m, LoraLayer)}
    if not layers:
        raise UserError(
            "the gate needs a model with LoRA layers, and there are none; where an adapter is "
            "set, name one of LoRA"
        )
    for name, layer in layers.items():
        _check(name, layer, ranks, adapter)
    return layers


def _check(name: str, layer: LoraLayer, ranks: Sequence[int], adapter: str) -> None:
    down = dict(layer.lora_A).get(adapter)
    if isinstance(layer, ParamWrapper):
        raise UserError(
            f"layer '{name}' cannot be gated: LoRA on a parameter (target_parameters) is added to "
            "it before any row is read; leave that out of the file of --set peft and name layers "
            "in target_modules, or name an adapter without it"
        )
    if not isinstance(down, nn.Linear):
        raise UserError(
            f"layer '{name}' cannot be gated: only LoRA on linear layers gives every row "
            f"of the batch a rank, not {type(layer).__name__}; leave it out of targets, or "
            "name an adapter without it"
        )
    if not isinstance(layer.lora_variant.get(adapter), NarrowScale | None):
        raise UserError(
            f"layer '{name}' cannot be gated: it is no plain LoRA but a variant "
            f"({type(layer.lora_variant[adapter]).__name__}) that reads A past the gate; where "
            "an adapter is set, name one of plain LoRA"
        )
    if down.out_features != sum(ranks):
        raise UserError(
            f"layer '{name}' has rank {down.out_features}, but the experts' ranks "
            f"{list(ranks)} add up to {sum(ranks)}; set rank and experts so that these add up to "
            f"{down.out_features}, or name an adapter of rank {sum(ranks)}"
        )


def _refuse_to_merge(*_: Any, **__: Any) -> NoReturn:
    raise RecbenchError(
        "a gated LoRA cannot be merged: its weights differ from user to user, and merging would "
        "drop the gate; load the saved adapter with peft alone if plain LoRA is what you want"
    )


def equal_ranks(rank: int, experts: int) -> tuple[int, ...]:
    """
    Cut a rank into equal experts.

    Raises
    ------
    ValueError
        If `experts` does not divide `rank`.
    """
    if rank % experts:
        raise ValueError(f"rank {rank} cannot be cut into {experts} experts of equal rank")
    return (rank // experts,) * experts


class GateResNet(nn.Module):
    """
    A small 1-D ResNet that reads a user vector as a signal (the released code's choice of gate).

    Two residual blocks after a first convolution, the second one of half the length and twice the
    channels, then the mean over positions and a linear layer.

    Parameters
    ----------
    width
        Size of a user vector.
    experts
        Number of logits.
    channels
        Of the first block.
    """

    def __init__(self, width: int, experts: int, channels: int = 16) -> None:  # noqa: ARG002
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv1d(1, channels, 3, padding=1, bias=False), nn.BatchNorm1d(channels), nn.ReLU()
        )
        self.blocks = nn.Sequential(
            _ResidualBlock(channels, channels, 1), _ResidualBlock(channels, 2 * channels, 2)
        )
        self.head = nn.Linear(2 * channels, experts)

    def forward(self, users: Tensor) -> Tensor:
        """Return logits [B, K] of user vectors [B, width]."""
        signal = self.blocks(self.stem(users[:, None, :]))  # [B, 2 * channels, width / 2]
        return self.head(signal.mean(dim=-1))


class _ResidualBlock(nn.Module):
    """He et al., "Deep Residual Learning", CVPR 2016, figure 2, in one dimension."""

    def __init__(self, incoming: int, outgoing: int, stride: int) -> None:
        super().__init__()
        self.path = nn.Sequential(
            nn.Conv1d(incoming, outgoing, 3, stride, padding=1, bias=False),
            nn.BatchNorm1d(outgoing),
            nn.ReLU(),
            nn.Conv1d(outgoing, outgoing, 3, padding=1, bias=False),
            nn.BatchNorm1d(outgoing),
        )
        self.shortcut: nn.Module = nn.Identity()
        if incoming != outgoing or stride != 1:
            self.shortcut = nn.Sequential(
                nn.Conv1d(incoming, outgoing, 1, stride, bias=False), nn.BatchNorm1d(outgoing)
            )

    def forward(self, signal: Tensor) -> Tensor:
        return torch.relu(self.path(signal) + self.shortcut(signal))
