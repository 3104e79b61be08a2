"""
Runs on disk.

``results/<dataset>/<protocol>/<model>/<run id>/`` holds ``examples.parquet`` (one row an example
and draw) and ``record.json``, which is written last: where it stands, the run is complete. A second
run of the same row and seed finds the same folder, finished or to be gone on with. Whoever reads a
run has it checked (`recbench.runs.evidence`).
"""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from recbench.atomic_write import atomic_file
from recbench.errors import DataError
from recbench.evaluation.evaluator import Judgement
from recbench.questions.cold_start import ColdStart
from recbench.runs.evidence import RECORD, check_content, check_names
from recbench.runs.examples import EXAMPLES, copy_without_answers, write_examples
from recbench.runs.record import SCHEMA_VERSION, RunRecord, Setup

MODEL = "model"
CHECKPOINTS = "checkpoints"
CHECKED = "checked-runs.json"
"""In the cache folder: what was checked, by size, time and digest."""


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


def run_folder(results: Path, setup: Setup) -> Path:
    """Return the folder of a run, which need not exist."""
    return results / setup.dataset / setup.protocol / setup.model / setup.run_id


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
    record = _record(folder)
    check_names(folder, record)
    check_content(folder, record)
    return Run(folder, record, reused=True)


def finish(folder: Path, record: RunRecord, judgement: Judgement, counts: ColdStart) -> Run:
    """
    Complete a run: examples first, the record last, then the checkpoints go.

    Parameters
    ----------
    folder
        Of this run; killed at any moment, it is either complete or can be run again.
    record
        What to write; the digest of the examples is added.
    judgement, counts
        What to write.
    """
    (folder / RECORD).unlink(missing_ok=True)  # a record never stands beside another's examples
    digest = write_examples(folder, judgement.outcome, judgement.answers, counts)
    complete = record.model_copy(update={"examples_sha256": digest})
    _write_record(folder, complete)
    shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
    return Run(folder, complete)


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
        Where it is kept which examples have been checked; a run whose files have not changed since
        is not worked out again. None checks all.
    """
    checked = _Checked(cache)
    found = []
    for path in sorted(results.glob(f"*/*/*/*/{RECORD}")):
        folder = path.parent
        try:
            record = _record(folder)
            check_names(folder, record)
            checked.check(folder, record)
        except DataError as error:
            if report is None:
                raise
            report(str(error))
            continue
        found.append(Run(folder, record, reused=True))
    checked.write()
    return found


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
    DataError
        If the run's examples are missing or damaged.
    """
    folder = run_folder(results, run.record)
    folder.mkdir(parents=True, exist_ok=True)
    digest = copy_without_answers(run.folder, folder)
    _write_record(folder, run.record.model_copy(update={"examples_sha256": digest}))
    return folder


class _Checked:
    """Which runs have been checked, as their files stood then."""

    def __init__(self, cache: Path | None) -> None:
        self._file = None if cache is None else cache / CHECKED
        self._known: dict[str, list[object]] = {}
        self._changed = False
        if self._file is not None and self._file.is_file():
            try:
                self._known = json.loads(self._file.read_text(encoding="utf-8"))
            except ValueError:  # a cache that cannot be read is made anew
                self._changed = True

    def check(self, folder: Path, record: RunRecord) -> None:
        """Check a run's content unless it is known; raises as `check_content`."""
        place = str(folder.resolve())
        table = folder / EXAMPLES
        if table.is_file():
            stat = table.stat()
            text = (folder / RECORD).read_bytes()
            now = [stat.st_size, stat.st_mtime_ns, hashlib.sha256(text).hexdigest()]
            if self._known.get(place) == now:
                return
        check_content(folder, record)
        self._known[place], self._changed = now, True

    def write(self) -> None:
        """Keep what was learnt."""
        if self._file is not None and self._changed:
            with atomic_file(self._file) as partial:
                partial.write_text(json.dumps(self._known), encoding="utf-8")


def _record(folder: Path) -> RunRecord:
    path = folder / RECORD
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(value, dict) and value.get("schema_version") != SCHEMA_VERSION:
            raise DataError(
                f"{path}: schema version {value.get('schema_version')}, expected {SCHEMA_VERSION}; "
                "move it away, or read it with the recbench that wrote it"
            )
        return RunRecord.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise DataError(f"{path}: field '{field}': {first['msg']}") from None
    except ValueError as error:
        raise DataError(f"{path}: expected a JSON record: {error}") from None


def _write_record(folder: Path, record: RunRecord) -> None:
    with atomic_file(folder / RECORD) as partial:
        partial.write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")
