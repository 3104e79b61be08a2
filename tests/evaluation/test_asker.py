"""Memory that does not suffice while a model is asked."""

import numpy as np
import pytest

from recbench.evaluation.asker import Asker
from recbench.evaluation.asking import ROWS_AT_ONCE
from recbench.questions.queries import Queries
from recbench.recommender import Recommender, Runtime
from recbench.settings import Settings

TOLD = [
    MemoryError("Unable to allocate 5.1 GiB for an array"),
    RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"),
]


class Small(Recommender):
    """Has memory for so many rows."""

    settings_class = Settings
    fit = save = load = None

    def __init__(self, most, error):
        super().__init__(Settings())
        self.most, self.error, self.calls = most, error, []

    def score(self, queries, runtime):
        self.calls.append(len(queries))
        if len(queries) > self.most:
            raise self.error
        return queries.candidates.astype(np.float32)


def small(most, error=TOLD[0]):
    Small.__abstractmethods__ = frozenset()
    return Small(most, error)


def queries(rows):
    candidates = np.arange(rows * 3, dtype=np.int32).reshape(rows, 3)
    return Queries(np.zeros((rows, 2), dtype=np.int32), candidates)


@pytest.fixture
def asked(tmp_path):
    def make(model):
        said = []
        return Asker(model, Runtime(0, "cpu", tmp_path, tmp_path, said.append)), said

    return make


@pytest.mark.parametrize("error", TOLD, ids=str)
def test_half_as_many_rows_are_asked_at_once_and_none_is_lost(asked, error):
    model = small(5, error)
    asker, said = asked(model)
    for rows in (20, 3, 11):
        scores, texts = asker.ask(queries(rows))
        assert texts is None
        np.testing.assert_array_equal(scores, queries(rows).candidates)
    assert model.calls == [20, 10, 5, 5, 5, 5, 3, 5, 5, 1]
    assert said == [f"out of memory: asking {n} rows at once from here on" for n in (10, 5)]
    assert asker.halved == 2


def test_where_memory_suffices_nothing_is_cut(asked):
    model = small(ROWS_AT_ONCE)
    asker, said = asked(model)
    asker.ask(queries(ROWS_AT_ONCE))
    assert (model.calls, said, asker.halved) == ([ROWS_AT_ONCE], [], 0)


def test_a_row_that_does_not_fit_alone_is_an_error(asked):
    asker, _ = asked(small(0))
    with pytest.raises(MemoryError, match="Unable to allocate"):
        asker.ask(queries(4))


def test_another_failure_is_not_taken_for_it(asked):
    asker, said = asked(small(0, RuntimeError("shapes do not match")))
    with pytest.raises(RuntimeError, match="shapes"):
        asker.ask(queries(4))
    assert said == []
