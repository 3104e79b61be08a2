"""
Reading a bundle that somebody sent, of which nothing is taken on trust.

Members are looked at before any is read, and only those come out, into a folder of their own, that
the manifest and the records call for.
"""

import hashlib
import re
import stat
import struct
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from recbench.errors import DataError, UserError
from recbench.runs.evidence import RECORD
from recbench.runs.examples import EXAMPLES
from recbench.runs.record import RunRecord
from recbench.runs.store import read_record
from recbench.runs.verify import Verified
from recbench.submission.division import check_division
from recbench.submission.manifest import (
    ABOUT,
    ANSWERS,
    MANIFEST,
    RESULTS,
    SEARCH,
    Manifest,
    about_text,
    command_of,
    members_of,
    place_of,
)
from recbench.submission.tables import check_table

LARGEST = 2**31 - 1
"""Bytes of a bundle: what a zip archive holds without extensions."""

_LARGEST_TEXT = 2**24
"""Bytes of what is read at once: all but tables and answers."""

_MOST = 10_000
"""Members."""

_BLOCK = 2**20

_LONGEST_NAME = 1000
"""Bytes."""

_NAME = re.compile(f"{RESULTS}(/[^/]+){{4}}/({RECORD}|{EXAMPLES}|{ANSWERS}|{ABOUT})")

_DAMAGE = (
    *(zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError, OSError),
    *(OverflowError, struct.error),
)
"""What reading a damaged archive may raise, of which every place and size may be anything."""


@contextmanager
def opened(bundle: Path) -> Iterator[tuple[Manifest, Path]]:
    """
    Check a bundle and unpack it into a folder that is gone afterwards.

    What the runs themselves say is left to `recbench.runs.verify`.

    Yields
    ------
    Manifest
        What it holds.
    Path
        The folder.

    Raises
    ------
    DataError
        In one line that names the bundle: if it is no sound zip archive, or too large; for a member
        that leads out of its folder, is a link, encrypted, compressed, there twice, none that a
        bundle has, not named by the manifest, missing, or another one than was named; for a run
        that is not where it belongs, a command that is not its own, answers that are not those of
        its record, a table that is too large; and where its division does not take a run.
    """
    with tempfile.TemporaryDirectory(prefix="recbench-") as name:
        folder = Path(name).resolve()
        with _archive(bundle) as archive:
            members = _members(bundle, archive)
            manifest = _manifest(bundle, archive, members)
            _check_named(bundle, members, manifest)
            for path, digest in manifest.files.items():
                _unpack(bundle, archive, members[path], folder, digest)
        try:
            _check_contents(folder, manifest)
        except UserError as error:
            raise refused(bundle, _as_named(str(error), folder, bundle)) from None
        yield manifest, folder


def read_manifest(bundle: Path) -> Manifest:
    """Read what a bundle says that it holds; raises as `opened`."""
    with _archive(bundle) as archive:
        return _manifest(bundle, archive, _members(bundle, archive))


def as_in_bundle(found: Verified, folder: Path, bundle: Path) -> Verified:
    """Name a run, and what was found of it, by its place in the bundle it was unpacked from."""
    checks = tuple(
        one.model_copy(update={"why": _as_named(one.why, folder, bundle)}) for one in found.checks
    )
    named = _as_named(found.folder, folder, bundle)
    return found.model_copy(update={"folder": named, "checks": checks})


def refused(bundle: Path, why: str) -> DataError:
    """Say why a bundle is not to be trusted."""
    return DataError(f"{bundle} is refused: {why}; ask for one that recbench submit wrote")


def _as_named(text: str, folder: Path, bundle: Path) -> str:
    """Name places as they are in the bundle; nobody can move anything away there."""
    own = re.escape(str(folder))
    return re.sub(f"; move {own}.*", "", text).replace(str(folder), str(bundle))


@contextmanager
def _archive(bundle: Path) -> Iterator[zipfile.ZipFile]:
    if not bundle.is_file():
        raise DataError(f"{bundle}: expected a bundle that recbench submit wrote, found no file")
    if (size := bundle.stat().st_size) > LARGEST:
        raise refused(bundle, f"it has {size} bytes, and no bundle more than {LARGEST}")
    with bundle.open("rb") as stream:
        try:
            archive = zipfile.ZipFile(stream)
        except _DAMAGE as error:
            raise refused(bundle, f"it is no sound zip archive ({_words(error)})") from None
        with archive:
            yield archive


def _members(bundle: Path, archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Look at all members before any is read, and return them by name."""
    found, members = archive.infolist(), dict[str, zipfile.ZipInfo]()
    if len(found) > _MOST:
        raise refused(bundle, f"it has {len(found)} members, and no bundle more than {_MOST}")
    for member in found:
        if why := _why_not(member):
            raise refused(bundle, f"{_quoted(member.filename)} {why}")
        if member.filename in members:
            raise refused(bundle, f"{_quoted(member.filename)} is there twice")
        members[member.filename] = member
    # What lies over one another would come to more than the file that holds it.
    if sum(one.file_size for one in found) > bundle.stat().st_size:
        raise refused(bundle, "its members come to more bytes than it has itself")
    return members


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


def _manifest(
    bundle: Path, archive: zipfile.ZipFile, members: Mapping[str, zipfile.ZipInfo]
) -> Manifest:
    if MANIFEST not in members:
        raise refused(bundle, f"it has no {MANIFEST}")
    text = b"".join(_blocks(bundle, archive, members[MANIFEST]))
    try:
        return Manifest.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
    where = ".".join(map(str, first["loc"]))
    raise refused(bundle, f"{MANIFEST}, {_quoted(where)}: {first['msg']}")


def _check_named(bundle: Path, members: Mapping[str, zipfile.ZipInfo], manifest: Manifest) -> None:
    """Check that the archive holds what its manifest names, and nothing else."""
    if strange := sorted(members.keys() - manifest.files.keys() - {MANIFEST}):
        raise refused(bundle, f"{_quoted(strange[0])} is not in its manifest")
    if missing := sorted((manifest.files.keys() | {MANIFEST}) - members.keys()):
        raise refused(bundle, f"it lacks {_quoted(missing[0])}")
    if MANIFEST in manifest.files:
        raise refused(bundle, f"{MANIFEST} names itself")


def _unpack(
    bundle: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path, digest: str
) -> None:
    target, hashed = folder / member.filename, hashlib.sha256()
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():  # some file systems take two names for one
        raise refused(bundle, f"{_quoted(member.filename)} is there twice")
    with target.open("xb") as stream:
        for block in _blocks(bundle, archive, member):
            hashed.update(block)
            stream.write(block)
    if (found := hashed.hexdigest()) != digest:
        said = f"{found[:12]}, and not {_quoted(digest[:12])} as in its manifest"
        raise refused(bundle, f"{_quoted(member.filename)} has the SHA-256 {said}")


def _blocks(bundle: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    """Read a member; whoever writes what comes meets the errors of the disk alone."""
    try:
        stream = archive.open(member)
    except _DAMAGE as error:
        raise refused(bundle, _damage(member, error)) from None
    with stream:
        while True:
            try:
                block = stream.read(_BLOCK)
            except _DAMAGE as error:
                raise refused(bundle, _damage(member, error)) from None
            if not block:
                return
            yield block


def _check_contents(folder: Path, manifest: Manifest) -> None:
    """Check what was unpacked: everything is some run's, and each run has all of its own."""
    records: list[RunRecord] = []
    for path in sorted(folder.glob(f"*/*/*/*/*/{RECORD}")):
        record = read_record(path.parent)
        if place_of(record) != (found := path.parent.relative_to(folder).as_posix()):
            raise DataError(f"{found}/{RECORD} is of {_quoted(place_of(record))}")
        records.append(record)
    if not records:
        raise DataError("it holds no run")
    _check_belongs(records, manifest)
    for record in records:
        _check_run(folder, record, manifest)
    search = folder / SEARCH if SEARCH in manifest.files else None
    check_division(manifest.division, records, search)


def _check_belongs(records: Sequence[RunRecord], manifest: Manifest) -> None:
    own = {path for record in records for path in members_of(record).values()}
    if strange := sorted(manifest.files.keys() - own - {SEARCH}):
        raise DataError(f"{_quoted(strange[0])} belongs to no run")
    if missing := sorted(own - manifest.files.keys()):
        raise DataError(f"it lacks {_quoted(missing[0])}")
    wanted = {place_of(record): command_of(record) for record in records}
    if wrong := sorted(wanted.keys() ^ manifest.runs.keys()):
        raise DataError(f"{MANIFEST} and the records do not agree on the run {_quoted(wrong[0])}")
    for place, line in wanted.items():
        if manifest.runs[place] != line:
            raise DataError(f"the command of {place} is not that of its record")


def _check_run(folder: Path, record: RunRecord, manifest: Manifest) -> None:
    check_table(folder / place_of(record), record)
    if record.outside is None:
        return
    names = members_of(record)
    if manifest.files[names[ANSWERS]] != record.outside.file:
        raise DataError(f"{names[ANSWERS]} is not the file that its record was made of")
    if (folder / names[ABOUT]).read_bytes() != about_text(record).encode():
        raise DataError(f"{names[ABOUT]} does not say what its record says")


def _damage(member: zipfile.ZipInfo, error: Exception) -> str:
    return f"{_quoted(member.filename)} cannot be read ({_words(error)})"


def _words(error: Exception) -> str:
    return ascii(" ".join(str(error).split()))[1:-1][:100]


def _quoted(name: str) -> str:
    """Write what somebody else wrote so that it stays on one line, and is not endless."""
    text = ascii(name)[1:-1]
    return text if len(text) <= 200 else f"{text[:200]}..."
