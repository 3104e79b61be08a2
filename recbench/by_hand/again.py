"""The command that makes a run again, from its record alone."""

import shlex
from pathlib import Path
from typing import Any

from recbench.experiment import Experiment, recommender_class
from recbench.runs.record import RunRecord
from recbench.studies.cells import arguments


def command(record: RunRecord, results: Path, data_dir: Path | None = None) -> str:
    """
    Write the command line that makes a run of ours again, below another folder of results.

    Parameters
    ----------
    record
        Of a run that recbench made.
    results, data_dir
        As for ``recbench run``.

    Raises
    ------
    UserError, RecbenchError
        If its model is not installed.
    """
    words = arguments(experiment_of(record, results, data_dir))
    return shlex.join(["recbench", "run", *words])


def experiment_of(record: RunRecord, results: Path, data_dir: Path | None = None) -> Experiment:
    """Return what was asked for; see `command`."""
    return Experiment(
        model=record.model,
        dataset=record.dataset,
        protocol=record.protocol,
        preset=record.preset,
        settings=_changed(record),
        seed=record.seed,
        draws=record.draws,
        pack_seed=record.pack_seed,
        matching=record.matching,
        train_fraction=record.training.fraction,
        train_dataset=record.training.dataset,
        data_dir=data_dir,
        results=results,
    )


def settings_of(record: RunRecord) -> dict[str, Any]:
    """Return all settings of a run's model, those of the runtime included."""
    assert record.trained is not None  # nobody asks for that of what came from outside
    return record.settings | record.trained.runtime_settings


def _changed(record: RunRecord) -> dict[str, str]:
    """Return the settings that neither a default nor the preset gives, as they are written."""
    usual = recommender_class(record.model).settings_class.build({}, record.preset).record()
    return {
        name: _written(value)
        for name, value in settings_of(record).items()
        if usual.get(name) != value
    }


def _written(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
