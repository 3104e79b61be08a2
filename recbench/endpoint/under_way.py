"""
Questions that have been put and are not written down yet, so that a purse outlives its process.

Each is an empty file until then, named after it and its price. What is left of a process that was
killed, or whose disk refused an answer, was answered and written down, or was answered and kept, or
is lost: the server may have been paid for it, and nobody knows. What is lost counts as spent, as
much as it may have taken.
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
        Names of those whose answers were kept, by this process or one before, and not written down.
    lost
        Tokens that each of the lost ones may have taken.
    """

    def __init__(
        self, folder: Path, is_written: Callable[[str], bool], is_kept: Callable[[str], bool]
    ) -> None:
        self._folder, self._is_kept = folder, is_kept
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
    def waiting(self, key: str, price: int) -> Iterator[Path]:
        """
        Let a question be under way for the block, in which it is put.

        Yields
        ------
        Path
            Its file, which is gone if the block raises, since then nothing was answered. Otherwise
            it stays, to be removed when the answer is written down.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        file = self._folder / f"{key}.{price}.{secrets.token_hex(4)}"
        file.touch()
        try:
            yield file
        except BaseException:
            file.unlink()
            raise

    def lose(self, key: str, price: int) -> int:
        """
        Give up an answer that could not be written down, as a process to come will by its file.

        Returns
        -------
        int
            The tokens that are lost: none if it is kept, since it is written down when it is found.
        """
        if self._is_kept(key):
            self.answered.add(key)
            return 0
        self.lost.append(price)
        return price
