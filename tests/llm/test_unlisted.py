from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from recbench.errors import RecbenchError
from recbench.llm import prompted
from recbench.llm.inference.reader import Reader
from recbench.llm.prompts.writer import Prompt
from recbench.llm.settings import UnlistedSettings
from recbench.llm.unlisted import Decoder, UnlistedLanguageModel
from recbench.neural.precision import Precision
from recbench.neural.ranking import full_ranks
from recbench.questions.queries import Queries
from recbench.recommender import Runtime, TrainingData


class ByLength(UnlistedLanguageModel):
    """Scores that say how long the prompt is; the item of code 0 is the best of all."""

    settings_class = UnlistedSettings
    summary, reference = "counts tokens", "a test"
    made = 0

    def _decoder(self) -> Decoder:
        self.made += 1

        def scores(reader: Reader, prompt: Prompt) -> NDArray[np.float32]:
            order = np.arange(len(self.writer.titles), dtype=np.float32)
            return -len(prompt.ids) * (1 + order)

        return scores


Asked = Callable[..., tuple[ByLength, Runtime]]


@pytest.fixture
def asked(toy_folder: Path, data: TrainingData, tmp_path: Path) -> Asked:
    def make(**values: object) -> tuple[ByLength, Runtime]:
        runtime = Runtime(0, "cpu", tmp_path / "run", tmp_path / "cache")
        for folder in (runtime.checkpoints, runtime.cache):
            folder.mkdir()
        usual = {"llm": str(toy_folder), "examples": 32, "batch_size": 16}
        model = ByLength(UnlistedSettings.build(usual | values))
        return model, runtime

    return make


def test_a_curve_has_the_figures_of_full_rankings(asked: Asked, data: TrainingData) -> None:
    model, runtime = asked()
    (point,) = model.fit(data, runtime)["curve"]
    scores = model.score(Queries.of_all(data.validation.histories, len(data.catalogue)), runtime)
    ranks, _ = full_ranks(scores, data.validation)
    assert point.keys() == {"rows", "HitRatio@10", "NDCG@10"}
    assert point["HitRatio@10"] == pytest.approx((ranks <= 10).mean())


def test_scores_are_cut_from_those_of_the_catalogue(asked: Asked, data: TrainingData) -> None:
    model, runtime = asked(curve_rows=0)
    model.fit(data, runtime)
    candidates = np.array([[7, 0, 3], [1, 2, 9]], dtype=np.int32)
    histories = data.validation.histories[:2]
    tokens = [
        len(prompt.ids) for prompt in model.writer.prompts(histories, candidates, [False] * 2)
    ]
    scores = model.score(Queries(histories, candidates), runtime)
    assert scores.tolist() == [
        [-tokens[0] * k for k in (8, 1, 4)],
        [-tokens[1] * k for k in (2, 3, 10)],
    ]


def test_what_ranks_the_catalogue_is_made_once_and_anew_where_it_changes(
    asked: Asked, data: TrainingData
) -> None:
    model, runtime = asked()
    model.fit(data, runtime)
    made = model.made  # to look at it in training
    queries = Queries.of_all(data.validation.histories[:2], len(data.catalogue))
    for _ in range(2):
        model.score(queries, runtime)
    assert model.made == made + 1
    model.transfer(data, runtime)
    model.score(queries, runtime)
    assert model.made == made + 2


def test_a_question_that_does_not_fit_the_memory_is_one_line(
    asked: Asked, data: TrainingData, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, runtime = asked(curve_rows=0)
    model.fit(data, runtime)

    def decoder(reader: Reader, prompt: Prompt) -> NDArray[np.float32]:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(model, "_decoder", lambda: decoder)
    queries = Queries.of_all(data.validation.histories[:1], len(data.catalogue))
    with pytest.raises(RecbenchError, match=r"does not suffice for one question; .* fewer beams$"):
        model.score(queries, runtime)


def test_the_catalogue_is_read_as_what_is_written_in_precision_and_memory(
    asked: Asked, data: TrainingData, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, runtime = asked(curve_rows=0)
    model.fit(data, runtime)
    queries = Queries.of_all(data.validation.histories[:1], len(data.catalogue))
    mixed = Precision("any", torch.float32, torch.bfloat16)
    monkeypatch.setattr(prompted, "reading_precision", lambda *_: mixed)
    computed: list[bool] = []

    def decoder() -> Decoder:
        computed.append(torch.is_autocast_enabled("cpu"))
        return lambda *_: np.zeros(len(data.catalogue), dtype=np.float32)

    monkeypatch.setattr(model, "_decoder", decoder)
    model.score(queries, runtime)
    assert computed == [True]

    def full() -> Decoder:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(model, "_decoder", full)
    model.transfer(data, runtime)
    with pytest.raises(RecbenchError, match="does not suffice for one question"):
        model.score(queries, runtime)
