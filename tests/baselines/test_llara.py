from pathlib import Path

import numpy as np
import pytest
from recbench_baselines.llara import LLaRA

from recbench.llm.encoders import build_encoder
from recbench.llm.settings import LLAMA2, HybridSettings
from recbench.questions.split import Split
from recbench.recommender import Recommender
from recbench.testing.contract import AnswererContract, toy_queries
from recbench.testing.toy_lm import toy_llm


@pytest.fixture(scope="module", autouse=True)
def _toy_language_model(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = toy_llm(tmp_path_factory.mktemp("llm"))
    values = {"llm": str(folder), "examples": 64, "batch_size": 16}
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
