"""Files from the web: fetched once, by one process, and checked before anybody reads them."""

import fcntl
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from recbench.atomic_write import atomic_file
from recbench.data.archive import check_gzip
from recbench.data.card import WebFile
from recbench.data.transfer import transfer, version_file
from recbench.errors import RecbenchError


def fetched(
    source: WebFile,
    folder: Path,
    remedy: str,
    report: Callable[[str], None],
    show_progress: bool = False,
) -> Path:
    """
    Return the file of `source`, downloading it into `folder` if it is not there yet.

    Parameters
    ----------
    source
        What to fetch. Without a checksum of its publisher the SHA-256 of the first download is
        kept in ``<name>.sha256``, and every later one is held to it.
    folder
        Made if it is missing.
    remedy
        What else can be done; errors end with it.
    report
        Told what was recorded, and that another process's download is waited for.
    show_progress
        Whether to draw a bar on standard error.

    Raises
    ------
    RecbenchError
        If the site cannot be reached (what has come by then is kept and gone on with), or sends
        something else than the checksum promises or a damaged gzip file (nothing is then kept).
    """
    file = folder / source.name
    folder.mkdir(parents=True, exist_ok=True)
    if not _stands(source, file):
        with _turn(_partial(file), source.url, report):
            if not _stands(source, file):  # another process may have fetched it meanwhile
                _fetch(source, file, remedy, report, show_progress)
    return file


def _stands(source: WebFile, file: Path) -> bool:
    """Tell whether the file is there and is what it should be."""
    expected = _expected(source, file)
    return bool(expected) and file.is_file() and _checksum(file, expected) == expected


def _expected(source: WebFile, file: Path) -> str:
    """Return the publisher's checksum, else that of the first download, else ""."""
    record = _record(file)
    if source.checksum or not record.is_file():
        return source.checksum
    return f"sha256:{record.read_text(encoding='utf-8').strip()}"


def _fetch(
    source: WebFile,
    file: Path,
    remedy: str,
    report: Callable[[str], None],
    show_progress: bool,
) -> None:
    partial = _partial(file)
    partial.touch()
    try:
        transfer(source.url, partial, remedy, show_progress)
        expected = _expected(source, file)
        found = _checksum(partial, expected or "sha256:")
        if expected and found != expected:
            _discard(partial)
            raise RecbenchError(f"{source.url} sent {_other(source, file, found)}; {remedy}")
        if file.suffix == ".gz":
            _check_gzip(partial, source.url, remedy)
        if not expected:
            with atomic_file(_record(file)) as written:
                written.write_text(found.removeprefix("sha256:") + "\n", encoding="utf-8")
            report(f"{source.url} has no published checksum; {_record(file)} keeps its SHA-256")
        partial.replace(file)
        version_file(partial).unlink(missing_ok=True)
    finally:
        if partial.is_file() and not partial.stat().st_size:
            _discard(partial)


def _other(source: WebFile, file: Path, found: str) -> str:
    kind, _, value = found.partition(":")
    expected = _expected(source, file).partition(":")[2]
    said = f"a file with {kind.upper()} {value}, expected {expected}"
    if source.checksum:
        return said
    return f"{said}, as at first (delete {_record(file)} to take what the site has now)"


def _check_gzip(partial: Path, url: str, remedy: str) -> None:
    try:
        check_gzip(partial)
    except RecbenchError as error:
        _discard(partial)
        raise RecbenchError(f"{url} sent a file that is refused: {error}; {remedy}") from None


@contextmanager
def _turn(partial: Path, url: str, report: Callable[[str], None]) -> Iterator[None]:
    """Let one process at a time write the file; the lock ends with the process that holds it."""
    with partial.open("ab") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report(f"waiting for another process that downloads {url}")
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _partial(file: Path) -> Path:
    return file.with_name(f"{file.name}.partial")


def _record(file: Path) -> Path:
    return file.with_name(f"{file.name}.sha256")


def _discard(partial: Path) -> None:
    version_file(partial).unlink(missing_ok=True)
    partial.unlink(missing_ok=True)


def _checksum(file: Path, like: str) -> str:
    """Return the file's checksum of the kind that `like` begins with."""
    kind = like.partition(":")[0]
    with file.open("rb") as stream:
        hashed = hashlib.file_digest(stream, lambda: hashlib.new(kind, usedforsecurity=False))
    return f"{kind}:{hashed.hexdigest()}"
