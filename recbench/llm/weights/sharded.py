"""
Layers of a frozen language model of which each process holds a shard.

The weights of a layer are one row of bytes, and every process holds an equal part of it. They are
whole only while the layer runs; between, its parameters read NaN. For the backward pass the layer
is gathered again: autograd keeps where a weight stood, not the weight; or the layer is run again,
where activations are not kept (gradient checkpointing). What is trained, the token
embeddings, the output head and all else outside the layers is whole in every process.
"""

import gc
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel

from recbench.errors import UserError
from recbench.llm.weights.backbone import load_outline
from recbench.llm.weights.quantised import Bits
from recbench.processes import Processes, Sharding

_ALIGNMENT = 64
"""A weight begins at a multiple of so many bytes, as in memory of its own."""


def layers_of(lm: PreTrainedModel) -> list[nn.Module]:
    """
    Return the layers of a model, as transformers names them for whoever divides it.

    Raises
    ------
    UserError
        If it names none.
    """
    names = set(lm._no_split_modules or ())
    named = [module for module in lm.modules() if type(module).__name__ in names]
    inside = {part for module in named for part in module.modules() if part is not module}
    if not named:
        raise UserError(
            f"a language model of the kind '{lm.config.model_type}' cannot be sharded, for "
            "transformers does not say what its layers are; launch with --multi_gpu in the place "
            "of --use_fsdp"
        )
    return [module for module in named if module not in inside]


def check_can_be_sharded(llm: str, load_in: Bits | None) -> None:
    """
    Refuse what cannot be, before anything is trained.

    Raises
    ------
    UserError
        As `layers_of`; or if weights are asked for in few bits.
    """
    if load_in is not None:
        raise UserError(
            f"setting 'load_in': weights in {load_in} cannot be sharded; leave it out, or launch "
            "with --multi_gpu in the place of --use_fsdp"
        )
    layers_of(load_outline(llm)[0])


@contextmanager
def or_whole(processes: Processes) -> Iterator[None]:
    """Add to what is refused of a sharded model that a whole one may do."""
    try:
        yield
    except UserError as error:
        if not isinstance(processes, Sharding):
            raise
        raise UserError(
            f"{error}; or launch with --multi_gpu in the place of --use_fsdp, for its layers may "
            "be read when they do not run"
        ) from error


def shard(
    lm: PreTrainedModel, weights: Collection[nn.Parameter], processes: Sharding, device: str
) -> int:
    """
    Keep a shard of every layer of a model, and let go of the rest.

    Parameters
    ----------
    lm
        In the host's memory, with its adapter.
    weights
        Its own, without those of the adapter. Those that are trained, or met in two places, stay
        whole.
    processes
        All of which do the same.
    device
        Where it will run.

    Returns
    -------
    int
        How many layers it has.
    """
    gc.collect()  # the model before this one stands in a circle with its layers
    shared = _shared(lm)
    own = {id(one) for one in weights if not one.requires_grad and id(one) not in shared}
    layers = [_Layer(module, own, processes, device) for module in layers_of(lm)]
    sharded = {id(weight.parameter) for layer in layers for weight in layer.weights}
    for one in weights:
        if id(one) not in sharded:
            one.data = one.data.to(device, copy=True)  # lets go of the file that it is mapped from
    numbers = processes.hold(layer.shard() for layer in layers)
    for number, layer in zip(numbers, layers, strict=True):
        layer.number = number
        layer.run_whole()
    return len(layers)


def _shared(lm: PreTrainedModel) -> set[int]:
    """Return the ids of parameters that are met in two places, or read from outside of layers."""
    times = Counter(id(one) for _, one in lm.named_parameters(remove_duplicate=False))
    ends = [lm.get_input_embeddings(), lm.get_output_embeddings()]
    outside = {id(one) for end in ends if end is not None for one in end.parameters()}
    return outside | {one for one, count in times.items() if count > 1}


@dataclass(frozen=True)
class _Weight:
    """
    A parameter, and where it stands in the bytes of its layer.

    Attributes
    ----------
    owner, name
        The module that it belongs to, and its name there.
    parameter
        It. Once let go of, it reads NaN, in the memory of one number.
    start, bytes
        Its part of the layer's.
    """

    owner: nn.Module
    name: str
    parameter: nn.Parameter
    start: int
    bytes: int

    def let_go(self, device: str) -> None:
        one = self.parameter
        nothing = float("nan") if one.is_floating_point() else 0
        one.data = torch.full((), nothing, dtype=one.dtype, device=device).expand(one.shape)

    def fill(self, whole: Tensor) -> None:
        """Put what stands in the bytes of the layer in the place of the parameter."""
        own = whole[self.start : self.start + self.bytes].view(self.parameter.dtype)
        self.owner._parameters[self.name] = own.view(self.parameter.shape)  # type: ignore[assignment]

    def empty(self) -> None:
        """Put the parameter back."""
        self.owner._parameters[self.name] = self.parameter


@dataclass(frozen=True)
class _Place:
    """Where a tensor of a layer stands in its bytes."""

    dtype: torch.dtype
    shape: torch.Size
    stride: tuple[int, ...]
    offset: int

    @classmethod
    def of(cls, tensor: Tensor) -> "_Place":
        return cls(tensor.dtype, tensor.shape, tensor.stride(), int(tensor.storage_offset()))

    def read(self, whole: Tensor) -> Tensor:
        return whole.view(self.dtype).as_strided(self.shape, self.stride, self.offset)


class _Layer:
    """
    A layer.

    Parameters
    ----------
    module
        Runs it.
    own
        Ids of parameters that may be sharded.
    processes, device
        As for `shard`.
    """

    number: int

    def __init__(
        self, module: nn.Module, own: Collection[int], processes: Sharding, device: str
    ) -> None:
        self._module, self._processes, self._device = module, processes, device
        self.weights: list[_Weight] = []
        end = 0
        for owner in module.modules():
            for name, one in owner.named_parameters(recurse=False):
                if id(one) in own:
                    size = one.numel() * one.itemsize
                    self.weights.append(_Weight(owner, name, one, end, size))
                    end += _rounded_up(size, _ALIGNMENT)
        self._size = _rounded_up(end, _ALIGNMENT * processes.count)

    def shard(self) -> Tensor:
        """Return this process's part of the bytes; the parameters let go of theirs."""
        size = self._size // self._processes.count
        first = size * self._processes.rank
        place = self._processes.holds_at(self._device)
        part = torch.zeros(size, dtype=torch.uint8, device=place)
        for one in self.weights:
            begin, end = max(first, one.start), min(first + size, one.start + one.bytes)
            if begin < end:  # what is not read is not loaded from the file
                given = one.parameter.detach().contiguous().reshape(-1).view(torch.uint8)
                part[begin - first : end - first] = given[begin - one.start : end - one.start]
            one.let_go(self._device)
        return part

    def run_whole(self) -> None:
        """Let the module be whole while it runs."""
        module: Any = self._module
        usual: Callable[..., Any] = module.forward
        # By itself it would run again without its weights.
        again = getattr(module, "gradient_checkpointing", False)
        if again:
            module.gradient_checkpointing = False

        def recomputed(*args: Any, **kwargs: Any) -> Any:
            with self._filled(self._gathered()):
                return usual(*args, **kwargs)

        @wraps(usual)
        def forward(*args: Any, **kwargs: Any) -> Any:
            if again and module.training and torch.is_grad_enabled():
                return checkpoint(recomputed, *args, use_reentrant=False, **kwargs)
            whole = self._gathered()
            with self._filled(whole), self._saved_as_places(whole):
                return usual(*args, **kwargs)

        module.forward = forward

    @contextmanager
    def _filled(self, whole: Tensor) -> Iterator[None]:
        for one in self.weights:
            one.fill(whole)
        try:
            yield
        finally:
            for one in self.weights:
                one.empty()

    def _gathered(self) -> Tensor:
        whole: Tensor = self._processes.whole(self.number, self._device)
        return whole

    def _saved_as_places(self, whole: Tensor) -> saved_tensors_hooks:
        """Let autograd keep the places of weights, and gather the layer where it wants them."""
        address = whole.untyped_storage().data_ptr()

        def kept(tensor: Tensor) -> Tensor | _Place:
            is_weight = tensor.untyped_storage().data_ptr() == address
            return _Place.of(tensor) if is_weight else tensor

        def wanted(one: Tensor | _Place) -> Tensor:
            return one.read(self._gathered()) if isinstance(one, _Place) else one

        return saved_tensors_hooks(kept, wanted)


def _rounded_up(size: int, multiple: int) -> int:
    return -(-size // multiple) * multiple
