"""The archive of a bundle: members are looked at before any is read."""

import re
import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from recbench.data.archive import DAMAGED
from recbench.errors import DataError
from recbench.runs.evidence import RECORD
from recbench.runs.examples import EXAMPLES
from recbench.submission.manifest import ABOUT, ANSWERS, MANIFEST, RESULTS, SEARCH

LARGEST = 2**31 - 1
"""Bytes of a bundle: what a zip archive holds without extensions."""

_LARGEST_TEXT = 2**24
"""Bytes of what is read at once: all but tables and answers."""

_MOST = 10_000
"""Members."""

_LONGEST_NAME = 1000
"""Bytes of a member's name."""

_BLOCK = 2**20

_NAME = re.compile(f"{RESULTS}(/[^/]+){{4}}/({RECORD}|{EXAMPLES}|{ANSWERS}|{ABOUT})")


class Archive:
    """
    What a bundle holds, none of it read.

    Parameters
    ----------
    opened
        The archive.
    size
        Bytes of the file.

    Raises
    ------
    DataError
        For a member that leads out of its folder, is a link, encrypted, compressed, too large,
        there twice, or none that a bundle has; and where all come to more than the file.
    """

    def __init__(self, opened: zipfile.ZipFile, size: int) -> None:
        self._opened = opened
        self._members: dict[str, zipfile.ZipInfo] = {}
        found = opened.infolist()
        if len(found) > _MOST:
            raise DataError(f"it has {len(found)} members, and no bundle more than {_MOST}")
        for member in found:
            if why := _why_not(member):
                raise DataError(f"{quoted(member.filename)} {why}")
            if member.filename in self._members:
                raise DataError(f"{quoted(member.filename)} is there twice")
            self._members[member.filename] = member
        # What lies over one another would come to more than the file that holds it.
        if sum(one.file_size for one in found) > size:
            raise DataError("its members come to more bytes than it has itself")

    @property
    def names(self) -> set[str]:
        """The members."""
        return set(self._members)

    def blocks(self, name: str) -> Iterator[bytes]:
        """Read a member; whoever writes what comes meets the errors of the disk alone."""
        try:
            with self._opened.open(self._members[name]) as stream:
                while block := stream.read(_BLOCK):
                    yield block
        except DAMAGED as error:
            raise DataError(f"{quoted(name)} cannot be read ({_words(error)})") from None


@contextmanager
def archive(bundle: Path) -> Iterator[Archive]:
    """Open the archive of a bundle; DataError where there is no sound one, and as `Archive`."""
    if not bundle.is_file():
        raise DataError("it is no file")
    if (size := bundle.stat().st_size) > LARGEST:
        raise DataError(f"it has {size} bytes, and no bundle more than {LARGEST}")
    with bundle.open("rb") as stream:
        try:
            opened = zipfile.ZipFile(stream)
        except DAMAGED as error:
            raise DataError(f"it is no sound zip archive ({_words(error)})") from None
        with opened:
            yield Archive(opened, size)


def quoted(name: str) -> str:
    """Write what somebody else wrote so that it stays on one line, and is not endless."""
    text = ascii(name)[1:-1]
    return text if len(text) <= 200 else f"{text[:200]}..."


def _why_not(member: zipfile.ZipInfo) -> str:
    """Say what is wrong with a member before it is read; empty for nothing."""
    name = member.filename
    parts = name.replace("\\", "/").split("/")
    if name[:1] in ("/", "\\") or ".." in parts or name[1:2] == ":":
        return "leads out of its folder"
    if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG):
        return "is a link, or another thing than a file"
    usual = _NAME.fullmatch(name) or name in (MANIFEST, SEARCH)
    if not usual or "." in parts or not name.isprintable() or len(name.encode()) > _LONGEST_NAME:
        return "is no member that a bundle has"
    if member.flag_bits & 1:
        return "is encrypted"
    if member.compress_type != zipfile.ZIP_STORED or member.file_size != member.compress_size:
        return "is compressed, which no member of a bundle is"
    if parts[-1] not in (EXAMPLES, ANSWERS) and member.file_size > _LARGEST_TEXT:
        return f"has {member.file_size} bytes, and may have {_LARGEST_TEXT}"
    return ""


def _words(error: Exception) -> str:
    return quoted(" ".join(str(error).split()))
