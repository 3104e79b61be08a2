"""What holds of every model that adds up weights between items."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from recbench_baselines import item_weights
from recbench_baselines.cooccurrence import Cooccurrence
from recbench_baselines.ease import EASE
from recbench_baselines.item_weights import ItemWeights, looked_up, occurring
from recbench_baselines.itemknn import ItemKNN
from scipy.sparse import csr_array

from recbench.data.ragged import Ragged
from recbench.questions.queries import Queries
from recbench.questions.split import PAD
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


@pytest.mark.honesty
@pytest.mark.parametrize("model_class", [Cooccurrence, EASE, ItemKNN])
def test_a_fit_leaves_sequences_with_repeats_as_they_were(
    model_class: type[ItemWeights], tmp_path: Path
) -> None:
    """Those of the split itself, of which records and the next trainings are made."""
    repeats = np.array([3, 3, 5, 7, 5, 5, 1, 2], dtype=np.int32)
    split = replace(toy_split(), sequences=Ragged(repeats, np.array([0, 3, 6, 8])))
    before = split.training_digest
    runtime = Runtime(0, "cpu", checkpoints=tmp_path, cache=tmp_path)
    model_class(model_class.settings_class()).fit(toy_training_data(split), runtime)
    assert split.training_digest == before


def test_counting_what_occurs_leaves_rows_as_they_were() -> None:
    rows = Ragged(np.array([3, 3, 5, 7], dtype=np.int32), np.array([0, 3, 4]))
    found = occurring(rows, 9).toarray()
    np.testing.assert_array_equal(np.argwhere(found == 1), [[0, 3], [0, 5], [1, 7]])
    assert found.sum() == 3
    assert rows.offsets.tolist() == [0, 3, 4]
    assert rows.values.tolist() == [3, 3, 5, 7]


@pytest.mark.parametrize("lonely", [False, True], ids=["data", "no weights"])
@pytest.mark.parametrize("model_class", [Cooccurrence, EASE, ItemKNN])
def test_looked_up_or_multiplied_scores_are_the_same_bits(
    model_class: type[ItemWeights], lonely: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = toy_training_data()
    if lonely:
        data = replace(data, sequences=Ragged(np.arange(5, dtype=np.int32), np.arange(6)))
    runtime = Runtime(0, "cpu", checkpoints=tmp_path, cache=tmp_path)
    model = model_class(model_class.settings_class())
    model.fit(data, runtime)
    random = np.random.default_rng(0)
    histories = random.integers(40, size=(60, 10)).astype(np.int32)  # some items twice
    histories[:9, :7], histories[9] = PAD, PAD
    queries = Queries(histories, random.integers(40, size=(60, 7)).astype(np.int32))
    found = []
    for few in (0, 1000):
        monkeypatch.setattr(item_weights, "_FEW", few)
        found.append(model.score(queries, runtime))
    assert found[0].dtype == found[1].dtype == np.float32
    np.testing.assert_array_equal(found[0], found[1])
    assert lonely or len(np.unique(found[0])) > 20


def test_a_value_is_found_where_it_stands_and_nought_elsewhere() -> None:
    random = np.random.default_rng(0)
    whole = random.normal(size=(9, 30)).astype(np.float32) * (random.random((9, 30)) < 0.3)
    rows, columns = np.arange(9)[:, None], np.arange(30)[None].repeat(9, 0)
    for table in (whole, csr_array(whole)):
        np.testing.assert_array_equal(looked_up(table, rows, columns), whole)
