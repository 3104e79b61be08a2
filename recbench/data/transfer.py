"""
A file from the web, piece by piece: what was interrupted goes on where it stopped.

Beside the file that grows, ``<file>.version`` keeps what the server said of its version (ETag, else
time of change). Only where both are there, and the server still has that version, is the rest
alone asked for (RFC 9110, sections 13.1.5 and 14); else the file is fetched from its start.
"""

import errno
import http
import http.client
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import tenacity

from recbench import __version__
from recbench.errors import RecbenchError
from recbench.progress import transfer_bar

_TRIES = 5
_TIMEOUT = 30  # seconds without a byte
_BLOCK = 1 << 18
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
_LATER = (408, 429)  # what a server may answer better the next time, besides its own errors


def transfer(url: str, partial: Path, remedy: str, show_progress: bool) -> None:
    """
    Fetch what is missing of a file.

    Parameters
    ----------
    url
        Where it is.
    partial
        What has come of it so far; must exist, and may be empty. Nobody else may write it.
    remedy
        What else can be done; errors end with it.
    show_progress
        Whether to draw a bar on standard error.

    Raises
    ------
    RecbenchError
        If the site cannot be reached, or ends the connection time and again; what has come by
        then is kept.
    OSError
        If the disk is full.
    """
    try:
        with transfer_bar(show_progress) as bar:
            task = bar.add_task(partial.stem, total=None)
            _go_on(url, partial, lambda there, of: bar.update(task, completed=there, total=of))
    except (OSError, http.client.HTTPException) as error:
        if getattr(error, "errno", None) in _DISK_FULL:
            raise
        reason = getattr(error, "reason", None) or str(error) or type(error).__name__
        if isinstance(error, urllib.error.HTTPError):
            reason = f"{error.code} {reason}"
            error.close()
        again = (
            "the same command goes on where this one stopped, or " if partial.stat().st_size else ""
        )
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
def _go_on(url: str, partial: Path, progress: Callable[[int, int | None], None]) -> None:
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
                version_file(partial).write_text(_version(response.headers), encoding="utf-8")
            elif not response.headers.get("Content-Range", "").startswith(f"bytes {there}-"):
                stream.truncate(0)
                raise ConnectionError("it sent another part than asked for")
            stream.seek(there)
            _copy(response, stream, there, progress)


def _request(url: str, partial: Path) -> tuple[urllib.request.Request, int]:
    """Ask for the whole file, or for what follows the bytes that are there; return their number."""
    request = urllib.request.Request(url, headers={"User-Agent": f"recbench/{__version__}"})
    there = partial.stat().st_size
    version = version_file(partial)
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
    while block := response.read1(_BLOCK):  # what has come, not a whole block
        stream.write(block)
        there += len(block)
        progress(there, whole)
    if whole is not None and there != whole:
        raise ConnectionError(f"the connection ended after {there} of {whole} bytes")


def version_file(partial: Path) -> Path:
    """Return where the version of a growing file is kept."""
    return partial.with_name(f"{partial.name}.version")
