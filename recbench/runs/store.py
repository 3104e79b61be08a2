"""
Runs on disk.

``results/<dataset>/<protocol>/<model>/<run id>/`` (`Setup.place`) holds ``examples.parquet`` (one
row an example and draw) and ``record.json``, which is written last: where it stands, the run is
complete. A second run of the same row and seed finds the same folder, finished or to be gone on
with. Whoever reads a run has it checked (`recbench.runs.evidence`).
"""

import json
import math
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from recbench.atomic_write import atomic_file, folder_aside, to_disk
from recbench.errors import DataError, UserError
from recbench.evaluation.evaluator import Judgement
from recbench.questions.cold_start import ColdStart
from recbench.runs.checked_runs import CheckedRuns
from recbench.runs.evidence import RECORD, check_apart, check_run
from recbench.runs.examples import EXAMPLES, copy_without_answers, write_examples
from recbench.runs.places import folder_of
from recbench.runs.record import SCHEMA_VERSION, RunRecord, Setup

CHECKPOINTS = "checkpoints"

IMPORTED = "from.json"
"""Beside the record of a run that was taken in from elsewhere: `Origin`."""


UPDATE = "update recbench"
"""What helps where something is of a later one."""


class LaterError(DataError):
    """Something is of a later recbench, and not damaged as far as this one can tell."""


@dataclass(frozen=True)
class Run:
    """
    A finished run.

    Attributes
    ----------
    folder
        Where it lies.
    record
        What it says.
    reused
        Whether it was found finished, not made now.
    """

    folder: Path
    record: RunRecord
    reused: bool = False


class Origin(BaseModel):
    """
    Where a run came from that was taken in: no part of it, and of no digest.

    Attributes
    ----------
    source, sha256
        The bundle, or the folder, which has no SHA-256.
    when
        UTC, ISO 8601.
    record_sha256
        Of the record that came: of one that was made in its place since, nothing is said.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str
    sha256: str
    when: str
    record_sha256: str

    @property
    def words(self) -> str:
        """All of it in one line."""
        named = f" (SHA-256 {self.sha256[:12]})" if self.sha256 else ""
        return f"from {self.source}{named}, {self.when}"


def origin(folder: Path) -> Origin | None:
    """Return where the finished run in a folder came from; None if it was made here."""
    try:
        found = Origin.model_validate_json((folder / IMPORTED).read_bytes())
        return found if found.record_sha256 == read_record(folder).record_sha256 else None
    except (OSError, ValidationError, DataError):
        return None


def run_folder(results: Path, setup: Setup) -> Path:
    """Return the folder of a run, which need not exist."""
    return folder_of(results / setup.dataset / setup.protocol, setup.model) / setup.run_id


def own_folder(named: Path) -> Path:
    """Return the folder that a link is of: a run is known by the name of its own."""
    return named.resolve() if named.is_symlink() else named


def finished(folder: Path) -> Run | None:
    """
    Read and check a run, or return None where it is not complete.

    Raises
    ------
    DataError
        If the record is broken, of another schema version, or says what its folder, its settings or
        its examples do not.
    """
    if not (folder / RECORD).exists():
        return None
    record = read_record(folder)
    check_run(folder, record)
    return Run(folder, record, reused=True)


def finish(folder: Path, record: RunRecord, judgement: Judgement, counts: ColdStart) -> Run:
    """
    Complete a run: examples first, the record last, then the checkpoints go.

    A finished run that stands in the folder stays until the new one is whole.

    Parameters
    ----------
    folder
        Of this run; killed at any moment, it is either complete or can be run again.
    record
        What to write; the digests of the examples and of itself are added.
    judgement, counts
        What to write.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with folder_aside(folder / EXAMPLES) as aside:
        digest = write_examples(aside, judgement.outcome, judgement.answers, counts)
        complete = record.signed(digest)
        place(folder, complete, aside)
    shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
    return Run(folder, complete)


def run_folders(root: Path) -> list[Path]:
    """Return the folders of all finished runs below a results folder, sorted."""
    return sorted(path.parent for path in root.glob(f"*/*/*/*/{RECORD}"))


def runs(
    results: Path, report: Callable[[str], None] | None = None, cache: Path | None = None
) -> list[Run]:
    """
    Read and check every finished run below a results folder, sorted by path.

    Parameters
    ----------
    results
        The folder; none where there is no folder.
    report
        Told one line about each run that is broken, which is then left out. Without it the first
        such run raises DataError.
    cache
        Where it is kept which runs have been checked (`recbench.runs.checked_runs`). None checks
        all.
    """
    checked, found = CheckedRuns(cache), list[Run]()
    of_row: dict[str, list[RunRecord]] = {}
    for folder in run_folders(results):
        try:
            record = read_record(folder)
            checked.check(folder, record)
            check_apart(folder, record, same := of_row.setdefault(record.row, []))
        except DataError as error:
            if report is None:
                raise
            report(str(error))
            continue
        same.append(record)
        found.append(Run(folder, record, reused=True))
    checked.write()
    return found


def apart(found: Sequence[Run]) -> list[Run]:
    """
    Return runs of any folders, of which none may be another one under another name.

    Raises
    ------
    DataError
        If one is; see `recbench.runs.evidence.check_apart`.
    """
    of_row: dict[str, list[RunRecord]] = {}
    for run in found:
        check_apart(run.folder, run.record, same := of_row.setdefault(run.record.row, []))
        same.append(run.record)
    return list(found)


def check_whole(run: Run) -> None:
    """Refuse a run of the first test rows alone, with a UserError: it is no result to publish."""
    if run.record.limit is not None:
        raise UserError(
            f"{run.folder} is {run.record.no_result}; run it without --limit, or move it away"
        )


def publish(run: Run, results: Path) -> Path:
    """
    Copy a run into a results folder that may be committed.

    The record, and the examples without ``answer``, so that no titles are published; no weights.

    Parameters
    ----------
    run
        A finished run.
    results
        The root that the copy goes below, at the run's usual place.

    Returns
    -------
    Path
        The copy's folder; one that stood there is overwritten.

    Raises
    ------
    UserError
        If a part of the test rows was asked about; see `check_whole`.
    DataError
        If the run's examples are missing or damaged.
    """
    check_whole(run)
    folder = run_folder(results, run.record)
    folder.mkdir(parents=True, exist_ok=True)
    with folder_aside(folder / EXAMPLES) as aside:
        digest = copy_without_answers(run.folder, aside)
        place(folder, run.record.signed(digest), aside)
    return folder


def read_record(folder: Path) -> RunRecord:
    """
    Read a run's record; nothing but its schema is checked.

    Raises
    ------
    DataError
        If it is broken, or of another schema version; LaterError where a later recbench wrote it.
    """
    path, away = folder / RECORD, f"move {folder} away"
    if path.exists() and not path.is_file():  # a pipe would be waited for
        raise DataError(f"{path} is no file; {away}")
    try:
        text = path.read_bytes()
        record = RunRecord.model_validate_json(text)
    except ValidationError as error:
        if what := later_than(error, "schema_version", SCHEMA_VERSION):
            what = what.replace("schema_version", "schema version")
            raise LaterError(f"{path}: {what}; {UPDATE}, or {away}") from None
        first = error.errors()[0]
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}; {away}") from None
    else:
        if not all(map(math.isfinite, _numbers(record.model_dump()))):
            raise DataError(f"{path}: expected finite numbers, found another; {away}")
        return record
    field, said = ".".join(map(str, first["loc"])), first["msg"].removeprefix("Value error, ")
    if not field:
        raise DataError(f"{path}: expected a JSON record: {said}; {away}")
    if (version := _version(text)) != SCHEMA_VERSION:
        raise DataError(
            f"{path}: schema version {version}, expected {SCHEMA_VERSION}; {away}, or "
            "read it with the recbench that wrote it"
        )
    raise DataError(f"{path}: field '{field}': {said}; {away}")


def later_than(error: ValidationError, version: str, own: int) -> str:
    """
    Say of what cannot be read why it is of a later recbench; empty where it is not known to be.

    Parameters
    ----------
    error
        Of a page that refuses unknown fields.
    version, own
        The field that names its version, and the one that is read here.
    """
    found = error.errors()
    for one in found:
        if one["loc"] == (version,) and type(one["input"]) is int and one["input"] > own:
            return f"{version} {one['input']} is of a later recbench"
    if any(one["type"] != "extra_forbidden" for one in found):
        return ""
    field = ascii(".".join(map(str, found[0]["loc"])))[1:-1][:60]
    return f"field '{field}' is of a later recbench"


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, dict | list | tuple):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _numbers(one)
    elif isinstance(value, float):
        yield value


def _version(text: bytes) -> object:
    return json.loads(text).get("schema_version")


def place(folder: Path, record: RunRecord, aside: Path, text: bytes | None = None) -> None:
    """
    Put a run that is whole where it belongs; one that stands there goes at this moment.

    Parameters
    ----------
    folder
        Where it belongs.
    record
        Of these examples.
    aside
        Folder of the examples, and of what else belongs beside the record, on the same disk; all of
        it is moved.
    text
        The record as it was written before, to be kept so; None writes it.
    """
    written = text or f"{record.model_dump_json(indent=2)}\n".encode()
    with atomic_file(folder / RECORD) as partial:
        partial.write_bytes(written)
        (folder / RECORD).unlink(missing_ok=True)  # one never stands beside another's examples
        for file in sorted(aside.iterdir()):
            to_disk(file)
            file.replace(folder / file.name)
