from pathlib import Path

import numpy as np
import pytest
from recbench_baselines import ease
from recbench_baselines.ease import EASE

from recbench.errors import UserError
from recbench.questions.queries import Queries
from recbench.questions.split import PAD
from recbench.recommender import Runtime
from recbench.testing.contract import RecommenderContract
from recbench.testing.toy import toy_split, toy_training_data

ITEMS = 40


class TestEASE(RecommenderContract):
    model_class = EASE


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def runtime(tmp_path: Path, said: list[str]) -> Runtime:
    return Runtime(0, "cpu", checkpoints=tmp_path, cache=tmp_path, report=said.append)


def built(**values) -> EASE:
    return EASE(EASE.settings_class.build(values))


def regressed(interactions, l2):
    """Solve for each item by itself: ridge regression of its column on all other columns."""
    items = interactions.shape[1]
    weights = np.zeros((items, items))
    for item in range(items):
        others = np.delete(np.arange(items), item)
        x, y = interactions[:, others], interactions[:, item]
        weights[others, item] = np.linalg.solve(x.T @ x + l2 * np.eye(items - 1), x.T @ y)
    return weights


@pytest.mark.parametrize("block", [None, 3])
@pytest.mark.parametrize("l2", [0.001, 0.5, 1200.0])
def test_scores_are_those_of_a_regression_for_each_item(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch, l2: float, block: int | None
) -> None:
    if block:
        monkeypatch.setattr(ease, "CELLS_AT_ONCE", block * ITEMS)
    split = toy_split(users=200, length=25)
    interactions = np.zeros((200, ITEMS))
    for user in range(200):
        interactions[user, split.sequences[user]] = 1
    histories = split.test.histories[:4].copy()
    histories[1, :8], histories[2, 1:] = PAD, histories[2, 0]  # few items, one item many times
    histories[3] = PAD
    model = built(l2=l2)
    assert model.fit(toy_training_data(split), runtime) == {"parameters_trained": ITEMS * 39}
    scores = model.score(Queries.of_all(histories, ITEMS), runtime)
    weights = regressed(interactions, l2)
    for row, history in enumerate(histories):
        expected = weights[np.unique(history[history != PAD])].sum(axis=0)
        np.testing.assert_allclose(scores[row], expected, rtol=1e-6, atol=1e-6)


def test_a_large_catalogue_is_refused_before_anything_is_computed(
    runtime: Runtime, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = toy_training_data()
    refusal = "at most most_items=39 items, and 40 items take 0 MiB of memory"
    monkeypatch.setattr(ease, "gram", None)
    small = built(most_items=39)
    for attempt in (lambda: small.rehearse(data, 20, runtime), lambda: small.fit(data, runtime)):
        with pytest.raises(UserError, match=refusal):
            attempt()
    assert not said
    built(most_items=40).rehearse(data, 20, runtime)
    assert said == ["ease: 40 items take 0 MiB of memory"]


def test_how_many_are_tried_names_no_row() -> None:
    assert built(most_items=7).settings.identity() == built().settings.identity()


def test_it_is_inverted_in_its_own_memory() -> None:
    random = np.random.default_rng(0).random((30, 20))
    counts = random.T @ random + np.eye(20)
    expected = np.linalg.inv(counts)
    inverse = ease.inverted(counts)
    np.testing.assert_allclose(inverse, expected, rtol=1e-9, atol=1e-12)
    assert np.shares_memory(inverse, counts)
