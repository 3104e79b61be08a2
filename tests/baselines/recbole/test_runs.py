"""Whole runs, with the audit in a fresh process."""

import pytest

from recbench.experiment import run
from recbench.request import Experiment


@pytest.mark.parametrize("name", ["STAMP", "FPMC"])
def test_a_run_is_made_and_audited(recbole, raw_folder, tmp_path, name):
    experiment = Experiment(
        model=f"recbole:{name}",
        protocol="next-item",
        settings={"epochs": 2, "batch_size": 64},
        data_dir=raw_folder,
        results=tmp_path / "results",
        cache=tmp_path / "cache",
        device="cpu",
        draws=2,
    )
    record = run(experiment, lambda _: None).record
    assert record.audit is not None
    assert record.settings["embedding_size"] == 64
    assert record.ingredients == {"recbole": "1.2.1"}
    made = [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")]
    assert any(f"/recbole.{name}/" in path for path in made)
    assert not [path for path in made if ":" in path]  # no file of Windows may have one
