"""Archives from the web: fetched with retries, checked by checksum, unpacked without trust."""

import hashlib
import shutil
import urllib.error
import urllib.request
import zipfile
from pathlib import Path, PurePosixPath

import tenacity

from recbench.data.aside import file_aside
from recbench.data.card import WebFile
from recbench.errors import RecbenchError

_TRIES = 3
_TIMEOUT = 30  # seconds without a byte


def fetched(source: WebFile, folder: Path, remedy: str) -> Path:
    """
    Return the archive of `source`, downloading it into `folder` if it is not there yet.

    Raises
    ------
    RecbenchError
        If the site cannot be reached (the message ends with `remedy`) or sends something else than
        what the checksum promises; nothing is then left behind.
    """
    archive = folder / PurePosixPath(source.url).name
    md5 = source.checksum.removeprefix("md5:")
    if archive.is_file() and _md5(archive) == md5:
        return archive
    with file_aside(archive) as partial:
        try:
            _download(source.url, partial)
        except (OSError, urllib.error.URLError) as error:
            reason = getattr(error, "reason", error)
            raise RecbenchError(f"{source.url} cannot be reached ({reason}); {remedy}") from None
        found = _md5(partial)
        if md5 and found != md5:
            raise RecbenchError(
                f"{source.url} sent a file with MD5 {found}, expected {md5}; {remedy}"
            )
    return archive


def unpacked(archive: Path, folder: Path) -> None:
    """
    Unpack a zip archive into `folder`.

    Raises
    ------
    RecbenchError
        If it is no zip archive, or a member's path would leave the folder; nothing is then
        unpacked.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            for name in opened.namelist():
                path = PurePosixPath(name.replace("\\", "/"))
                if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
                    raise RecbenchError(f"{archive} is refused: '{name}' leads out of its folder")
            opened.extractall(folder)
    except zipfile.BadZipFile as error:
        raise RecbenchError(f"{archive} is not a zip archive: {error}; delete it") from None


@tenacity.retry(
    stop=tenacity.stop_after_attempt(_TRIES),
    wait=tenacity.wait_exponential(multiplier=0.5, max=4),
    retry=tenacity.retry_if_exception_type(OSError),
    reraise=True,
)
def _download(url: str, target: Path) -> None:
    with (
        urllib.request.urlopen(url, timeout=_TIMEOUT) as response,
        target.open("wb") as stream,
    ):
        shutil.copyfileobj(response, stream)


def _md5(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
