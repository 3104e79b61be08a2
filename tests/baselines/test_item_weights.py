"""What holds of every model that adds up weights between items."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from recbench_baselines.cooccurrence import Cooccurrence
from recbench_baselines.ease import EASE
from recbench_baselines.item_weights import ItemWeights
from recbench_baselines.itemknn import ItemKNN

from recbench.data.ragged import Ragged
from recbench.questions.queries import Queries
from recbench.recommender import Runtime
from recbench.testing.toy import toy_split, toy_training_data


@pytest.mark.parametrize("model_class", [Cooccurrence, EASE, ItemKNN])
def test_where_no_item_goes_with_another_there_is_nothing_to_add(
    model_class: type[ItemWeights], tmp_path: Path
) -> None:
    """Every training user has one item; what was learnt is saved and loaded all the same."""
    lonely = Ragged(np.arange(5, dtype=np.int32), np.arange(6))
    data = replace(toy_training_data(), sequences=lonely)
    runtime = Runtime(0, "cpu", checkpoints=tmp_path, cache=tmp_path)
    queries = Queries.of_all(toy_split().test.histories, 40)
    model, loaded = (model_class(model_class.settings_class()) for _ in range(2))
    model.fit(data, runtime)
    model.save(tmp_path)
    loaded.load(tmp_path, data, runtime)
    shares = [0.2] * 5 if model_class is Cooccurrence else [0] * 5
    expected = np.tile(np.array([*shares, *[0] * 35], dtype=np.float32), (len(queries), 1))
    np.testing.assert_array_equal(loaded.score(queries, runtime), expected)
