from pathlib import Path

import numpy as np
import pytest
from recbench_baselines.constrained_beam import ConstrainedBeam, ConstrainedBeamSettings

from recbench.errors import UserError
from recbench.llm.inference.scoring import log_likelihoods, pack
from recbench.questions.queries import Queries
from recbench.questions.split import Split
from recbench.testing.contract import RecommenderContract, TransferableContract
from recbench.testing.toy_lm import toy_llm


@pytest.fixture(scope="module", autouse=True)
def _toy_language_model(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = toy_llm(tmp_path_factory.mktemp("llm"))
    values = {"llm": str(folder), "examples": 32, "batch_size": 16, "curve_rows": 0}
    TestNarrow.settings = {**values, "beams": 2}
    TestExact.settings = {**values, "beams": 40, "curve_rows": 0}


class TestNarrow(RecommenderContract, TransferableContract):
    model_class = ConstrainedBeam

    def test_what_is_not_found_ties_behind(
        self, fitted: ConstrainedBeam, split: Split, workplace: Path
    ) -> None:
        queries = Queries.of_all(split.test.histories, len(split.catalogue))
        scores = fitted.score(queries, self.runtime(workplace, "fitted"))
        last = scores == scores.min(axis=1, keepdims=True)
        assert (last.sum(axis=1) > 1).all()
        assert (scores[~last] <= 0).all()


class TestExact(RecommenderContract):
    """With as many beams as titles the ranking is that of likelihoods."""

    model_class = ConstrainedBeam

    def test_all_titles_have_their_likelihood(
        self, fitted: ConstrainedBeam, split: Split, workplace: Path
    ) -> None:
        histories, items = split.test.histories[:3], len(split.catalogue)
        queries = Queries.of_all(histories, items)
        scores = fitted.score(queries, self.runtime(workplace, "fitted"))
        none = np.empty((len(histories), 0), dtype=np.int32)
        module, writer = fitted.module, fitted.writer
        for row, prompt in enumerate(writer.prompts(histories, none, [False] * len(histories))):
            with module.reading(None):
                expected = [
                    float(log_likelihoods(module, pack([prompt], [[answer]], module.device)))
                    for answer in writer.answers
                ]
            np.testing.assert_allclose(scores[row], expected, rtol=1e-5, atol=1e-4)


def test_a_search_needs_a_beam() -> None:
    with pytest.raises(UserError, match="setting 'beams'"):
        ConstrainedBeamSettings.build({"beams": "0"})
