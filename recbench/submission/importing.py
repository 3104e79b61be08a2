"""
Runs from elsewhere, taken into a results folder: from another one, or from a bundle.

Each is verified as ``recbench verify`` does it. A run is there as a whole or not at all, and none
that stands is replaced: one of the same figures is the same run, made twice or copied, and one of
other figures is refused. A training that was kept beside a run comes with it. Beside what was taken
in stands from where (`recbench.runs.store.Origin`).
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from recbench.atomic_write import folder_aside
from recbench.errors import RecbenchError, UserError
from recbench.file_digests import file_digest
from recbench.locks import locked
from recbench.runs import verify as runs
from recbench.runs.evidence import RECORD, check_apart, differing, other_system
from recbench.runs.examples import EXAMPLES, sha256
from recbench.runs.places import folder_of
from recbench.runs.record import RunRecord
from recbench.runs.remade_question import NotCheckedError, Questions
from recbench.runs.store import IMPORTED, Origin, Run, finished, place, read_record, run_folder
from recbench.sent_files import Files, write_files
from recbench.statistics.intervals import Figure
from recbench.submission.given import CheckGiven
from recbench.submission.manifest import ABOUT, ANSWERS, about_text
from recbench.submission.reading import Unpacked, all_opened, bundle_of, named_in
from recbench.submission.trainings import check_no_other, take_training
from recbench.submission.verification import with_all

SENT = "the run that a worker sent"

RENAMED = "score one of the files under another --name"
"""What helps where two systems from outside were given one name."""


@dataclass(frozen=True)
class Imported:
    """What came of one run: its place, why it was not taken, and the bytes of what it learnt."""

    folder: str
    result: Literal["imported", "there already", "refused"]
    why: str = ""
    size: int = 0

    def named_in(self, bundle: Unpacked) -> "Imported":
        """Name places as they are in a bundle, not as in the folder that it lies in meanwhile."""
        named, why = (
            named_in(one, bundle.folder, bundle.bundle) for one in (self.folder, self.why)
        )
        return replace(self, folder=named, why=why)


def import_runs(
    paths: Sequence[Path],
    results: Path,
    questions: Questions,
    report: Callable[[Imported], None],
    check: CheckGiven,
    trainings: bool = True,
    marked: bool = True,
) -> list[Imported]:
    """
    Take runs into a results folder.

    Parameters
    ----------
    paths
        Run folders, folders with runs below them, or bundles.
    results
        The folder, made if it is missing.
    questions
        Makes their questions again, where the data are at hand.
    report
        Told of every run as soon as it is known what comes of it.
    check
        Of the file of answers that lies beside a run from outside, as in a bundle.
    trainings
        Whether kept models come with the runs that asked them.
    marked
        Whether it is written down where they came from: not of what one's own workers made.

    Raises
    ------
    UserError
        For a folder without a run, before anything is imported.
    DataError
        For a bundle that is refused, before anything is imported.
    """
    found: list[Imported] = []
    with all_opened(one for one in paths if one.is_file()) as bundles:
        others = [one for one in paths if not one.is_file()]
        for folder in runs.folders_of([*(one.folder for one in bundles), *others]):
            bundle = bundle_of(folder, bundles)
            one = _import(folder, bundle, results, questions, check, trainings, marked)
            for unpacked in bundles:
                one = one.named_in(unpacked)
            report(one)
            found.append(one)
    return found


def take_files(files: Files, results: Path, questions: Questions) -> None:
    """
    Take the runs of a results folder on another machine, of which the files are here.

    Parameters
    ----------
    files
        Contents by their path below that folder.
    results, questions
        As for `import_runs`.

    Raises
    ------
    UserError
        For a path that leads out of the folder, where there is no run, and for one that is refused.
    """
    with tempfile.TemporaryDirectory(prefix="recbench-") as name:
        folder = Path(name)
        write_files(files, folder)
        asked = [folder], results, questions, lambda _: None, _none_is_sent
        for one in import_runs(*asked, marked=False):
            if one.result == "refused":
                why = named_in(one.why, folder, Path(SENT))
                raise UserError(f"{SENT} is refused: {why}")


def _none_is_sent(*_: object) -> None:
    """Take the place of a check of answers: workers send runs of ours alone."""
    raise NotCheckedError("a worker sends no file of answers")


def _import(
    folder: Path,
    bundle: Unpacked | None,
    results: Path,
    questions: Questions,
    check: CheckGiven,
    trainings: bool,
    marked: bool,
) -> Imported:
    size = 0
    try:
        record = _verified(folder, bundle, questions, check)
        _check_named(record, questions)
        target = run_folder(results, record)
        _check_siblings(folder, results, target, record)
        with locked(target):
            if (standing := finished(target)) is not None:
                _check_same(target, standing.record, record)
            else:
                check_no_other(results, record)
            # First what it learnt: who is interrupted in between brings the run the next time.
            if trainings and (standing is None or standing.record.trained == record.trained):
                size = take_training(folder, results, record)
            if standing is None:
                _copy(folder, target, record, _origin(folder, bundle, record) if marked else None)
    except RecbenchError as error:
        return Imported(str(folder), "refused", str(error), size)
    return Imported(str(folder), "there already" if standing else "imported", size=size)


def _verified(
    folder: Path, bundle: Unpacked | None, questions: Questions, check: CheckGiven
) -> RunRecord:
    (found,) = runs.verify([folder], questions)
    division = "open" if bundle is None else bundle.division
    for one in with_all(found, division, questions, check).checks:
        if one.result == "failed":
            raise UserError(f"it fails the check '{one.name}': {one.why}")
    return read_record(folder)


def _check_same(target: Path, standing: RunRecord, record: RunRecord) -> None:
    """Refuse other figures of the same cell; what else differs is how they were come by."""
    exact = standing.provenance.figure_version == record.provenance.figure_version
    for name in sorted(standing.metrics.keys() & record.metrics.keys()):
        own, other = standing.metrics[name], record.metrics[name]
        if field := differing(own, other, exact):
            what = name if field == "value" else f"{name}'s {field}"
            helps = "run it anew to see which holds" if record.outside is None else RENAMED
            raise UserError(
                f"{target} is the same cell with other figures ({what} {_digits(own, field)}, "
                f"here {_digits(other, field)}); {helps}, or move {target} away"
            )


def _digits(figure: Figure, field: str) -> str:
    """Write a field of a figure so that a difference shows (`recbench.runs.evidence.ROUNDING`)."""
    value = getattr(figure, field)
    return str(value) if field == "n" else f"{value:.10f}"


def _check_named(record: RunRecord, questions: Questions) -> None:
    """Refuse data that have another name here: a row knows them by their digest alone."""
    if name := questions.other_name(record):
        raise UserError(
            f"its data are {name}, and it calls them {record.dataset}: a row would have two names; "
            f"ask for runs of {name}"
        )


def _check_siblings(folder: Path, results: Path, target: Path, record: RunRecord) -> None:
    """Refuse a run that stands under another seed or name of its data, or is no seed of its row."""
    others = [Run(one, read_record(one)) for one in _of_row(results, record) if one != target]
    same = [run for run in others if run.record.row == record.row]
    for run in same:
        if run.record.dataset != record.dataset:
            raise UserError(
                f"{run.folder} is of the same row, and calls its data {run.record.dataset}, not "
                f"{record.dataset}: one would push the other out of every table; import it into "
                "another folder by --results"
            )
        if why := other_system(record, run.record):
            of = f"{run.folder} is seed {run.record.seed} of {record.model}"
            raise UserError(f"{of}, {why}: one name is one system; {RENAMED}")
    check_apart(folder, record, [run.record for run in same])


def _of_row(results: Path, record: RunRecord) -> Iterator[Path]:
    """Yield the folders of runs that may be of a row, whatever their data are called."""
    for dataset in sorted(results.glob("*")):
        of_model = folder_of(dataset / record.protocol, record.model)
        for path in sorted(of_model.glob(f"{record.row[:12]}-seed*/{RECORD}")):
            yield path.parent


def _origin(folder: Path, bundle: Unpacked | None, record: RunRecord) -> Origin:
    """Say where a run comes from, and when that is."""
    name, digest = (str(folder), "") if bundle is None else (bundle.bundle.name, bundle.sha256)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Origin(source=name, sha256=digest, when=now, record_sha256=record.record_sha256)


def _copy(folder: Path, target: Path, record: RunRecord, origin: Origin | None) -> None:
    text = (folder / RECORD).read_bytes()
    with folder_aside(target / EXAMPLES) as aside:
        shutil.copyfile(folder / EXAMPLES, aside / EXAMPLES)
        copied = sha256(aside), RunRecord.model_validate_json(text)
        if copied != (record.examples_sha256, record):
            raise UserError("it was changed while it was read; import it again")
        _copy_answers(folder, aside, record)
        if origin is not None:
            (aside / IMPORTED).write_text(f"{origin.model_dump_json(indent=2)}\n", encoding="utf-8")
        place(target, record, aside, text)


def _copy_answers(folder: Path, aside: Path, record: RunRecord) -> None:
    """Copy the file that a run from outside was made of, where it is, with its maker's words."""
    if record.outside is None or not (folder / ANSWERS).is_file():
        return
    shutil.copyfile(folder / ANSWERS, aside / ANSWERS)
    if file_digest(aside / ANSWERS) != record.outside.file:
        raise UserError("its answers were changed while they were read; import it again")
    (aside / ABOUT).write_bytes(about_text(record).encode())
