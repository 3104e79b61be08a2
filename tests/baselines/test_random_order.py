from pathlib import Path

import numpy as np
import pytest
from recbench_baselines.random_order import RandomOrder

from recbench.questions.queries import Queries
from recbench.questions.split import PAD
from recbench.recommender import Runtime
from recbench.settings import Settings
from recbench.testing.contract import RecommenderContract, toy_queries
from recbench.testing.toy import toy_split, toy_training_data


class TestRandomOrder(RecommenderContract):
    model_class = RandomOrder


@pytest.fixture
def scores(tmp_path: Path):
    """Return a function that scores queries with a seed."""

    def score(queries: Queries, seed: int = 0):
        runtime = Runtime(seed=seed, device="cpu", checkpoints=tmp_path, cache=tmp_path)
        model = RandomOrder(Settings())
        assert model.fit(toy_training_data(), runtime) == {"parameters_trained": 0}
        return model.score(queries, runtime)

    return score


def test_history_and_seed_decide(scores):
    queries = toy_queries(toy_split())
    first = scores(queries)
    assert (scores(queries) == first).all()
    assert (scores(queries, seed=1) != first).all()
    other = queries.histories.copy()
    other[:, 0] = (other[:, 0] + 1) % 40
    assert (scores(Queries(other, queries.candidates)) != first).all()


def test_padding_is_no_part_of_a_history(scores):
    queries = toy_queries(toy_split())
    padded = np.pad(queries.histories, ((0, 0), (3, 0)), constant_values=PAD)
    assert (scores(Queries(padded, queries.candidates)) == scores(queries)).all()


def test_it_is_chance(scores):
    random = np.random.default_rng(0)
    histories = random.integers(40, size=(4000, 10), dtype=np.int32)
    given = scores(Queries.of_all(histories, 40))
    wins = np.bincount(given.argmax(axis=1), minlength=40)
    assert abs(wins - 100).max() < 5 * 10  # five standard deviations
    assert given.mean() == pytest.approx(0.5, abs=0.005)
    assert (given >= 0).all()
    assert (given < 1).all()
