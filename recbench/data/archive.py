"""Archives that nobody vouches for: only the files asked for come out, and only so many bytes."""

import gzip
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from recbench.errors import DataError, RecbenchError

DAMAGED = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, OverflowError),
    *(NotImplementedError, RuntimeError, ValueError),
)
"""What reading a damaged archive may raise, of which every place and size may be anything."""

_ZIP = "zip archive"
_BLOCK = 1 << 20
_GROWTH = 100
_SMALL = 1 << 20  # bytes that any archive may come to


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
        If it is no zip archive or damaged; lacks a file or has one twice; holds a path that leads
        out of its folder, a link or an encrypted file; or its files come to more than 100 times its
        own size. Nothing but the files asked for is ever written, and the last one may then be cut
        short.
    """
    room = room_of(archive)
    with archive.open("rb") as file:
        try:
            opened = zipfile.ZipFile(file)
        except DAMAGED as error:
            raise _unsound(archive, _ZIP, error) from None
        with opened:
            members = _members(archive, opened)
            for name in names:
                if name not in members:
                    raise RecbenchError(f"{archive} is refused: it holds no {name}")
                blocks = _blocks(archive, _ZIP, partial(opened.open, members[name]))
                with (folder / PurePosixPath(name).name).open("wb") as stream:
                    for block in blocks:
                        room = left_of(archive, room, block)
                        stream.write(block)


def check_gzip(file: Path) -> None:
    """
    Read a gzip file to its end.

    Raises
    ------
    RecbenchError
        If it is no gzip file, damaged, cut short, or comes to more than 100 times its own size.
    """
    room = room_of(file)
    with file.open("rb") as packed:
        for block in _blocks(file, "gzip file", partial(gzip.open, packed)):
            room = left_of(file, room, block)


def room_of(archive: Path) -> int:
    """Return how many bytes may come out: text shrinks to a tenth, a bomb to a thousandth."""
    return max(_SMALL, _GROWTH * archive.stat().st_size)


def left_of(archive: Path, room: int, block: bytes) -> int:
    """Return how many bytes may still come out after a block; DataError where it is too long."""
    if len(block) > room:
        raise DataError(f"{archive} is refused: it unpacks to more than {_GROWTH} times its size")
    return room - len(block)


def _members(archive: Path, opened: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Return what an archive holds by its path, all of it looked at."""
    members: dict[str, zipfile.ZipInfo] = {}
    for member in opened.infolist():
        if why := _why_not(member, member.filename in members):
            raise RecbenchError(f"{archive} is refused: {member.filename!r} {why}")
        members[member.filename] = member
    return members


def _why_not(member: zipfile.ZipInfo, twice: bool) -> str:
    """Say what is wrong with a member; empty for nothing."""
    path = PurePosixPath(member.filename.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in "".join(path.parts[:1]):
        return "leads out of its folder"
    if stat.S_ISLNK(member.external_attr >> 16):
        return "is a link"
    if member.flag_bits & 1:
        return "is encrypted"
    return "is there twice" if twice else ""


def _blocks(
    archive: Path, kind: str, opened: Callable[[], IO[bytes] | gzip.GzipFile]
) -> Iterator[bytes]:
    """Read block by block; whoever writes what comes meets the errors of the disk alone."""
    try:
        with opened() as packed:
            while block := packed.read(_BLOCK):
                yield block
    except DAMAGED as error:
        raise _unsound(archive, kind, error) from None


def _unsound(archive: Path, kind: str, error: Exception) -> RecbenchError:
    said = " ".join(str(error).split()) or type(error).__name__
    remedy = "; delete it" if kind == _ZIP else ""
    return RecbenchError(f"{archive} is not a sound {kind}: {said}{remedy}")
