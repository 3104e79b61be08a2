"""One process a run folder."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from recbench.errors import UserError


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """
    Hold a run folder for this process.

    The lock is the operating system's (``flock``), so it ends with the process that holds it,
    however that ends: a lock file that a killed process left behind holds nobody up. The folder is
    made where it is missing.

    Raises
    ------
    UserError
        If another process holds it; its process id is named.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "lock"
    handle = _acquire(path)
    try:
        os.truncate(handle, 0)
        os.write(handle, str(os.getpid()).encode())
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(handle)


def _acquire(path: Path) -> int:
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(handle, 32).decode() or "unknown"
            os.close(handle)
            raise UserError(
                f"process {owner} is writing {path.parent}; wait for it, or stop it"
            ) from None
        # Its owner may have removed the file between our opening and locking it: then we hold
        # a file that nobody else will see.
        with suppress(FileNotFoundError):
            if os.path.samestat(path.stat(), os.fstat(handle)):
                return handle
        os.close(handle)


def holder(folder: Path) -> str | None:
    """Return the id of the process that holds a run folder; None where nobody does."""
    path = folder / "lock"
    if not is_held(path):
        return None
    try:
        return path.read_text() or "unknown"
    except OSError:  # it has just been given back
        return None


def is_held(path: Path) -> bool:
    """Tell whether a process holds a file."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False
