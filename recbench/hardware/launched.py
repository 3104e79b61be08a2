"""
Several processes of one run, as `accelerate launch` and `torchrun` start them.

Each holds the whole model or, launched for FSDP, a shard of each frozen layer of a language model.
Messages of the run itself go over gloo; tensors on a GPU over NCCL. What is said is JSON or plain
bytes: nothing that is received is executed.
"""

import atexit
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from recbench.errors import UserError
from recbench.out_of_memory import lacks_memory
from recbench.processes import (
    ALONE,
    DesertedError,
    Processes,
    Sharding,
    UnreachableError,
    launched_as,
)

if TYPE_CHECKING:
    from torch import Tensor

_WAIT = timedelta(days=7)
"""
Longest that one waits for another: the main process may prepare data or train by itself. Of one
that has ended the others hear at once.
"""

_OTHERWISE = {
    "ACCELERATE_USE_DEEPSPEED": "DeepSpeed",
    "ACCELERATE_USE_MEGATRON_LM": "Megatron-LM",
}
"""What accelerate may be told to do, by the variable that says so; we do not."""


def launched() -> Processes:
    """
    Return the processes that this one was launched with, and meet them; `ALONE` if by itself.

    Raises
    ------
    UserError
        If they are to divide a model as we do not (DeepSpeed, Megatron-LM).
    DesertedError
        If they cannot be met.
    """
    rank, count = launched_as()
    shards = _is_told_to_shard()
    if count == 1:
        _check_no_other_way()
        return ALONE
    import torch.distributed as messages

    if not messages.is_initialized():
        with _heard():
            messages.init_process_group(timeout=_WAIT)
        atexit.register(_part)
    met = LaunchedSharding(rank, count) if shards else Launched(rank, count)
    with met.main_first():
        _check_no_other_way()
    return met


def _part() -> None:
    """
    End the threads that listen to the others.

    Where Python ends before them C++ may abort a process that has done all its work (once in
    twenty times, with torch 2.13), and the launcher takes the run for a failed one.
    """
    import torch.distributed as messages

    if messages.is_initialized():
        messages.destroy_process_group()


@cache
def _is_told_to_shard() -> bool:
    """
    Return whether accelerate was told of FSDP, which it is then told no more.

    Else transformers would give the other processes weights that are not filled, and accelerate
    would wait for a model to be wrapped.
    """
    return _is_true(os.environ.pop("ACCELERATE_USE_FSDP", ""))


def _is_true(value: str) -> bool:
    return value.lower() in {"true", "1", "yes", "on"}


def _check_no_other_way() -> None:
    for variable, name in _OTHERWISE.items():
        if _is_true(os.environ.get(variable, "")):
            raise UserError(
                "recbench gives each process a whole model and divides the rows; launch it without "
                f"{name}, with --multi_gpu, or with --use_fsdp, which divides a language model, too"
            )


class Launched(Processes):
    """One of several processes that have met."""

    def __init__(self, rank: int, count: int) -> None:
        self.rank, self.count = rank, count

    def wait(self) -> None:
        """See `Processes`."""
        self.of_all(b"")

    def of_main(self, value: Any) -> Any:
        """See `Processes`."""
        return json.loads(self.of_all(json.dumps(value).encode() if self.is_main else b"")[0])

    def of_all(self, given: bytes) -> list[bytes]:
        """See `Processes`."""
        import torch
        import torch.distributed as messages

        with _heard():
            lengths = torch.zeros(self.count, dtype=torch.int64)
            lengths[self.rank] = len(given)
            messages.all_reduce(lengths)
            longest = int(lengths.max())
            if not longest:
                return [b""] * self.count
            own = torch.zeros(longest, dtype=torch.uint8)
            own[: len(given)] = torch.frombuffer(bytearray(given or b"\0"), dtype=torch.uint8)[
                : len(given)
            ]
            every = [torch.empty_like(own) for _ in range(self.count)]
            messages.all_gather(every, own)
        return [
            one[:length].numpy().tobytes()
            for one, length in zip(every, lengths.tolist(), strict=True)
        ]

    def add_up(self, tensors: Iterable[Any]) -> None:
        """See `Processes`."""
        import torch.distributed as messages

        with _heard():
            for tensor in tensors:
                messages.all_reduce(tensor)

    def align(self, tensors: Iterable[Any]) -> None:
        """See `Processes`."""
        import torch.distributed as messages

        with _heard():
            for tensor in tensors:
                messages.broadcast(tensor, src=0)


_NOTHING = -1
"""What a process needs that has no layer to run."""


class LaunchedSharding(Launched, Sharding):
    """
    Several that have met, of which each holds a shard of every layer of a frozen language model.

    A layer is gathered in rounds: each process says which layer it needs to go on, if any, and the
    shards of those that are needed go to all. So they need not run the same layers in the same
    order, as in torch's FSDP: one may have fewer rows, write longer answers, halve its batch or
    look at the learning curve by itself. Before any other message a process lends its shards until
    all have come there.
    """

    def __init__(self, rank: int, count: int) -> None:
        super().__init__(rank, count)
        self._shards: dict[int, Tensor] = {}
        self._held: tuple[int, Tensor] | None = None
        self._scratch: Tensor | None = None

    def holds_at(self, device: str) -> str:
        """See `Sharding`."""
        return device

    def hold(self, shards: Iterable[Any]) -> range:
        """See `Sharding`."""
        self.wait()
        first = max(self._shards, default=-1) + 1
        self._shards, self._scratch = {}, None
        self._shards = dict(enumerate(shards, start=first))
        # Where there is no memory for a layer that another process needs, nobody could go on.
        self._scratch = self._empty(max(self._shards.values(), key=len))
        return range(first, first + len(self._shards))

    def whole(self, layer: int, device: str) -> Any:  # noqa: ARG002
        """See `Sharding`."""
        if self._held is None or self._held[0] != layer:
            self._held = None  # before there is another
            whole = self._empty(self._shards[layer])
            self._round(layer, whole)
            self._held = layer, whole
        return self._held[1]

    def of_all(self, given: bytes) -> list[bytes]:
        """See `Processes`."""
        self._lend()
        return super().of_all(given)

    def add_up(self, tensors: Iterable[Any]) -> None:
        """See `Processes`."""
        self._lend()
        super().add_up(tensors)

    def align(self, tensors: Iterable[Any]) -> None:
        """See `Processes`."""
        self._lend()
        super().align(tensors)

    def _lend(self) -> None:
        """Help the others to their layers until none needs any."""
        self._held = None
        while self._round(_NOTHING):
            pass

    def _round(self, layer: int, whole: "Tensor | None" = None) -> bool:
        """Fill `whole` with the layer that this process needs; return whether any needed one."""
        import torch
        import torch.distributed as messages

        with _heard():
            needed = torch.zeros(self.count, dtype=torch.int64)
            # In releases before torch 2.13 it has another name.
            name = "all_gather_single"
            gather = getattr(messages, name, None) or messages.all_gather_into_tensor
            gather(needed, torch.tensor([layer]))
            for number in sorted({*needed.tolist()} - {_NOTHING}):
                shard = self._shards[number]
                into = whole if number == layer else self._scratch
                assert into is not None
                gather(into[: self.count * len(shard)], shard)
        return bool((needed != _NOTHING).any())

    def _empty(self, shard: "Tensor") -> "Tensor":
        return shard.new_empty(self.count * len(shard))


_CLOSED = (
    *("closed by peer", "reset by peer", "Broken pipe", "Socket Closed", "failed to recv"),
    *("closed by remote peer", "ncclRemoteError"),
)
"""What torch, gloo and NCCL say of a connection whose other end is gone."""


@contextmanager
def _heard() -> Iterator[None]:
    """Say in one line what failed between processes: one has ended, or the network says why."""
    try:
        yield
    except RuntimeError as error:  # torch's own errors of the network are of this kind
        if lacks_memory(error):
            raise
        if any(words.lower() in str(error).lower() for words in _CLOSED):
            raise DesertedError(
                "another process of this run has ended before its time, see its own message; when "
                "that is mended, the same command goes on"
            ) from error
        raise UnreachableError(
            f"the processes of this run cannot reach one another: {_reason(error)}; when that is "
            "mended, the same command goes on"
        ) from error


def _reason(error: RuntimeError) -> str:
    """Return in a line what torch says of the network; NCCL gives its reason last."""
    first, *more = str(error).strip().splitlines() or [""]
    return " ".join([first, *more[-1:]] if "Last error" in str(error) else [first])[:300]
