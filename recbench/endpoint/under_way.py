"""
Questions that have been put and not been answered yet, so that a purse outlives its process.

Each is an empty file while it waits, named after it and its price. What a killed process leaves
was answered and written down, or was answered and kept, or is lost: the server may have been paid
for it, and nobody knows. What is lost counts as spent, as much as it may have taken.
"""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_LOST = "lost"


class UnderWay:
    """
    The questions of one run that are under way.

    Parameters
    ----------
    folder
        Where they are, of one process at a time; made when needed.
    is_written, is_kept
        Whether the question of a name stands in the run's ledger, and whether its answer is kept.

    Attributes
    ----------
    answered
        Names of those that a process before this one had answered and did not write down any more.
    lost
        Tokens that each of the lost ones may have taken.
    """

    def __init__(
        self, folder: Path, is_written: Callable[[str], bool], is_kept: Callable[[str], bool]
    ) -> None:
        self._folder = folder
        self.answered = set[str]()
        for file in sorted(folder.glob("*.*.*")):
            key = file.name.partition(".")[0]
            if is_written(key):
                file.unlink()
            elif is_kept(key):
                self.answered.add(key)
            else:
                (folder / _LOST).mkdir(exist_ok=True)
                file.rename(folder / _LOST / file.name)
        self.lost = [int(file.name.split(".")[1]) for file in (folder / _LOST).glob("*.*.*")]

    @contextmanager
    def waiting(self, key: str, price: int) -> Iterator[None]:
        """Let a question be under way for the block."""
        self._folder.mkdir(parents=True, exist_ok=True)
        file = self._folder / f"{key}.{price}.{secrets.token_hex(4)}"
        file.touch()
        try:
            yield
        finally:
            file.unlink()
