"""The names of rows, runs and trainings: digests of all that decides what comes out."""

from typing import Any

from recbench.evaluation.answers import Matching
from recbench.questions.controls import Control
from recbench.runs.record import FIGURE_VERSION, RunRecord, Setup
from recbench.runs.record_parts import USUAL, Digests, Training
from recbench.settings import digest


def row_digest(
    *,
    model: str,
    settings: dict[str, Any],
    ingredients: dict[str, Any],
    digests: Digests,
    protocol: str,
    matching: Matching,
    training: Training = USUAL,
    control: Control | None = None,
) -> str:
    """
    Name a row of the leaderboard: all that may change a figure, except the training seed.

    Parameters
    ----------
    model, settings, ingredients, protocol, matching, training, control
        As in `RunRecord`.
    digests
        Of which the catalogue's follows from the dataset's.

    Returns
    -------
    str
        64 hexadecimal characters.
    """
    asked = [digests.dataset, protocol, digests.split, digests.pack, matching]
    shown = [] if control is None else [control]
    return digest([model, settings, ingredients, *asked, training.model_dump(mode="json"), *shown])


def row_of(setup: Setup) -> str:
    """Return the row digest that belongs to what a record says."""
    return row_digest(
        model=setup.model,
        settings=setup.settings,
        ingredients=setup.ingredients,
        digests=setup.digests,
        protocol=setup.protocol,
        matching=setup.matching,
        training=setup.training,
        control=setup.control,
    )


def training_digest(
    *,
    model: str,
    settings: dict[str, Any],
    ingredients: dict[str, Any],
    data: str,
    training: Training,
    plugin: str,
    figure_version: int = FIGURE_VERSION,
) -> str:
    """
    Name a training, except for its seed: all that decides what is learnt.

    Parameters
    ----------
    model, settings, ingredients, training
        As in `RunRecord`.
    data
        SHA-256 of what is learnt from (`Trained.data`).
    plugin, figure_version
        As in `Provenance`: another version of a plug-in or of this code may train otherwise.

    Returns
    -------
    str
        64 hexadecimal characters.
    """
    by = [figure_version, plugin]
    learnt = [model, settings, ingredients, data, training.model_dump(mode="json")]
    return digest([*by, *learnt])


def training_id_of(record: RunRecord) -> str:
    """Return the name of the training that belongs to what a record says."""
    trained = record.trained
    assert trained is not None  # nobody asks for that of what came from outside
    learnt = training_digest(
        model=record.model,
        settings=record.settings,
        ingredients=record.ingredients,
        data=trained.data,
        training=record.training,
        plugin=trained.provenance.plugin,
        figure_version=trained.provenance.figure_version,
    )
    return run_id(learnt, trained.seed)


def run_id(row: str, seed: int) -> str:
    """Name the folder of one run or training: the same digest and seed give the same name."""
    return f"{row[:12]}-seed{seed}"
