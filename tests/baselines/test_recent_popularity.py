from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from recbench_baselines.recent_popularity import RecentPopularity

from recbench.data.ragged import Ragged
from recbench.errors import UserError
from recbench.questions.queries import Queries
from recbench.questions.split import PAD
from recbench.recommender import Runtime
from recbench.testing.contract import RecommenderContract
from recbench.testing.toy import toy_training_data

DAY = 86_400


class TestRecentPopularity(RecommenderContract):
    model_class = RecentPopularity


@pytest.fixture
def places(tmp_path: Path):
    """Return a function that fits (item, day) pairs, and gives the places of items 0 to 4."""

    def fit(pairs, days=2.0, start=1_700_000_000):
        items, when = map(np.array, zip(*pairs, strict=True))
        data = replace(
            toy_training_data(timed=True),
            sequences=Ragged(items.astype(np.int32), np.array([0, len(items)])),
            times=np.array([start + round(day * DAY) for day in when], dtype=np.int64),
        )
        runtime = Runtime(seed=0, device="cpu", checkpoints=tmp_path, cache=tmp_path)
        model = RecentPopularity(RecentPopularity.settings_class.build({"days": days}))
        details = model.fit(data, runtime)
        queries = Queries(np.full((1, 10), PAD, dtype=np.int32), np.arange(5, dtype=np.int32)[None])
        return model.score(queries, runtime)[0].tolist(), details["interactions_counted"]

    return fit


def test_recent_counts_decide_then_all_counts(places):
    old = [(0, 0), (0, 0), (0, 0), (1, 0), (2, 1)]
    recent = [(1, 9), (2, 9.5), (3, 9.5), (3, 10)]
    # 4 never occurs; 0 only of old; 1 and 2 are equal in both.
    assert places(old + recent) == ([1, 2, 2, 3, 0], 4)
    assert places(old + recent, days=100) == ([2, 1, 1, 1, 0], 9)


def test_the_first_moment_of_the_window_is_not_in_it(places):
    assert places([(0, 0), (1, 2)])[1] == 1
    assert places([(0, 0.001), (1, 2)])[1] == 2


def test_a_time_of_another_magnitude_does_not_end_training(places):
    usual = [(0, 0), (0, 0), *[(1, 9)] * 3, (2, 10)]
    assert places(usual) == ([1, 3, 2, 0, 0], 4)
    for astray in (1_700_000_000 * 1000 / DAY, -1_700_000_000 / DAY):
        # It counts, as what is old: of 0, 1 and 2 some are recent or there is more of them.
        assert places([*usual, (3, astray)]) == ([2, 4, 3, 1, 0], 4)
        assert places([*usual, (3, astray)], days=1e9)[1] == len(usual)


def test_data_without_times_are_refused(tmp_path):
    runtime = Runtime(seed=0, device="cpu", checkpoints=tmp_path, cache=tmp_path)
    with pytest.raises(UserError, match="these data have no times; take popularity"):
        RecentPopularity(RecentPopularity.settings_class()).fit(toy_training_data(), runtime)
