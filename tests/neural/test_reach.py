"""Histories of which a model reads a part, and what is said of it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recbench_baselines.bert4rec import BERT4Rec
from recbench_baselines.caser import Caser
from recbench_baselines.esasrec import ESASRec
from recbench_baselines.gru4rec import GRU4Rec
from recbench_baselines.sasrec import SASRec

from recbench.neural.recommender import NeuralRecommender
from recbench.questions.split import PAD, Examples
from recbench.recommender import Runtime, TrainingData
from recbench.testing.toy import toy_training_data

READ = {GRU4Rec: None, SASRec: 6, ESASRec: 6, Caser: 6, BERT4Rec: 5}
"""Of so many items at most with a `max_length` of 6."""


def shown(items: int) -> TrainingData:
    """Toy data whose questions show so many items of a history."""
    data, more = toy_training_data(), items - 10

    def wide(rows: Examples) -> Examples:
        cut = rows.histories[:, max(0, -more) :]
        padded = np.pad(cut, ((0, 0), (max(0, more), 0)), constant_values=PAD)
        return replace(rows, histories=padded)

    return replace(data, train=wide(data.train), validation=wide(data.validation))


def told(
    kind: type[NeuralRecommender], items: int, folder: Path, **settings: Any
) -> tuple[list[str], dict[str, Any]]:
    """Return what is said before a training, and what its record has of it."""
    said: list[str] = []
    model = kind(kind.settings_class.build({"max_length": 6, "epochs": 1, **settings}))
    runtime = Runtime(0, "cpu", folder, folder, said.append)
    model.rehearse(shown(items), 20, runtime)
    report = model.fit(shown(items), runtime)
    return said, {name: one for name, one in report.items() if name.startswith("items_")}


@pytest.mark.honesty
@pytest.mark.parametrize("kind", READ, ids=lambda kind: kind.__name__)
def test_what_is_not_read_is_said_and_recorded(
    kind: type[NeuralRecommender], tmp_path: Path
) -> None:
    read, name = READ[kind], kind.__name__.lower()
    said, recorded = told(kind, 12, tmp_path)
    if read is None:
        assert (said, recorded) == ([], {})
        return
    longer = 12 if read == 6 else 13
    assert said == [
        f"of a history of up to 12 items {name} reads the latest {read}; --set max_length={longer} "
        f"reads them all, --history {read} shows no more"
    ]
    assert recorded == {"items_read": read, "items_shown": 12}
    assert told(kind, 12, tmp_path / "longer", max_length=longer) == ([], {})
    assert told(kind, read, tmp_path / "shorter") == ([], {})


@pytest.mark.honesty
@pytest.mark.parametrize("kind", READ, ids=lambda kind: kind.__name__)
def test_a_model_reads_what_it_says(kind: type[NeuralRecommender], tmp_path: Path) -> None:
    model = kind(kind.settings_class.build({"max_length": 6, "epochs": 1}))
    model.fit(toy_training_data(), Runtime(0, "cpu", tmp_path, tmp_path))
    history = np.arange(10, dtype=np.int32)[None]
    changes = []
    for place in range(10):
        other = history.copy()
        other[0, place] = 39
        changes.append(not np.array_equal(*map(model.user_vectors, (history, other))))
    read = model.settings.items_read or 10
    assert changes == [place >= 10 - read for place in range(10)]
