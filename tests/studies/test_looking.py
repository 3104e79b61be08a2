"""Studies that look into what runs have kept: on models that are trained here, of a few rows."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from recbench.errors import UserError
from recbench.experiment import build, run
from recbench.folder_digest import folder_digest
from recbench.questions.queries import Queries
from recbench.registry import load
from recbench.runs.kept_trainings import kept_model
from recbench.studies.drawing import drawn, save, styled
from recbench.studies.kept import _cell, kept
from recbench.studies.study import Asked
from recbench.testing.toy_lm import toy_llm

FEW = {"examples": "24", "batch_size": "8", "curve_rows": "0", "dropout": "0.1"}


@pytest.fixture(scope="module")
def here(raw_folder, tmp_path_factory):
    """What is asked of a study: one seed, of a toy language model."""
    home = tmp_path_factory.mktemp("looking")
    llm = str(toy_llm(home / "llm"))
    places = {"data_dir": raw_folder, "results": home / "results", "cache": home / "cache"}
    return Asked("movielens", llms=(llm,), seeds=1, draws=1, settings=FEW, **places)


def runs_of(name, here):
    """Return a study, what is asked of it, and its runs, those that are there found again."""
    study = load("studies", name)()
    asked = replace(here, models=study.models)
    cells = [one.model_copy(update={"audit": False}) for one in study.cells(asked)]
    return study, asked, [run(cell, lambda _: None) for cell in cells]


def shown(study, data, folder):
    """Draw a study from what its file holds alone; return the bytes of its figure."""
    data.to_parquet(folder / "data.parquet", index=False)
    with styled():
        save(drawn(study, pd.read_parquet(folder / "data.parquet")), folder)
    assert study.table(data)
    return (folder / "figure.svg").read_bytes(), (folder / "figure.png").read_bytes()


def test_expert_attention(here, tmp_path):
    study, asked, runs = runs_of("expert-attention", here)
    folder = kept_model(asked.results, runs[0].record)
    before = folder_digest(folder)
    data = study.data(runs, asked)
    assert folder_digest(folder) == before
    pd.testing.assert_frame_equal(study.data(runs, asked), data)
    assert shown(study, data, tmp_path) == shown(study, data, tmp_path)
    weights = data[data["kind"] == "weight"]
    sums = weights.groupby("user")["value"].sum()
    np.testing.assert_allclose(sums, 1.0, rtol=1e-6)
    assert len(sums) == len(set(weights["user"])) > 1
    assert data["value"].between(0, 1).all()
    clusters = data[data["kind"] == "cluster"]
    assert clusters[clusters["expert"] == 1]["examples"].sum() == runs[0].record.examples
    assert (data.loc[data["low"].notna(), "seeds"] == "1 (this training)").all()
    explained = data[data["kind"] == "the gate's share"].set_index("figure")
    assert explained.loc["share of likelihoods", "value"] > 0


def test_the_mean_gate_takes_the_users_out(here):
    _, asked, (one,) = runs_of("expert-attention", here)
    with kept(one, asked) as found:
        model, test = found.model, found.question.split.test
        queries = Queries(test.histories, found.question.pack.candidates[:, 0])
        own = model.expert_weights(queries)
        assert own.std(axis=0).max() > 0
        with model.weighing_alike(own[0]):
            np.testing.assert_array_equal(
                model.expert_weights(queries), np.tile(own[0], (len(own), 1))
            )
            alike = model.score(queries, found.runtime)
        np.testing.assert_array_equal(model.expert_weights(queries), own)
        np.testing.assert_allclose(alike[0], model.score(queries, found.runtime)[0], rtol=1e-5)


def test_a_model_that_is_gone_is_said_with_what_makes_it_anew(here, tmp_path):
    study, asked, runs = runs_of("expert-attention", here)
    folder = kept_model(asked.results, runs[0].record)
    folder.rename(tmp_path / "away")
    try:
        with pytest.raises(UserError, match=r"is not at .*; make it anew: recbench run ") as told:
            study.data(runs, asked)
    finally:
        (tmp_path / "away").rename(folder)
    command = str(told.value).split("make it anew: ")[1]
    assert command.endswith("--fresh")
    assert f"--results {asked.results}" in command
    assert "--set examples=24" in command
    assert "targets" not in command  # what has its default is not said


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"models": ("sasrec",)}, "sasrec weighs no experts; name ilora or lora-ensemble"),
        ({"settings": {"guidance": "token-routing"}}, "token-routing weighs experts by the token"),
    ],
)
def test_what_has_no_weights_is_refused_before_it_is_trained(changes, said):
    asked = replace(Asked("movielens", models=("ilora",)), **changes)
    with pytest.raises(UserError, match=said):
        load("studies", "expert-attention")().cells(asked)


def test_the_experiment_of_a_record_is_one_that_a_command_can_name(made):
    settings = {"targets": ["q_proj"], "rank": 8, "expert_ranks": [4, 2, 1, 1], "adapter": None}
    record = made([1, 0], model="ilora", settings=settings).record
    cell = _cell(record, Asked("movielens"))
    assert cell.settings == {"targets": "q_proj", "expert_ranks": "4,2,1,1"}
    assert build(cell).settings.record()["expert_ranks"] == [4, 2, 1, 1]
