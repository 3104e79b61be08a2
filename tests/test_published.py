"""The published runs are those of the code beside them: made again, they are the same rows."""

from pathlib import Path

import pytest

from recbench.experiment import Experiment, build
from recbench.runs.record import row_digest
from recbench.runs.store import runs

RUNS = runs(Path(__file__).parents[1] / "results")


def test_there_are_some() -> None:
    assert len(RUNS) >= 5


@pytest.mark.parametrize("run", RUNS, ids=lambda run: f"{run.record.model}-{run.record.seed}")
def test_the_command_that_made_it_would_make_the_same_row(run) -> None:  # type: ignore[no-untyped-def]
    record = run.record
    model = build(Experiment(model=record.model, preset=record.preset))
    assert model.settings.record() == record.settings
    assert model.ingredients() == record.ingredients
    asked = record.digests, record.protocol, record.matching, record.training
    assert row_digest(record.model, record.settings, record.ingredients, *asked) == record.row
