import numpy as np
import pytest

from recbench import registry
from recbench.recommender import Runtime
from recbench.testing.toy import toy_next_item_split, toy_split, toy_training_data

SMALL = {"epochs": 3, "batch_size": 64, "learning_rate": 5e-3}
OTHER = {
    "GRU4RecCPR": {"reranker_CAN_NUM": "10"},
    "SASRecCPR": {"reranker_CAN_NUM": "10", "learning_rate": 1e-3},
}


@pytest.fixture(scope="session")
def recbole():
    return pytest.importorskip("recbole", reason="RecBole's models come with the extra recbole")


@pytest.fixture(scope="session")
def small(recbole):
    """Build a small model of RecBole."""

    def build(name, **settings):
        found = registry.load("models", f"recbole:{name}")
        return found(found.settings_class.build(SMALL | OTHER.get(name, {}) | settings))

    return build


@pytest.fixture
def runtime(tmp_path):
    return Runtime(seed=0, device="cpu", checkpoints=tmp_path, cache=tmp_path)


@pytest.fixture(scope="session")
def toy():
    """The toy split that suits a model, and what it learns from."""

    def make(model):
        split = toy_next_item_split() if model.knows_users else toy_split()
        return split, toy_training_data(split)

    return make


@pytest.fixture
def untouched():
    """Fail where the global streams of Python or NumPy have moved."""
    import random

    before = random.getstate(), np.random.get_state()[1].copy(), np.random.get_state()[2]
    yield
    assert random.getstate() == before[0]
    assert (np.random.get_state()[1] == before[1]).all()
    assert np.random.get_state()[2] == before[2]
