import pytest
from recbench_baselines.recbole.members import MEMBERS

from recbench import registry
from recbench.testing.contract import RecommenderContract

pytest.importorskip("recbole", reason="the models of RecBole come with the extra recbole")

SMALL = {"epochs": 2, "batch_size": 128}
OTHER = {"GRU4RecCPR": {"reranker_CAN_NUM": "10"}, "SASRecCPR": {"reranker_CAN_NUM": "10"}}


def small(name):
    return SMALL | OTHER.get(name, {})


for name in MEMBERS:
    attributes = {
        "model_class": registry.load("models", f"recbole:{name}"),
        "settings": small(name),
    }
    globals()[f"Test{name}"] = type(f"Test{name}", (RecommenderContract,), attributes)
