from pathlib import Path

import numpy as np
from recbench_baselines.last_id import LastId

from recbench.questions.queries import Queries
from recbench.questions.split import PAD
from recbench.recommender import Runtime
from recbench.settings import Settings
from recbench.testing.contract import RecommenderContract
from recbench.testing.toy import toy_training_data


class TestLastId(RecommenderContract):
    model_class = LastId


def test_ids_come_upwards_from_the_last_and_begin_again(tmp_path: Path) -> None:
    runtime = Runtime(seed=0, device="cpu", checkpoints=tmp_path, cache=tmp_path)
    model = LastId(Settings())
    assert model.fit(toy_training_data(), runtime) == {"parameters_trained": 0}
    histories = np.array([[3, 38], [PAD, 0], [PAD, PAD]], dtype=np.int32)
    scores = model.score(Queries.of_all(histories, 40), runtime)
    orders = np.argsort(-scores, axis=1).tolist()
    assert orders == [[39, *range(39)], [*range(1, 40), 0], [*range(40)]]
    assert (np.diff(np.sort(scores, axis=1)) == 1).all()  # no two are equal
