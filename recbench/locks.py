"""One process at a time: in a run folder, and at what many runs share."""

import errno
import fcntl
import os
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from recbench.atomic_write import PARTIAL, check_writable, naming
from recbench.errors import UserError

LOCK = "lock"
"""Name of the file in a folder that is held."""

_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)
"""How a file system says that it has none."""

GLANCE = 0.05
"""Seconds after which somebody has looked whether a file is held, and lets go of it."""


class NoLocksError(UserError):
    """The file system has no locks."""


@contextmanager
def locked(folder: Path, report: Callable[[str], None] | None = None) -> Iterator[None]:
    """
    Hold a run folder for this process, once no other one holds it.

    The lock is the operating system's (``flock``), on a network file system its server's. It ends
    with the process that holds it, however that ends and on whatever host, so that nobody has to
    guess by a clock whether its owner lives: a lock file that was left behind holds nobody up, and
    a live lock is never taken away. The folder is made where it is missing.

    Parameters
    ----------
    folder
        Of a run or a training.
    report
        Told of the process that is waited for; None waits for nobody.

    Raises
    ------
    UserError
        If another process holds it, and is not to be waited for, or the file system has no locks.
    """
    with _held(folder / LOCK, folder, report):
        yield


@contextmanager
def in_turn(target: Path, report: Callable[[str], None]) -> Iterator[None]:
    """
    Let one process at a time make what many share; who waited looks for it before making it.

    The lock stands beside the target, named as half-written files are, so that ``recbench runs
    clean`` takes what a killed process has left. On a file system without locks nobody waits, and
    several may make the same.

    Parameters
    ----------
    target
        What is to be made. The folder that it goes to is made where it is missing.
    report
        Told of the process that is waited for.

    Raises
    ------
    OSError
        If nothing can be written beside the target.
    """
    check_writable(target.parent)
    with ExitStack() as held:
        with suppress(NoLocksError):
            beside = target.with_name(f"{target.name}.{LOCK}{PARTIAL}")
            held.enter_context(_held(beside, target, report))
        yield


@contextmanager
def _held(path: Path, what: Path, report: Callable[[str], None] | None) -> Iterator[None]:
    handle = _acquire(path, what, report)
    try:
        with naming(path):
            os.truncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()} on {platform.node()}".encode(), 0)
        yield
    finally:
        if _is_at(path, handle):  # else it is another's: ours was removed by somebody
            path.unlink(missing_ok=True)
        os.close(handle)


def _acquire(path: Path, what: Path, report: Callable[[str], None] | None) -> int:
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError:
            if path.parent.is_dir():
                raise
            continue  # whoever cleans up has removed the folder, which was empty
        except PermissionError:
            _outwait(path, what, report)
            continue
        try:
            _wait(handle, what, report)
            # Its owner may have removed the file between our opening and locking it: then we hold
            # a file that nobody else will see.
            if _is_at(path, handle):
                return handle
        except BaseException:  # an interrupt, too, may end the waiting
            os.close(handle)
            raise
        os.close(handle)


def _outwait(path: Path, what: Path, report: Callable[[str], None] | None) -> None:
    """Wait for somebody whose file may only be read, and remove it; PermissionError if neither."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:  # it has just been given back, or none can be made
        if os.access(path.parent, os.W_OK):
            return
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path)) from None
    try:
        # On NFS nobody has a file to himself that he cannot write; to share it waits as long.
        _wait(handle, what, report, fcntl.LOCK_SH)
        if _is_at(path, handle):
            path.unlink(missing_ok=True)
    finally:
        os.close(handle)


def _is_at(path: Path, handle: int) -> bool:
    """Tell whether an open file is the one that stands at a path."""
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False


def holder(folder: Path) -> str | None:
    """Return the id of the process that holds a run folder; None where nobody does."""
    path = folder / LOCK
    if not is_held(path):
        return None
    try:
        return path.read_text() or "unknown"
    except OSError:  # it has just been given back
        return None


def is_held(path: Path) -> bool:
    """Tell whether a process holds a file; on a file system without locks nobody does."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
    finally:
        os.close(handle)
    return False


def _take(handle: int, how: int) -> None:
    """Lock a file that nobody holds but for the moment in which `is_held` looks."""
    with suppress(BlockingIOError):
        fcntl.flock(handle, how | fcntl.LOCK_NB)
        return
    time.sleep(GLANCE)
    fcntl.flock(handle, how | fcntl.LOCK_NB)


def _wait(
    handle: int, what: Path, report: Callable[[str], None] | None, how: int = fcntl.LOCK_EX
) -> None:
    """Lock a file, after whoever holds it now where `report` is told."""
    try:
        _take(handle, how)
    except BlockingIOError:
        owner = os.read(handle, 300).decode(errors="replace")
        named = f"process {owner}" if owner.isprintable() and owner else "another process"
        if report is None:
            raise UserError(f"{named} is writing {what}; wait for it, or stop it") from None
        report(f"waiting for {named}, which is writing {what}")
        fcntl.flock(handle, how)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        raise NoLocksError(
            f"{what}: its file system has no locks ({error.strerror}), so that two processes "
            "could write in it; name a folder on another one by --results, or by --cache for a look"
        ) from None
