"""How a run ends: its record, what is said of one that was found, and a refused one forgotten."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from recbench.errors import DataError, RecbenchError
from recbench.evaluation.audit import Audit, AuditError
from recbench.evaluation.evaluator import Judgement
from recbench.evaluation.fresh_process import ChangedModelError
from recbench.runs import environment
from recbench.runs.evidence import RECORD
from recbench.runs.kept_trainings import check_stands, forget, is_same
from recbench.runs.provenance import other_code
from recbench.runs.record import RunRecord, Setup, Trained
from recbench.runs.record_parts import Provenance, Times
from recbench.runs.store import read_record
from recbench.settings import Settings


def answered_by(trained: Trained, made: Provenance, checkpoints: Path) -> Path:
    """Return the folder of what was answered so far: by these weights, this code, here and so."""
    how = f"{made.device.name} in {made.precision}"
    how += ", deterministic" if made.device.deterministic else ""
    code = f"{made.plugin} {made.figure_version}"
    return checkpoints / f"{trained.weights[:12]} by {code} on {how}"


def complete(
    setup: Setup,
    trained: Trained,
    judgement: Judgement,
    account: dict[str, Any],
    audited: Audit | None,
    made: Provenance,
    seconds: Mapping[str, float],
) -> RunRecord:
    """Write down what came out, and how; digests are added when the examples are kept."""
    return RunRecord(
        **dict(setup),
        trained=trained,
        metrics=judgement.metrics,
        examples_sha256="",
        audit=audited,
        account=account,
        provenance=made,
        times=Times(**{stage: seconds.get(stage, 0.0) for stage in Times.model_fields}),
        peak_memory=environment.peak_memory(made.device.name),
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def report_age(
    record: RunRecord,
    settings: Settings,
    audited: bool,
    deterministic: bool,
    report: Callable[[str], None],
) -> None:
    """Say what differs between a finished run that was found and one that would be made now."""
    again = "; --fresh runs it anew"
    for how in other_code(record):
        report(f"found a run {how}{again}")
    if audited and record.audit is None:
        report(f"found a run that was not audited{again}")
    assert record.trained is not None  # it was found as a run of a model
    made_on = record.trained.provenance.device, record.provenance.device
    if deterministic and not all(device.deterministic for device in made_on):
        report(f"found a run that was made without --deterministic{again}")
    for name, value in record.trained.runtime_settings.items():
        asked = settings.record().get(name)
        if asked != value and asked != settings.own_defaults().get(name):
            report(f"found a run with {name}={value}, not {asked}{again}")


@contextmanager
def forgotten_if_refused(answered: Path, training: Path, trained: Trained) -> Iterator[None]:
    """
    Keep nothing of a run that the audit refuses: a mended model is asked everything anew.

    Nor of one whose model has written into its folder while it was asked.

    Nor its training, whichever run has made it: it may not have been saved whole, and what was
    killed while it was asked has asked it as it was and as it was saved. One with which an audit
    has passed before stays.

    Parameters
    ----------
    answered
        Folder of the finished calls.
    training, trained
        Folder of the training that was asked, and what is known of it.

    Raises
    ------
    RecbenchError
        If another run has made the training anew meanwhile, whatever came of this one.
    """
    try:
        yield
    except (AuditError, ChangedModelError):
        try:
            check_stands(training, trained)
            if not _has_passed(training, trained):
                forget(training, trained)  # first: asked anew, what was saved would pass
        finally:
            shutil.rmtree(answered, ignore_errors=True)
        raise
    except (RecbenchError, OSError):  # while a folder is replaced its files cannot be found
        check_stands(training, trained)
        raise


def _has_passed(training: Path, trained: Trained) -> bool:
    """Tell whether a finished run of a training was audited: no refusal ends it any more."""
    for path in training.parents[2].glob(f"*/{training.parent.name}/*/{RECORD}"):
        with suppress(DataError, OSError):  # a broken one says nothing for it
            record = read_record(path.parent)
            asked = record.trained
            if record.audit is not None and asked is not None and is_same(asked, trained):
                return True
    return False
