"""
The processes that share one run; as a rule there is one.

`accelerate launch` starts several, of which each does the same but for its part of the rows. What
they have to tell each other goes through `Processes`: this module has the process that is alone,
`recbench.hardware.launched` those that are several.
"""

import os
from abc import abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from recbench.errors import RecbenchError


class UnreachableError(RecbenchError):
    """The processes of the run cannot reach one another."""


class DesertedError(UnreachableError):
    """Another process of the run has ended; what it said of it is the reason."""


class Processes:
    """
    One process alone.

    What is called here is called by all processes, in the same order: each waits for the others.

    Attributes
    ----------
    rank
        Which of them this is, 0..count-1; 0 is the main process, which alone writes and reports.
    count
        How many there are.
    """

    rank: int = 0
    count: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this is the one that writes and reports."""
        return self.rank == 0

    def by_main(self, held: AbstractContextManager[None]) -> AbstractContextManager[None]:
        """Return what the main process alone enters, for example a lock."""
        return held if self.is_main else nullcontext()

    @contextmanager
    def main_first(self) -> Iterator[None]:
        """
        Have the block done by the main process, and then by the others.

        They find what it wrote, on a file system that all of them see. Where it raises, they are
        deserted.
        """
        if not self.is_main:
            self.wait()
        yield
        if self.is_main:
            self.wait()

    def wait(self) -> None:
        """Go on when all processes have come here."""

    def of_main(self, value: Any) -> Any:
        """Return the JSON value that the main process gave; what the others give is not looked at.

        Raises
        ------
        DesertedError
            If another process has ended, as in all that follow.
        """
        return value

    def of_all(self, given: bytes) -> list[bytes]:
        """Return what each process gave, by rank."""
        return [given]

    def add_up(self, tensors: Iterable[Any]) -> None:
        """Replace every tensor by its sum over all processes, in place."""

    def align(self, tensors: Iterable[Any]) -> None:
        """Replace every tensor by that of the main process, in place."""


class Sharding(Processes):
    """
    Those of which each holds a shard of every layer of a frozen language model, not all of it.

    A layer is a number here, and what it weighs are bytes: what they mean is known to
    `recbench.llm.weights.sharded`.
    """

    @abstractmethod
    def holds_at(self, device: str) -> str:
        """Return the device where the shards of layers that run on `device` are kept."""

    @abstractmethod
    def hold(self, shards: Iterable[Any]) -> range:
        """
        Keep shards, each a tensor of bytes, in the place of those of the model before.

        Those are let go of before the new ones are made.

        Returns
        -------
        range
            The numbers of their layers, which no layer had before.
        """

    @abstractmethod
    def whole(self, layer: int, device: str) -> Any:
        """Return the shards of all processes of a layer, one behind the other, on a device."""


class OnHost(Sharding):
    """One process alone, which keeps the layers in the host's memory until each is run."""

    def __init__(self) -> None:
        self._layers: dict[int, Any] = {}

    def holds_at(self, device: str) -> str:  # noqa: ARG002
        """See `Sharding`."""
        return "cpu"

    def hold(self, shards: Iterable[Any]) -> range:
        """See `Sharding`."""
        first = max(self._layers, default=-1) + 1
        self._layers = {}
        self._layers = dict(enumerate(shards, start=first))
        return range(first, first + len(self._layers))

    def whole(self, layer: int, device: str) -> Any:
        """See `Sharding`."""
        return self._layers[layer].to(device)


ALONE = Processes()
"""The process that shares its run with no other."""


def launched_as() -> tuple[int, int]:
    """Return rank and number of the processes that this one was launched with, by its environment.

    `accelerate launch` and `torchrun` say it by the same two variables.
    """
    rank, count = (os.environ.get(name, "") for name in ("RANK", "WORLD_SIZE"))
    if not (rank.isdecimal() and count.isdecimal()):
        return 0, 1
    return int(rank), int(count)
