"""Of which of our models a control says something."""

import numpy as np
import pytest

from recbench.questions.controls import OF_USE, shuffled
from recbench.recommender import Runtime
from recbench.registry import load
from recbench.testing.contract import toy_queries
from recbench.testing.toy import toy_split, toy_training_data

SIMPLE = ("popularity", "recent-popularity", "itemknn", "ease", "cooccurrence", "last-id")


@pytest.mark.parametrize("name", SIMPLE)
def test_shuffled_histories_are_a_control_of_what_goes_by_their_order(name, tmp_path):
    split, model_class = toy_split(), load("models", name)
    model = model_class(model_class.settings_class.build({}))
    runtime = Runtime(0, "cpu", tmp_path, tmp_path)
    model.fit(toy_training_data(split, timed=True), runtime)
    asked = toy_queries(split)
    other = type(asked)(shuffled(asked.histories), asked.candidates)
    differs = not np.allclose(model.score(asked, runtime), model.score(other, runtime))
    assert ("shuffled-history" in model.controls) == differs


@pytest.mark.parametrize(
    ("name", "also"),
    [
        ("random", None),
        ("sasrec", {"shuffled-history"}),
        ("morec", {"shuffled-history"}),
        ("tallrec", {"shuffled-history", "anonymised-titles"}),
        ("bigrec", {"shuffled-history", "anonymised-titles"}),
        ("llara", {"shuffled-history", "anonymised-titles", "permuted-items"}),
        ("ilora", set(OF_USE)),
        ("lora-ensemble", set(OF_USE)),
    ],
)
def test_controls(name, also):
    model_class = load("models", name)
    assert model_class(model_class.settings_class.build({})).controls == (also or set())
