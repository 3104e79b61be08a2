"""Files and folders are written aside and renamed: a reader never meets a half-written one."""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_file(target: Path) -> Iterator[Path]:
    """
    Give a path to write, which becomes `target` when the block ends well.

    Missing parents of `target` are made; a file that stands there is replaced. When the block
    raises, nothing is left.

    Raises
    ------
    IsADirectoryError
        If a folder stands at `target`.
    """
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.{os.getpid()}.partial")
    try:
        yield partial
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """
    Give an empty folder to fill, which becomes `target` when the block ends well.

    A folder that stands at `target` by then is replaced. When the block raises, nothing is left.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f"{target.name}.", suffix=".partial", dir=target.parent))
    try:
        yield partial
        shutil.rmtree(target, ignore_errors=True)
        try:
            partial.rename(target)
        except OSError:
            # Another process finished the same folder in between: its content is as good as ours.
            if not target.is_dir():
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
