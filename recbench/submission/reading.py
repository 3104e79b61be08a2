"""
Reading a bundle that somebody sent, of which nothing is taken on trust.

Only those members come out, into a folder of their own, that the manifest and the records call for.
"""

import hashlib
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pydantic import ValidationError

from recbench.errors import DataError, UserError
from recbench.file_digests import file_digest
from recbench.runs.evidence import RECORD
from recbench.runs.record import RunRecord
from recbench.runs.store import UPDATE, LaterError, later_than, read_record
from recbench.runs.verify import Verified
from recbench.submission.archive import Archive, archive, quoted
from recbench.submission.division import check_division
from recbench.submission.manifest import (
    ABOUT,
    ANSWERS,
    MANIFEST,
    SEARCH,
    VERSION,
    Division,
    Manifest,
    about_text,
    command_of,
    former_command_of,
    members_of,
    place_of,
)
from recbench.submission.tables import check_table


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
        In one line that names the bundle: as `recbench.submission.archive.archive`; for a member
        that is not named by the manifest, missing, or another one than was named; for a run that is
        not where it belongs, a command that is not its own, answers that are not those of its
        record, a table that is too large; and where its division does not take a run.
    """
    with tempfile.TemporaryDirectory(prefix="recbench-") as name:
        folder = Path(name).resolve()
        with _refused_by_name(bundle, folder):
            with archive(bundle) as members:
                manifest = _manifest(members)
                _check_named(members.names, manifest)
                for path, digest in manifest.files.items():
                    _unpack(members, path, folder, digest)
            _check_contents(folder, manifest)
        yield manifest, folder


@dataclass(frozen=True)
class Unpacked:
    """A bundle that was checked, the folder that it lies in meanwhile, and what it calls itself."""

    bundle: Path
    folder: Path
    division: Division

    @cached_property
    def sha256(self) -> str:
        """Of the bundle."""
        return file_digest(self.bundle)


@contextmanager
def all_opened(bundles: Iterable[Path]) -> Iterator[list[Unpacked]]:
    """Open bundles as `opened`; one that is named twice once."""
    with ExitStack() as unpacked:
        found = []
        for bundle in dict.fromkeys(bundles):
            manifest, folder = unpacked.enter_context(opened(bundle))
            found.append(Unpacked(bundle, folder, manifest.division))
        yield found


def bundle_of(folder: Path, bundles: Iterable[Unpacked]) -> Unpacked | None:
    """Return the bundle that a run's folder lies in; None if that is no bundle's."""
    return next((one for one in bundles if folder.is_relative_to(one.folder)), None)


def division_of(folder: Path, bundles: Iterable[Unpacked]) -> Division:
    """Return the division of a run's folder, that of the bundle which it lies in."""
    bundle = bundle_of(folder, bundles)
    return "open" if bundle is None else bundle.division


def read_manifest(bundle: Path) -> Manifest:
    """Read what a bundle says that it holds; raises as `opened`."""
    with _refused_by_name(bundle), archive(bundle) as members:
        return _manifest(members)


def as_in_bundle(found: Verified, folder: Path, bundle: Path) -> Verified:
    """Name a run, and what was found of it, by its place in the bundle it was unpacked from."""
    checks = tuple(
        one.model_copy(update={"why": named_in(one.why, folder, bundle)}) for one in found.checks
    )
    named = named_in(found.folder, folder, bundle)
    return found.model_copy(update={"folder": named, "checks": checks})


@contextmanager
def _refused_by_name(bundle: Path, folder: Path | None = None) -> Iterator[None]:
    """Name the bundle in which something is wrong, and say what helps."""
    try:
        yield
    except UserError as error:
        why = str(error) if folder is None else named_in(str(error), folder, bundle)
        is_later = isinstance(error, LaterError)
        helps = UPDATE if is_later else "ask for one that recbench submit wrote"
        raise DataError(f"{bundle} is refused: {why}; {helps}") from None


def named_in(text: str, folder: Path, bundle: Path) -> str:
    """Name places as they are in the bundle; nobody can move anything away there."""
    own = re.escape(str(folder))
    return re.sub(f"(; {UPDATE}, or|;) move {own}.*", "", text).replace(str(folder), str(bundle))


def _manifest(members: Archive) -> Manifest:
    if MANIFEST not in members.names:
        raise DataError(f"it has no {MANIFEST}")
    try:
        return Manifest.model_validate_json(b"".join(members.blocks(MANIFEST)))
    except ValidationError as error:
        if what := later_than(error, "version", VERSION):
            raise LaterError(f"{MANIFEST}, {what}") from None
        first = error.errors()[0]
    where = ".".join(map(str, first["loc"]))
    raise DataError(f"{MANIFEST}, {quoted(where)}: {first['msg']}")


def _check_named(names: set[str], manifest: Manifest) -> None:
    """Check that the archive holds what its manifest names, and nothing else."""
    if strange := sorted(names - manifest.files.keys() - {MANIFEST}):
        raise DataError(f"{quoted(strange[0])} is not in its manifest")
    if missing := sorted(manifest.files.keys() - names):
        raise DataError(f"it lacks {quoted(missing[0])}")
    if MANIFEST in manifest.files:
        raise DataError(f"{MANIFEST} names itself")


def _unpack(members: Archive, name: str, folder: Path, digest: str) -> None:
    target, hashed = folder / name, hashlib.sha256()
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():  # some file systems take two names for one
        raise DataError(f"{quoted(name)} is there twice")
    with target.open("xb") as stream:
        for block in members.blocks(name):
            hashed.update(block)
            stream.write(block)
    if (found := hashed.hexdigest()) != digest:
        said = f"{found[:12]}, and not {quoted(digest[:12])} as in its manifest"
        raise DataError(f"{quoted(name)} has the SHA-256 {said}")


def _check_contents(folder: Path, manifest: Manifest) -> None:
    """Check what was unpacked: everything is some run's, and each run has all of its own."""
    records: list[RunRecord] = []
    for path in sorted(folder.glob(f"*/*/*/*/*/{RECORD}")):
        record = read_record(path.parent)
        if place_of(record) != (found := path.parent.relative_to(folder).as_posix()):
            if record.belongs_into(found.split("/")[1:]):
                raise DataError(
                    f"{quoted(found)} is named as an earlier recbench did, with a colon: have its "
                    "run submitted anew"
                )
            raise DataError(f"{found}/{RECORD} is of {quoted(place_of(record))}")
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
        raise DataError(f"{quoted(strange[0])} belongs to no run")
    if missing := sorted(own - manifest.files.keys()):
        raise DataError(f"it lacks {quoted(missing[0])}")
    wanted = {place_of(one): (command_of(one), former_command_of(one)) for one in records}
    if wrong := sorted(wanted.keys() ^ manifest.runs.keys()):
        raise DataError(f"{MANIFEST} and the records do not agree on the run {quoted(wrong[0])}")
    for place, lines in wanted.items():
        if manifest.runs[place] not in lines:
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
