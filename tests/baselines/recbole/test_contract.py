"""Every model of RecBole fulfils the contract."""

import pytest
from recbench_baselines.recbole.members import MEMBERS

from recbench import registry
from recbench.testing.contract import RecommenderContract

pytest.importorskip("recbole", reason="RecBole's models come with the extra recbole")

RERANKED = {"reranker_CAN_NUM": "10"}
SLOW = set(MEMBERS) - {"NARM", "BERT4Rec", "SASRecCPR", "SHAN", "TransRec"}
"""Left out of the default run: they go the same ways as those that stay."""

for name in MEMBERS:
    attributes = {
        "model_class": registry.load("models", f"recbole:{name}"),
        "settings": {"epochs": 1} | (RERANKED if name.endswith("CPR") else {}),
        "pytestmark": [pytest.mark.slow] if name in SLOW else [],
    }
    globals()[f"Test{name}"] = type(f"Test{name}", (RecommenderContract,), attributes)
