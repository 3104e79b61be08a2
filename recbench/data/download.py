"""
Files from the web: fetched piece by piece, gone on with after an interruption, checked at the end.

A file grows as ``<name>.partial``; beside it ``<name>.partial.version`` keeps what the server said
of its version (ETag, else time of change). Only where both are there, and the server still has
that version, is the rest alone asked for; else the file is fetched from its start.
"""

import errno
import fcntl
import hashlib
import http
import http.client
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import tenacity

from recbench import __version__
from recbench.data.archive import check_gzip
from recbench.data.aside import file_aside
from recbench.data.card import WebFile
from recbench.errors import RecbenchError
from recbench.progress import transfer_bar

_TRIES = 5
_TIMEOUT = 30  # seconds without a byte
_BLOCK = 1 << 18
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
_LATER = (408, 429)  # what a server may answer better the next time, besides its own errors


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
        If the site cannot be reached (what has come by then is kept and gone on with), sends
        something else than the checksum promises or a damaged gzip file, or another process is
        fetching the same file.
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
        _reach(source.url, partial, remedy, show_progress)
        expected = _expected(source, file)
        found = _checksum(partial, expected or "sha256:")
        if expected and found != expected:
            _discard(partial)
            raise RecbenchError(f"{source.url} sent {_other(source, file, found)}; {remedy}")
        if file.suffix == ".gz":
            _check_gzip(partial, source.url, remedy)
        if not expected:
            with file_aside(_record(file)) as written:
                written.write_text(found.removeprefix("sha256:") + "\n", encoding="utf-8")
            report(f"{source.url} has no published checksum; {_record(file)} keeps its SHA-256")
        partial.replace(file)
        _version_file(partial).unlink(missing_ok=True)
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
    _version_file(partial).unlink(missing_ok=True)
    partial.unlink(missing_ok=True)


def _version_file(partial: Path) -> Path:
    return partial.with_name(f"{partial.name}.version")


def _reach(url: str, partial: Path, remedy: str, show_progress: bool) -> None:
    """Fetch with a bar, and say in one line what went wrong."""
    try:
        with transfer_bar(show_progress) as bar:
            task = bar.add_task(partial.stem, total=None)
            _download(
                url, partial, lambda there, all_: bar.update(task, completed=there, total=all_)
            )
    except (OSError, http.client.HTTPException) as error:
        if getattr(error, "errno", None) in _DISK_FULL:
            raise
        reason = getattr(error, "reason", None) or str(error) or type(error).__name__
        if isinstance(error, urllib.error.HTTPError):
            reason = f"{error.code} {reason}"
            error.close()
        there = partial.stat().st_size
        again = "the same command goes on where this one stopped, or " if there else ""
        raise RecbenchError(f"{url} cannot be reached ({reason}); {again}{remedy}") from None


def _transient(error: BaseException) -> bool:
    """Tell whether another try may help."""
    if isinstance(error, urllib.error.HTTPError):
        return error.code >= 500 or error.code in _LATER
    if isinstance(error, OSError):
        return error.errno not in _DISK_FULL
    return isinstance(error, http.client.HTTPException)


@tenacity.retry(
    stop=tenacity.stop_after_attempt(_TRIES),
    wait=tenacity.wait_exponential(multiplier=0.5, max=8),
    retry=tenacity.retry_if_exception(_transient),
    reraise=True,
)
def _download(url: str, partial: Path, progress: Callable[[int, int | None], None]) -> None:
    """Fetch what is missing of the file."""
    with partial.open("r+b") as stream:
        request, there = _request(url, partial)
        try:
            response = urllib.request.urlopen(request, timeout=_TIMEOUT)
        except urllib.error.HTTPError as error:
            if there and error.headers.get("Content-Range") == f"bytes */{there}":
                error.close()
                return  # nothing is missing
            raise
        with response:
            if not there or response.status != http.HTTPStatus.PARTIAL_CONTENT:
                there = 0
                stream.truncate(0)
                _version_file(partial).write_text(_version(response.headers), encoding="utf-8")
            elif not response.headers.get("Content-Range", "").startswith(f"bytes {there}-"):
                stream.truncate(0)
                raise ConnectionError("it sent another part than asked for")
            stream.seek(there)
            _copy(response, stream, there, progress)


def _request(url: str, partial: Path) -> tuple[urllib.request.Request, int]:
    """Ask for the whole file, or for what follows the bytes that are there; return their number."""
    request = urllib.request.Request(url, headers={"User-Agent": f"recbench/{__version__}"})
    there = partial.stat().st_size
    version = _version_file(partial)
    known = version.read_text(encoding="utf-8") if version.is_file() else ""
    if not (there and known):
        return request, 0
    request.add_header("Range", f"bytes={there}-")
    request.add_header("If-Range", known)
    return request, there


def _version(headers: http.client.HTTPMessage) -> str:
    """Return what tells this version of the file from others; "" if nothing does for certain."""
    tag = headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else headers.get("Last-Modified", "")


def _copy(
    response: http.client.HTTPResponse,
    stream: BinaryIO,
    there: int,
    progress: Callable[[int, int | None], None],
) -> None:
    length = response.headers.get("Content-Length", "")
    whole = there + int(length) if length.isdecimal() else None
    while block := response.read(_BLOCK):
        stream.write(block)
        there += len(block)
        progress(there, whole)
    if whole is not None and there != whole:
        raise ConnectionError(f"the connection ended after {there} of {whole} bytes")


def _checksum(file: Path, like: str) -> str:
    """Return the file's checksum of the kind that `like` begins with."""
    kind = like.partition(":")[0]
    with file.open("rb") as stream:
        hashed = hashlib.file_digest(stream, lambda: hashlib.new(kind, usedforsecurity=False))
    return f"{kind}:{hashed.hexdigest()}"
