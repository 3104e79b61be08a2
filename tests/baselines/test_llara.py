from pathlib import Path

import numpy as np
import pytest
from recbench_baselines.llara import LLaRA

from recbench.errors import UserError
from recbench.llm import encoders
from recbench.llm.encoders import build_encoder
from recbench.llm.settings import LLAMA2, HybridSettings
from recbench.questions.split import Split
from recbench.questions.user_clusters import user_clusters
from recbench.recommender import Recommender
from recbench.testing.contract import AnswererContract, toy_queries
from recbench.testing.toy import toy_training_data
from recbench.testing.toy_lm import toy_llm


@pytest.fixture(scope="module", autouse=True)
def _toy_language_model(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = toy_llm(tmp_path_factory.mktemp("llm"))
    values = {"llm": str(folder), "examples": 32, "batch_size": 16, "candidates": 8}
    TestLLaRA.settings = values


class TestLLaRA(AnswererContract):
    model_class = LLaRA

    def test_the_settings_of_the_paper(self) -> None:
        settings = HybridSettings.build({}, "paper")
        assert settings.llm == LLAMA2
        assert (settings.rank, settings.alpha, settings.dropout) == (8, 32, 0.1)
        assert len(settings.targets) == 7
        assert settings.learning_rate == 8e-4
        assert settings.curriculum
        assert HybridSettings.build({}, "rank16").rank == 16

    def test_what_it_stands_on_is_more_than_names(self, fitted: Recommender) -> None:
        found = fitted.ingredients()
        assert found["encoder"] == build_encoder("sasrec").settings.identity()
        assert set(found) == {"code", "llm", "prompts", "encoder"}

    @pytest.mark.honesty
    def test_a_plug_in_that_guides_it_is_known_with_its_version(
        self, fitted: Recommender, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        own = fitted.ingredients()
        monkeypatch.setattr(encoders, "foreign_package", lambda *_: "mine 1.1")
        assert fitted.ingredients() == {**own, "encoder_package": "mine 1.1"}

    def test_it_is_tuned_on_a_cluster_of_users_and_its_encoder_on_all(
        self, fitted: Recommender, split: Split, workplace: Path
    ) -> None:
        assert isinstance(fitted, LLaRA)
        data, runtime = toy_training_data(split), self.runtime(workplace, "cluster")
        one = LLaRA(HybridSettings.build({**self.settings, "cluster": "2/3", "curve_rows": 0}))
        told = one.fit(data, runtime)["tuned_on"]
        labels = user_clusters(data.sequences, 40, 10, 3).clusters.labels
        users = data.sequence_users[labels == 1]
        assert told["users"] == len(users) < 60
        assert told["rows"] == np.isin(data.train.users, users).sum()
        np.testing.assert_array_equal(one.encoder.item_vectors(), fitted.encoder.item_vectors())
        queries = toy_queries(split)
        assert np.abs(one.score(queries, runtime) - fitted.score(queries, runtime)).max() > 1e-4

    def test_clusters_that_are_not_there_are_refused_before_anything_is_trained(
        self, split: Split, workplace: Path
    ) -> None:
        runtime = self.runtime(workplace, "refused")
        none = LLaRA(HybridSettings.build({**self.settings, "cluster": "1/99"}))
        with pytest.raises(UserError, match="only 50 of the training users differ; take 1/50"):
            none.rehearse(toy_training_data(split), 8, runtime)
        most = LLaRA(HybridSettings.build({**self.settings, "cluster": "1/50"}))
        most.rehearse(toy_training_data(split), 8, runtime)

    def test_item_vectors_reach_the_scores(
        self, fitted: Recommender, split: Split, workplace: Path
    ) -> None:
        assert isinstance(fitted, LLaRA)
        queries, runtime = toy_queries(split), self.runtime(workplace, "fitted")
        before = fitted.score(queries, runtime)
        vectors = fitted.module.projector.vectors  # type: ignore[union-attr]
        vectors.copy_(-vectors.clone())
        changed = fitted.score(queries, runtime)
        vectors.copy_(-vectors.clone())
        assert np.abs(before - changed).max() > 0.01
        np.testing.assert_array_equal(fitted.score(queries, runtime), before)


def test_a_cluster_is_one_of_several() -> None:
    assert HybridSettings.build({"cluster": "02/4"}).identity()["cluster"] == "2/4"
    for unsaid in ({}, {"cluster": "none"}):
        assert "cluster" not in HybridSettings.build(unsaid).identity()
    for wrong in ("0/4", "5/4", "1/1", "1", "a/b", "1/4/2", "-1/4", "all", ""):
        with pytest.raises(UserError, match="setting 'cluster': expected a number of several"):
            HybridSettings.build({"cluster": wrong})
