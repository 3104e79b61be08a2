"""What nothing needs any more below a results folder and a cache; a finished run is never of it."""

import os
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from stat import S_ISREG

from recbench.atomic_write import PARTIAL, writer_of
from recbench.data.transfer import version_file
from recbench.errors import UserError
from recbench.locks import LOCK, holder, is_held, locked
from recbench.runs.busy_folder import below
from recbench.runs.places import LOOKS
from recbench.runs.store import CHECKPOINTS
from recbench.runs.unfinished import unfinished

DAY = 86_400.0


@dataclass(frozen=True)
class Leftover:
    """
    Something that may be removed.

    Attributes
    ----------
    paths
        Files and folders, which go together.
    what
        In words.
    owners
        Folders of runs and trainings that no process may hold meanwhile.
    least
        Days since the last change of it, by which it was found to be one.
    """

    paths: tuple[Path, ...]
    what: str
    owners: tuple[Path, ...] = ()
    least: float = 0.0

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return measured(self.paths)[0]

    @property
    def days(self) -> float:
        """Since anything of it was changed."""
        return measured(self.paths)[1] / DAY

    def remove(self) -> None:
        """
        Remove it, and the folder of a run or training of which nothing is left.

        Raises
        ------
        UserError
            If a process works on it by now, or has done since it was found.
        """
        with ExitStack() as held:
            for owner in self.owners:
                held.enter_context(locked(owner))
            if self.days < self.least:
                raise UserError(f"{self.paths[0]} has been changed meanwhile")
            # The locks of the owners are held here, and go with it: removed before, one would be
            # removed twice, and the second could be that of a process which has begun since.
            own = {owner / LOCK for owner in self.owners}
            for path in self.paths:
                if path not in own:
                    _remove(path)
        for owner in self.owners:
            with suppress(OSError):  # something is left in it
                owner.rmdir()


def _remove(path: Path) -> None:
    """Remove a file or a folder, which another process may be removing, too."""
    with suppress(FileNotFoundError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def measured(paths: Iterable[Path]) -> tuple[int, float]:
    """Return the bytes of all that is there, and the seconds since the last change of it."""
    size, changed = 0, 0.0
    for path in paths:
        for one in (path, *below(path)):
            with suppress(OSError):  # others are at work
                found = one.lstat()
                size += found.st_size if S_ISREG(found.st_mode) else 0
                changed = max(changed, found.st_mtime)
    return size, max(0.0, time.time() - changed)


def leftovers(results: Path, cache: Path, days: float) -> list[Leftover]:
    """
    Find what nothing needs any more.

    Parameters
    ----------
    results, cache
        Below which; they need not exist.
    days
        Nothing that was changed since. What a process holds now, or writes on this machine, is left
        alone at any age.
    """
    found = [*_unfinished(results), *_of_finished(results), *_partial(results, cache)]
    found += _looks(cache)
    kept = [replace(one, least=days) for one in found]
    return [one for one in [*kept, *_locks(results)] if one.days >= days]


def _unfinished(results: Path) -> Iterator[Leftover]:
    for run in unfinished(results):
        owners = tuple(path.parent for path in run.kept)
        if not any(map(holder, owners)):
            done = ", ".join(filter(None, [f"unfinished {run.stage}", run.done]))
            yield Leftover(run.kept, f"{done}: {run.folder}", owners)


def _of_finished(results: Path) -> Iterator[Leftover]:
    """Find what a run was about to remove of its own when it was killed: it had just ended."""
    known = {path for run in unfinished(results) for path in run.kept}
    for kept in sorted(results.glob(f"*/*/*/*/{CHECKPOINTS}")):
        if kept not in known and not holder(kept.parent):
            yield Leftover((kept,), f"not needed by the finished {kept.parent}", (kept.parent,))


def _looks(cache: Path) -> Iterator[Leftover]:
    for folder in sorted(one for one in (cache / LOOKS).glob("*") if one.is_dir()):
        kept = tuple(one for one in sorted(folder.iterdir()) if one.name != LOCK)
        if kept and not holder(folder):
            yield Leftover(kept, f"unfinished look: {folder}", (folder,))


def _partial(results: Path, cache: Path) -> Iterator[Leftover]:
    """Find what killed processes have left half-written, downloads among it."""
    for path in _half_written(results):
        parts = path.relative_to(results).parts
        owners = (results.joinpath(*parts[:4]),) if len(parts) > 4 else ()
        # The writer of a run may be on another host, and holds the run; without one it is not ours.
        if writer_of(path) is not None and not (_is_worked_on(path) or any(map(holder, owners))):
            yield Leftover((path,), f"half-written: {path}", owners)
    for path in _half_written(cache):
        if not _is_worked_on(path):
            version = [one for one in (version_file(path),) if one.exists()]
            yield Leftover((path, *version), f"half-written: {path}")


def _is_worked_on(path: Path) -> bool:
    """Tell whether a process here writes what is half-written, or one on any host holds it."""
    writer = writer_of(path)
    return (writer is not None and _lives(writer)) or (path.is_file() and is_held(path))


def _half_written(root: Path) -> Iterator[Path]:
    """Return files and folders, but nothing inside of such a folder."""
    for path in sorted(one for one in below(root) if one.name.endswith(PARTIAL)):
        if not any(one.endswith(PARTIAL) for one in path.relative_to(root).parts[:-1]):
            yield path


def _locks(results: Path) -> Iterator[Leftover]:
    for path in sorted(results.glob(f"*/*/*/*/{LOCK}")):
        folder = path.parent
        if not holder(folder) and not (folder / CHECKPOINTS).exists():
            yield Leftover((path,), f"lock of a process that has ended: {path}", (folder,))


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # somebody else's
        pass
    return True
