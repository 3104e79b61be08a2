from pathlib import Path

import numpy as np
from recbench_baselines.popularity import Popularity

from recbench.questions.queries import Queries
from recbench.questions.split import PAD
from recbench.recommender import Runtime
from recbench.settings import Settings
from recbench.testing.contract import RecommenderContract
from recbench.testing.toy import toy_split, toy_training_data


class TestPopularity(RecommenderContract):
    model_class = Popularity


def test_scores_are_counts_in_the_training_sequences(tmp_path: Path) -> None:
    split = toy_split()
    runtime = Runtime(seed=0, device="cpu", checkpoints=tmp_path, cache=tmp_path)
    model = Popularity(Settings())
    assert model.fit(toy_training_data(split), runtime) == {"parameters_trained": 0}
    candidates = np.array([[0, 1, 2], [39, 0, 7]], dtype=np.int32)
    scores = model.score(Queries(np.full((2, 10), PAD, dtype=np.int32), candidates), runtime)
    counts = [[split.sequences.values.tolist().count(c) for c in row] for row in candidates]
    assert scores.tolist() == counts
