"""Whole runs, with the audit in a fresh process."""

import pytest

from recbench.experiment import run
from recbench.request import Experiment
from recbench.runs.store import runs


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
    made = run(experiment, lambda _: None)
    record = made.record
    assert record.audit is not None
    assert record.settings["embedding_size"] == 64
    assert record.ingredients == {"recbole": "1.2.1"}
    paths = [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")]
    assert any(f"/recbole.{name}/" in path for path in paths)
    assert not [path for path in paths if ":" in path]  # no file of Windows may have one
    for folder in list((tmp_path / "results").glob(f"*/*/recbole.{name}")):  # as named before
        folder.rename(folder.with_name(f"recbole:{name}"))
    again = run(experiment, lambda _: None)
    assert again.reused
    assert f"recbole:{name}" in again.folder.parts
    assert [one.folder for one in runs(tmp_path / "results")] == [again.folder]
