from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from recbench_baselines import item_weights
from recbench_baselines.cooccurrence import Cooccurrence

from recbench.questions.queries import Queries
from recbench.questions.split import PAD
from recbench.recommender import Runtime
from recbench.testing.contract import RecommenderContract
from recbench.testing.toy import toy_split, toy_training_data


class TestCooccurrence(RecommenderContract):
    model_class = Cooccurrence


def by_hand(sequences, history, items, window, last, decay):
    """Score every item for one history, from the definition, a pair of places at a time."""
    everything = Counter(item for sequence in sequences for item in sequence)
    scores = {item: everything[item] / everything.total() for item in range(items)}
    for back, read in enumerate(reversed(history[-last:]), start=1):
        for sequence in sequences:
            for i, first in enumerate(sequence):
                for j in range(i + 1, len(sequence)):
                    if first == read and j - i <= window:
                        scores[sequence[j]] += (j - i) ** -decay * back**-decay
    return [scores[item] for item in range(items)]


@pytest.mark.parametrize(
    ("window", "last", "decay"),
    [(1, 1, 0.0), (3, 1, 1.0), (2, 4, 0.0), (20, 10, 1.0), (5, 3, 0.5), (1000, 1000, 2.0)],
)
def test_scores_are_those_of_the_definition(tmp_path: Path, window, last, decay) -> None:
    split = toy_split(users=20, items=12, length=15)  # a walk round the ring comes back
    runtime = Runtime(seed=0, device="cpu", checkpoints=tmp_path, cache=tmp_path)
    values = {"window": window, "last": last, "decay": decay}
    model = Cooccurrence(Cooccurrence.settings_class.build(values))
    assert model.fit(toy_training_data(split), runtime)["parameters_trained"] == 0
    histories = split.test.histories[:4].copy()
    histories[1, :7], histories[2, :9], histories[3] = PAD, PAD, PAD
    scores = model.score(Queries.of_all(histories, 12), runtime)
    sequences = [split.sequences[row].tolist() for row in range(20)]
    for row, history in enumerate(histories):
        seen = history[history != PAD].tolist()
        expected = by_hand(sequences, seen, 12, window, last, decay)
        np.testing.assert_allclose(scores[row], expected, rtol=1e-6, atol=1e-6)


def test_blocks_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    split = toy_split()
    runtime = Runtime(seed=0, device="cpu", checkpoints=tmp_path, cache=tmp_path)
    model = Cooccurrence(Cooccurrence.settings_class())
    model.fit(toy_training_data(split), runtime)
    queries = Queries.of_all(split.test.histories, 40)
    whole = model.score(queries, runtime)
    monkeypatch.setattr(item_weights, "CELLS_AT_ONCE", 100)  # two rows
    assert (model.score(queries, runtime) == whole).all()
    assert model.score(queries[:0], runtime).shape == (0, 40)


@pytest.mark.parametrize("exponent", [0, 6, 8, 12])
def test_popularity_tells_equal_sums_apart_down_to_a_step_of_float32(
    tmp_path: Path, exponent: int
) -> None:
    split = toy_split()
    model = Cooccurrence(Cooccurrence.settings_class())
    runtime = Runtime(seed=0, device="cpu", checkpoints=tmp_path, cache=tmp_path)
    model.fit(toy_training_data(split), runtime)
    items, sums, step = len(split.catalogue), 2.0**exponent, 2.0 ** (exponent - 23)
    model.weights = np.full((items, items), sums, np.float32)
    history = np.full((1, 10), PAD, dtype=np.int32)
    history[0, -1] = 0
    for times, places in ((1, items), (0.25, items // 4 + 1)):
        model.shares = (np.arange(items) * times * step).astype(np.float32)
        scores = model.score(Queries.of_all(history, items), runtime)[0]
        assert (np.diff(scores) >= 0).all()
        assert abs(len(set(scores.tolist())) - places) <= 1
