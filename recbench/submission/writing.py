"""
Writing a bundle: the same runs give the same bytes.

None stands at its place that whoever reads it (`recbench.submission.reading`) would find too large.
"""

import hashlib
import shutil
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from recbench.atomic_write import atomic_file
from recbench.errors import DataError, UserError
from recbench.file_digests import file_digest
from recbench.runs.examples import read_answers
from recbench.runs.store import Run
from recbench.submission.archive import LARGEST, archive
from recbench.submission.division import check_division
from recbench.submission.manifest import (
    ABOUT,
    ANSWERS,
    MANIFEST,
    SEARCH,
    Division,
    Manifest,
    about_text,
    members_of,
)
from recbench.submission.reading import read_manifest
from recbench.submission.tables import check_table

Source = Path | bytes
"""A file, or what one would hold."""

_DATE = (1980, 1, 1, 0, 0, 0)
"""Of every member: the first that a zip archive knows."""


def write_bundle(
    runs: Sequence[Run],
    out: Path,
    division: Division = "open",
    search: Path | None = None,
    answers: Sequence[Path] = (),
) -> Manifest:
    """
    Write runs into one file.

    Parameters
    ----------
    runs
        Verified, and none twice.
    out
        The file; a bundle that stands there is replaced.
    division
        In which they are submitted; what it asks is checked.
    search
        The settings that were tried, as ``tools/search.py`` writes them.
    answers
        The files of those runs whose answers came from outside, where they do not lie beside them.

    Returns
    -------
    Manifest
        What the bundle holds.

    Raises
    ------
    UserError
        For a run that its division does not take; for a search or answers that are no file, a run
        whose answers are not there, answers of no run; where something else than a bundle stands at
        `out`, or it would be too large; a bundle that stands there then stays.
    """
    check_target(out)
    for option, file in [("search", search), *(("answers", one) for one in answers)]:
        if file is not None and not file.is_file():
            raise UserError(f"--{option} names a file, and {file} is none; check its path")
    records = [run.record for run in runs]
    check_division(division, records, search)
    files = _answers(runs, answers)
    sources: dict[str, Source] = {} if search is None else {SEARCH: search}
    for run in runs:
        own: dict[str, Source] = {}
        if run.record.outside is not None:
            own = {ANSWERS: files[run.record.outside.file], ABOUT: about_text(run.record).encode()}
        for name, member in members_of(run.record).items():
            sources[member] = own.get(name, run.folder / name)
    _check_size(sources)
    _check_tables(runs)
    hashes = {name: _sha256(source) for name, source in sources.items()}
    manifest = Manifest.of(records, division, hashes)
    _write(out, {**sources, MANIFEST: manifest.text.encode()})
    return manifest


def held_texts(runs: Sequence[Run]) -> list[str]:
    """Return the systems of whose runs texts are kept."""
    writers = [run for run in runs if run.record.writes and read_answers(run.folder) is not None]
    return sorted({run.record.model for run in writers})


def held_besides(
    runs: Sequence[Run], answers: Sequence[Path], unread: Callable[[Path, str | None], list[str]]
) -> dict[Path, list[str]]:
    """
    Return what files of answers hold that nobody reads, and that a bundle of them passes on.

    Parameters
    ----------
    runs, answers
        As for `write_bundle`.
    unread
        Names that of a file of one format (`recbench.outside.unread`).
    """
    files = _answers(runs, answers)
    outside = [run.record.outside for run in runs if run.record.outside is not None]
    found = {files[one.file]: unread(files[one.file], one.format) for one in outside}
    return {file: names for file, names in found.items() if names}


def check_target(out: Path) -> None:
    """
    Check that nothing of the user's is written over.

    Raises
    ------
    UserError
        If something stands there that is no bundle, or it is not named as one.
    """
    if out.suffix.lower() != ".zip":
        raise UserError(f"--out names a bundle to write, and {out} does not end in .zip")
    if out.exists():
        try:
            read_manifest(out)
        except DataError:
            raise UserError(
                f"{out} is no bundle of recbench, and is not written over; name another --out"
            ) from None


def _answers(runs: Sequence[Run], named: Sequence[Path]) -> dict[str, Path]:
    """Return the files of answers by their SHA-256, each of them some run's."""
    beside = [run.folder / ANSWERS for run in runs if (run.folder / ANSWERS).is_file()]
    found = {_sha256(file): file for file in (*beside, *named)}
    records = [run.record for run in runs]
    wanted = {record.outside.file: record for record in records if record.outside is not None}
    for digest, record in wanted.items():
        if digest not in found:
            raise UserError(
                f"{record.model}, seed {record.seed}, came from a file of answers, without which "
                f"nobody could judge it again: name it with --answers (SHA-256 {digest[:12]})"
            )
    for file in named:
        if _sha256(file) not in wanted:
            raise UserError(f"{file} holds the answers of none of these runs; leave it out")
    return found


def _check_size(sources: Mapping[str, Source]) -> None:
    size = sum(one.stat().st_size for one in sources.values() if isinstance(one, Path))
    if size > LARGEST:
        raise UserError(
            f"these runs come to {size / 2**30:.1f} GiB, and a bundle holds "
            f"{LARGEST / 2**30:.0f}; submit fewer at once"
        )


def _check_tables(runs: Sequence[Run]) -> None:
    """Refuse a run whose table nobody would read who gets it."""
    for run in runs:
        try:
            check_table(run.folder, run.record)
        except DataError as error:
            helps = "leave that run out, or ask it anew, where it is too large with fewer --draws"
            raise UserError(f"{error}; {helps}") from None


def _sha256(source: Source) -> str:
    if isinstance(source, bytes):
        return hashlib.sha256(source).hexdigest()
    return file_digest(source)


def _write(out: Path, sources: Mapping[str, Source]) -> None:
    """Write members sorted and as they are: how something is compressed depends on the library."""
    with atomic_file(out) as partial:
        with zipfile.ZipFile(partial, "w") as bundle:
            for name, source in sorted(sources.items()):
                _add(bundle, name, source)
        _check_taken(partial)


def _add(bundle: zipfile.ZipFile, name: str, source: Source) -> None:
    member = zipfile.ZipInfo(name, _DATE)
    member.create_system, member.external_attr = 3, 0o644 << 16  # a plain file, on Unix
    if isinstance(source, bytes):
        bundle.writestr(member, source)
        return
    with source.open("rb") as stream, bundle.open(member, "w") as written:
        shutil.copyfileobj(stream, written)


def _check_taken(bundle: Path) -> None:
    """Refuse what a reader would refuse of the archive: too many members, or too large ones."""
    try:
        with archive(bundle):
            pass
    except DataError as error:
        raise UserError(
            f"nobody could read a bundle of these runs: {error}; submit fewer at once"
        ) from None
