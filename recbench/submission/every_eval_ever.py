"""
Records in the words of Every Eval Ever (https://github.com/evaleval/every_eval_ever).

One file a run, in the layout of its datastore:
``data/<dataset>/<developer>/<model>/<uuid>.json``. The rows of one model are systems of their own,
named after the language model and a digest of what decides what is learnt. What has no field of its
own there goes as text into ``additional_details``. Single rows are not exported: a bundle holds
them (`recbench submit`). Nor are figures of plug-ins, of which nobody says whether more is better,
as the schema asks.
"""

import json
import re
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from recbench.atomic_write import atomic_file
from recbench.data.card import card
from recbench.errors import DataError, UserError
from recbench.evaluation.metrics import lower_is_better
from recbench.runs.command import command
from recbench.runs.evidence import of_today
from recbench.runs.published import of_other_data, other_data
from recbench.runs.record import RunRecord
from recbench.runs.record_parts import FROM_OUTSIDE, USUAL
from recbench.runs.store import Run
from recbench.runs.text import question_line
from recbench.settings import digest
from recbench.statistics.intervals import CONFIDENCE, Figure

SCHEMA_VERSION = "0.3.0"
"""Of Every Eval Ever's schema."""

Relationship = Literal["first_party", "third_party", "collaborative", "other"]
"""Of whoever evaluated to whoever made the system."""

Log = dict[str, Any]

_LONGEST_NAME = 100
"""Characters of a system's name, which is that of a folder: a language model may be a path."""


def write_logs(
    runs: Sequence[Run],
    folder: Path,
    organization: str,
    relationship: Relationship,
    cache: Path,
) -> list[Path]:
    """
    Write a file a run; the same record gives the same name and bytes.

    Parameters
    ----------
    runs
        Checked.
    folder
        Made if it is missing; files of other names in it are left alone.
    organization, relationship
        Who gives the figures, and how they stand to whoever made the systems.
    cache
        The user's cache folder, for the cards of own datasets.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    UserError
        For an organization without a name, or a run of the first test rows alone.
    DataError
        If a record does not say when it was made; if the examples are damaged from which one of
        another figure version has its intervals worked out.
    """
    if not organization.strip() or not organization.isprintable():
        raise UserError("--organization takes the name of whoever gives the figures, in one line")
    said = {"source_organization_name": organization.strip()}
    said["evaluator_relationship"] = relationship
    for run in runs:
        if run.record.limit is not None:
            why = f"{run.folder} is {run.record.no_result}"
            raise UserError(f"{why}; name the others alone, or run it without --limit")
    records = [of_today(run.folder, run.record) for run in runs]
    logs = {
        folder / path_of(record): log_of(record, said, homepage_of(record, cache))
        for record in records
    }
    for path, log in logs.items():
        with atomic_file(path) as partial:
            text = json.dumps(log, indent=2, ensure_ascii=False, allow_nan=False)
            partial.write_text(f"{text}\n", encoding="utf-8")
    return list(logs)


def left_out(runs: Sequence[Run]) -> list[str]:
    """Return the figures that no file says: those of plug-ins."""
    told = {figure for run in runs for figure in run.record.telling}
    return sorted(figure for figure in told if lower_is_better(figure) is None)


def path_of(record: RunRecord) -> str:
    """Return where a run belongs in the datastore; its name follows from the record's digest."""
    named = uuid.UUID(bytes=bytes.fromhex(record.record_sha256)[:16], version=4)
    return "/".join(["data", _portable(record.dataset), *_model(record), f"{named}.json"])


def homepage_of(record: RunRecord, cache: Path) -> str:
    """
    Return where the dataset comes from; empty where nobody knows it here, or its card says.

    Nor are data from there that are others than the published ones (`of_other_data`).
    """
    if of_other_data(record):
        return ""
    try:
        return card(record.dataset, cache).homepage
    except UserError:
        return ""


def log_of(record: RunRecord, source: Mapping[str, str], homepage: str) -> Log:
    """
    Write one run.

    Parameters
    ----------
    record
        Of the run.
    source
        Who gives it, as fields of ``source_metadata``.
    homepage
        Of the dataset; may be empty.
    """
    made, developer_and_model = _seconds(record), "/".join(_model(record))
    name = _name(record)
    evaluation = f"{name}/{developer_and_model}/{record.record_sha256[:16]}"
    versions = record.provenance.versions
    return {
        "schema_version": SCHEMA_VERSION,
        "evaluation_id": evaluation,
        "evaluation_timestamp": made,
        "retrieved_timestamp": made,
        "source_metadata": {
            "source_name": "recbench",
            "source_type": "evaluation_run",
            **source,
        },
        "eval_library": {
            "name": "recbench",
            "version": versions.get("recbench", "unknown"),
            "additional_details": _texts(
                figure_version=record.provenance.figure_version,
                commit=record.provenance.commit,
                versions=versions,
            ),
        },
        "model_info": _model_info(record, developer_and_model),
        "evaluation_results": [
            _result(record, name, f"{evaluation}/{figure}", figure, one, homepage)
            for figure, one in record.telling.items()
            if lower_is_better(figure) is not None
        ],
    }


def _name(record: RunRecord) -> str:
    """Name what was evaluated: a control is another evaluation than what it controls."""
    shown = "" if record.control is None else f",control={record.control}"
    return f"recbench.{record.dataset}.{record.protocol}{shown}"


def _model_info(record: RunRecord, developer_and_model: str) -> Log:
    # A model behind a URL may be anybody's, and so may what came from a file.
    own = record.kind == "run" and "endpoint" not in record.settings
    return {
        "name": " ".join([record.model, *(f"({one})" for one in _language_model(record))]),
        "id": developer_and_model,
        "developer": developer_and_model.partition("/")[0],
        "additional_details": {
            "deployment_type": "self_deployed" if own else "unknown",
            "model_availability": "unknown",
            **_texts(
                kind=record.kind,
                settings=record.settings,
                ingredients=record.ingredients,
                seed=record.seed,
                training=record.training.model_dump(mode="json"),
                caption=record.caption or None,
                row=record.row,
                weights=record.trained and record.trained.weights,
            ),
        },
    }


def _result(
    record: RunRecord, name: str, result: str, figure: str, found: Figure, homepage: str
) -> Log:
    place: Log = {"source_type": "url", "url": [homepage]} if homepage else {"source_type": "other"}
    log: Log = {
        "evaluation_result_id": result,
        "evaluation_name": name,
        "source_data": {
            "dataset_name": record.dataset,
            **place,
            "additional_details": _texts(
                **record.digests.model_dump(),
                protocol_version=record.protocol_version,
                pack_seed=record.pack_seed,
                draws=record.draws,
                candidates=record.candidates,
                full_ranking=record.full_ranking,
                matching=record.matching,
                control=record.control,
                no_result=record.no_result or None,
                other_data=other_data(record) or None,
            ),
        },
        "evaluation_timestamp": _seconds(record),
        "metric_config": _metric(record, figure),
        "score_details": {
            "score": found.value,
            "uncertainty": {
                "confidence_interval": {
                    "lower": found.low,
                    "upper": found.high,
                    "confidence_level": CONFIDENCE,
                    "method": "Wilson's score interval, clustered by user",
                },
                "num_samples": found.n,
            },
        },
    }
    if record.kind == "run":
        log["generation_config"] = {"generation_args": {"execution_command": command(record)}}
    return log


def _metric(record: RunRecord, figure: str) -> Log:
    kind, _, rest = figure.partition("|")[0].partition("@")
    return {
        "evaluation_description": "; ".join(
            filter(None, [question_line(record), record.no_result])
        ),
        "metric_id": f"recbench.{figure}",
        "metric_name": figure,
        "metric_kind": kind,
        "metric_unit": "proportion",
        **({"metric_parameters": {"k": int(rest)}} if rest.isdecimal() else {}),
        "lower_is_better": lower_is_better(figure),
        "score_type": "continuous",
        "min_score": 0.0,
        "max_score": 1.0,
    }


def _model(record: RunRecord) -> tuple[str, str]:
    """Return who brings a system, and its name: another language model or setting is another."""
    trained = record.trained
    if trained is None:
        return "external", _portable(record.model.removeprefix(FROM_OUTSIDE))
    named = "-".join([record.model, *_language_model(record)])[:_LONGEST_NAME]
    name = _portable("-".join([named, *_told_apart(record)]))
    return _portable(trained.provenance.plugin.partition(" ")[0]), name


def _told_apart(record: RunRecord) -> list[str]:
    """Return a short digest of what decides what is learnt; nothing where the model alone does."""
    decides = record.settings, record.ingredients, record.training.model_dump(mode="json")
    has_any = record.settings or record.ingredients or record.training != USUAL
    return [digest(decides)[:8]] if has_any else []


def _language_model(record: RunRecord) -> list[str]:
    """Return the name of the language model, where there is one."""
    named = record.settings.get("llm") or record.settings.get("chat_model")
    return [str(named)] if named else []


def _portable(name: str) -> str:
    """Write a name as every file system takes it; "data" means something there."""
    text = re.sub("[^A-Za-z0-9._=,+-]+", "-", name).strip(".-") or "unnamed"
    return f"{text}-" if text == "data" else text


def _seconds(record: RunRecord) -> str:
    """Return when the record was made, in seconds since 1970."""
    try:
        made = datetime.fromisoformat(record.finished)
        return str(int((made if made.tzinfo else made.replace(tzinfo=UTC)).timestamp()))
    except (ValueError, OverflowError):
        raise DataError(
            f"the record of {record.model}, {record.run_id}, was finished at "
            f"{ascii(record.finished)[:60]}, expected a time as 2026-01-31T00:00:00+00:00"
        ) from None


def _texts(**values: Any) -> dict[str, str]:
    """Write each value as text, and anything but text as JSON; what is not there is left out."""
    return {
        name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for name, value in values.items()
        if value is not None
    }
