"""Archives that nobody vouches for: only the files asked for come out, and only so many bytes."""

import gzip
import stat
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO

from recbench.errors import RecbenchError

_BLOCK = 1 << 20
_GROWTH = 100
_SMALL = 1 << 20  # bytes that any archive may come to
_DAMAGE = (zipfile.BadZipFile, EOFError, zlib.error, gzip.BadGzipFile)


def unpacked(archive: Path, names: Iterable[str], folder: Path) -> None:
    """
    Unpack some files of a zip archive into `folder`.

    Parameters
    ----------
    archive
        The zip file.
    names
        Paths inside it; each file comes to lie in `folder` under its last part.
    folder
        Must exist.

    Raises
    ------
    RecbenchError
        If it is no zip archive or damaged; lacks a file; holds a path that leads out of its
        folder, a link or an encrypted file; or its files come to more than 100 times its own size.
        Nothing but the files asked for is ever written, and the last one may then be cut short.
    """
    room = _room(archive)
    try:
        with zipfile.ZipFile(archive) as opened:
            members = {member.filename: member for member in opened.infolist()}
            for member in members.values():
                _check(archive, member)
            for name in names:
                if name not in members:
                    raise RecbenchError(f"{archive} is refused: it holds no {name}")
                target = folder / PurePosixPath(name).name
                with opened.open(members[name]) as packed, target.open("wb") as stream:
                    room = _copy(archive, packed, stream, room)
    except _DAMAGE as error:
        raise RecbenchError(f"{archive} is not a sound zip archive: {error}; delete it") from None
    except NotImplementedError as error:
        raise RecbenchError(f"{archive} cannot be unpacked: {error}") from None


def check_gzip(file: Path) -> None:
    """
    Read a gzip file to its end.

    Raises
    ------
    RecbenchError
        If it is no gzip file, damaged, cut short, or comes to more than 100 times its own size.
    """
    try:
        with gzip.open(file) as packed:
            _copy(file, packed, None, _room(file))
    except _DAMAGE as error:
        raise RecbenchError(f"{file} is not a sound gzip file: {error}") from None


def _room(archive: Path) -> int:
    """Return how many bytes may come out: text shrinks to a tenth, a bomb to a thousandth."""
    return max(_SMALL, _GROWTH * archive.stat().st_size)


def _check(archive: Path, member: zipfile.ZipInfo) -> None:
    path = PurePosixPath(member.filename.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in "".join(path.parts[:1]):
        raise RecbenchError(f"{archive} is refused: '{member.filename}' leads out of its folder")
    if stat.S_ISLNK(member.external_attr >> 16):
        raise RecbenchError(f"{archive} is refused: '{member.filename}' is a link")
    if member.flag_bits & 1:
        raise RecbenchError(f"{archive} is refused: '{member.filename}' is encrypted")


def _copy(
    archive: Path, packed: IO[bytes] | gzip.GzipFile, stream: BinaryIO | None, room: int
) -> int:
    """Copy into `stream`, if there is one; return how many bytes may still come."""
    while block := packed.read(_BLOCK):
        room -= len(block)
        if room < 0:
            raise RecbenchError(
                f"{archive} is refused: it unpacks to more than {_GROWTH} times its size"
            )
        if stream is not None:
            stream.write(block)
    return room
