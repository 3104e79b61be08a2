"""
The processes that share one run; as a rule there is one.

`accelerate launch` starts several, of which each does the same but for its part of the rows. What
they have to tell each other goes through `Processes`: this module has the process that is alone,
`recbench.neural.launched` those that are several.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from recbench.errors import RecbenchError


class DesertedError(RecbenchError):
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
