"""Answers kept on disk, a file each, so that the same question is never paid for twice."""

import fcntl
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from threading import Event
from typing import Any

from pydantic import BaseModel, ConfigDict

from recbench.atomic_write import atomic_file, check_writable
from recbench.endpoint.answer import Answer
from recbench.settings import digest

LOOKED = 0.1
"""Seconds after which it is looked again whether another process has its answer by now."""

TURNS = "turns"
"""Name of the file in which processes take a place each while they ask."""

Turn = Callable[[str], AbstractContextManager[None]]
"""Lets one process at a time put the question of a name, for a block."""


class _Entry(BaseModel):
    """What a file holds; `sha256` is of all the rest."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    address: str
    body: dict[str, Any]
    answer: Answer
    sha256: str

    @property
    def whole(self) -> bool:
        return self.sha256 == digest(self.model_dump(mode="json", exclude={"sha256"}))


class KeptAnswers:
    """
    The answers of all runs that share a cache folder.

    Parameters
    ----------
    folder
        Where they are; it need not exist.
    report
        Told of every entry that is damaged, which then counts as none.
    """

    def __init__(self, folder: Path, report: Callable[[str], None]) -> None:
        self._folder, self._report = folder, report

    def find(self, address: str, body: dict[str, Any]) -> Answer | None:
        """
        Return what `address` answered to the request `body`, or None.

        An OSError where the disk does not let it be read: it may be whole, and was paid for.
        """
        key = key_of(address, body)
        try:
            return self._read(key)
        except FileNotFoundError:
            return None
        except ValueError:
            self._report(f"{self._path(key)}: this kept answer is damaged; it is asked for again")
            return None

    def check_writable(self, keys: Iterable[str]) -> None:
        """Raise OSError now, not when the answers to questions of these names are paid for."""
        for folder in sorted({self._path(key).parent for key in keys}):
            check_writable(folder)

    def keep(self, address: str, body: dict[str, Any], answer: Answer) -> None:
        """Keep an answer; killed at any moment, it is kept whole or not at all."""
        held = {"address": address, "body": body, "answer": answer.model_dump(mode="json")}
        entry = _Entry(address=address, body=body, answer=answer, sha256=digest(held))
        with atomic_file(self._path(key_of(address, body))) as partial:
            partial.write_text(entry.model_dump_json(indent=2) + "\n", encoding="utf-8")

    def holds(self, key: str) -> bool:
        """Tell whether there is a whole answer to the question of this name (`key_of`)."""
        try:
            self._read(key)
        except (FileNotFoundError, ValueError):
            return False
        return True

    @contextmanager
    def turns(self, stop: Event) -> Iterator[Turn]:
        """
        Let processes that share the folder put the same question in turn, for the block.

        A turn is a lock of the operating system, of one byte: it ends with its process. Where a
        file system has none, nobody is waited for.

        Yields
        ------
        Turn
            Of this process, in which no two threads put the same question; it ends without one
            where `stop` is set.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / TURNS).open("wb") as file:

            @contextmanager
            def turn(key: str) -> Iterator[None]:
                place = int(key[:15], 16)
                while not _takes(file.fileno(), place) and not stop.wait(LOOKED):
                    pass
                try:
                    yield
                finally:
                    _leaves(file.fileno(), place)

            yield turn

    def _read(self, key: str) -> Answer:
        """Read an answer; ValueError if it is damaged, or to another question."""
        entry = _Entry.model_validate_json(self._path(key).read_bytes())
        if not entry.whole or key_of(entry.address, entry.body) != key:
            raise ValueError("it is not as it was kept")
        return entry.answer

    def _path(self, key: str) -> Path:
        return self._folder / key[:2] / f"{key}.json"


def _takes(file: int, place: int) -> bool:
    """Take a place in a file; tell whether it is free, or nobody can tell."""
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return True
    return True


def _leaves(file: int, place: int) -> None:
    with suppress(OSError):
        fcntl.lockf(file, fcntl.LOCK_UN, 1, place)


def key_of(address: str, body: dict[str, Any]) -> str:
    """Name a question: the same to the same address has the same name; 64 characters."""
    return digest([address, body])
