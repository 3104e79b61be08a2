"""
Several processes of one run, as `accelerate launch` and `torchrun` start them.

Each holds the whole model. Messages of the run itself go over gloo; tensors on a GPU over NCCL.
What is said is JSON or plain bytes: nothing that is received is executed.
"""

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from recbench.errors import UserError
from recbench.processes import ALONE, DesertedError, Processes, launched_as

_WAIT = timedelta(days=7)
"""
Longest that one waits for another: the main process may prepare data or train by itself. Of one
that has ended the others hear at once.
"""

_OTHERWISE = {
    "ACCELERATE_USE_FSDP": "FSDP",
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
        If models are to be divided, too (FSDP, DeepSpeed, Megatron-LM).
    DesertedError
        If they cannot be met.
    """
    rank, count = launched_as()
    if count == 1:
        return ALONE
    import torch.distributed as messages

    if not messages.is_initialized():
        with _heard():
            messages.init_process_group(timeout=_WAIT)
    met = Launched(rank, count)
    with met.main_first():
        _check_whole_models()
    return met


def _check_whole_models() -> None:
    for variable, name in _OTHERWISE.items():
        if os.environ.get(variable, "false").lower() == "true":
            raise UserError(
                "recbench gives each process a whole model and divides the rows; launch it without "
                f"{name}, with --multi_gpu"
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


@contextmanager
def _heard() -> Iterator[None]:
    """Say in one line that another process has ended, where torch says which socket was closed."""
    try:
        yield
    except RuntimeError as error:  # torch's own errors of the network are of this kind
        raise DesertedError(
            "another process of this run has ended before its time, see its own message; when that "
            "is mended, the same command goes on"
        ) from error
