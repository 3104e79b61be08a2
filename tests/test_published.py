"""The published runs are those of the code beside them: made again, they are the same rows."""

from pathlib import Path

import pytest

from recbench.experiment import Experiment, build
from recbench.runs.record import FIGURE_VERSION, row_of
from recbench.runs.store import Run, runs

REFUSED: list[str] = []
RUNS = runs(Path(__file__).parents[1] / "results", REFUSED.append)
OLD = [reason for reason in REFUSED if "schema version 1, expected 2" in reason]

pytestmark = pytest.mark.honesty


def test_every_one_passes_the_checks_of_a_table() -> None:
    assert set(REFUSED) == set(OLD)
    if OLD:
        pytest.skip(f"{len(OLD)} runs are of the schema before, and are to be made anew")
    assert len(RUNS) >= 5


@pytest.mark.parametrize("run", RUNS, ids=lambda run: f"{run.record.model}-{run.record.seed}")
def test_the_command_that_made_it_would_make_the_same_row(run: Run) -> None:
    record = run.record
    model = build(Experiment(model=record.model, preset=record.preset))
    assert model.settings.identity() == record.settings
    assert model.ingredients() == record.ingredients
    assert model.random_training == record.random_training
    assert record.caption.startswith(model.caption)
    assert row_of(record) == record.row


@pytest.mark.parametrize("run", RUNS, ids=lambda run: f"{run.record.model}-{run.record.seed}")
def test_its_figures_are_of_this_version(run: Run) -> None:
    """If not: a golden run has moved since, and what is published must be made anew."""
    record = run.record
    assert record.provenance.figure_version == FIGURE_VERSION
    assert record.trained.provenance.figure_version == FIGURE_VERSION
