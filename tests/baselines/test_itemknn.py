import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from recbench_baselines import itemknn
from recbench_baselines.itemknn import ItemKNN

from recbench.data.ragged import Ragged
from recbench.questions.queries import Queries
from recbench.questions.split import PAD
from recbench.recommender import Runtime
from recbench.testing.contract import RecommenderContract
from recbench.testing.toy import toy_split, toy_training_data

ITEMS = 40


class TestItemKNN(RecommenderContract):
    model_class = ItemKNN


def by_hand(sequences, history, neighbours, shrinkage):
    """Score every item for one history, from sets of users."""
    users = [{u for u, seen in enumerate(sequences) if item in seen} for item in range(ITEMS)]

    def similarity(a, b):
        both = len(users[a] & users[b])
        return both / (math.sqrt(len(users[a]) * len(users[b])) + shrinkage) if both else 0.0

    scores = [0.0] * ITEMS
    for read in set(history):
        similar = {other: similarity(read, other) for other in range(ITEMS) if other != read}
        least = sorted(similar.values(), reverse=True)[: neighbours or None][-1]
        for other, value in similar.items():
            scores[other] += value if value >= least else 0.0
    return scores


def fitted(data, tmp_path, **values):
    runtime = Runtime(seed=0, device="cpu", checkpoints=tmp_path, cache=tmp_path)
    model = ItemKNN(ItemKNN.settings_class.build(values))
    details = model.fit(data, runtime)
    return model, runtime, details


@pytest.mark.parametrize("block", [None, 3])
@pytest.mark.parametrize(
    ("neighbours", "shrinkage"), [(1, 0.0), (5, 0.0), (5, 10.0), (39, 3.5), (1000, 0.0)]
)
def test_scores_are_those_of_the_definition(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, neighbours, shrinkage, block
) -> None:
    if block:
        monkeypatch.setattr(itemknn, "CELLS_AT_ONCE", block * ITEMS)
    split = toy_split(length=14)
    data = toy_training_data(split)
    model, runtime, _ = fitted(data, tmp_path, neighbours=neighbours, shrinkage=shrinkage)
    histories = split.test.histories[:4].copy()
    histories[1, :8], histories[2, 1:] = PAD, histories[2, 0]  # few items, one item many times
    histories[3] = PAD
    scores = model.score(Queries.of_all(histories, ITEMS), runtime)
    sequences = [split.sequences[row].tolist() for row in range(60)]
    for row, history in enumerate(histories):
        expected = by_hand(sequences, history[history != PAD].tolist(), neighbours, shrinkage)
        np.testing.assert_allclose(scores[row], expected, rtol=1e-6, atol=1e-6)


def test_what_equals_the_last_neighbour_is_one(tmp_path: Path) -> None:
    sequences = Ragged(np.array([0, 1, 2, 3, 0, 1], dtype=np.int32), np.array([0, 4, 6]))
    data = replace(toy_training_data(), sequences=sequences)
    model, runtime, details = fitted(data, tmp_path, neighbours=2, shrinkage=0)
    history = np.array([[0]], dtype=np.int32)
    scores = model.score(Queries.of_all(history, ITEMS), runtime)[0]
    half = pytest.approx(1 / math.sqrt(2))
    assert scores[:4].tolist() == [0, 1, half, half]  # the second neighbour is one of two
    assert not scores[4:].any()  # never seen
    assert details == {"parameters_trained": 0, "similarities_kept": 12}
