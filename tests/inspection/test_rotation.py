from types import SimpleNamespace

import numpy as np
import pytest

from recbench.inspection.loaded import Asked
from recbench.inspection.rotation import moved, rotate
from recbench.questions.candidates import draw
from recbench.questions.protocols import protocol
from recbench.recommender import Runtime
from recbench.testing.toy import toy_split


def test_the_target_moves_and_the_others_keep_their_order():
    candidates = np.array([[5, 6, 7, 8], [1, 2, 3, 4]], dtype=np.int32)
    places = np.array([1, 3])
    assert moved(candidates, places, 0).tolist() == [[6, 5, 7, 8], [4, 1, 2, 3]]
    assert moved(candidates, places, 2).tolist() == [[5, 7, 6, 8], [1, 2, 4, 3]]
    assert moved(candidates, places, 3).tolist() == [[5, 7, 8, 6], [1, 2, 3, 4]]
    assert moved(candidates, places, 3).dtype == np.int32
    assert candidates.tolist() == [[5, 6, 7, 8], [1, 2, 3, 4]]


@pytest.fixture
def asked(tmp_path):
    """Return a function that makes rows, asked of what writes as it is told."""
    split = toy_split(users=120)
    pack, rows = draw(split, protocol("paper"), "test", 1, 0), np.arange(12)

    def make(choose):
        titles = split.catalogue.titles
        model = SimpleNamespace(
            knows_users=False,
            announce=lambda *_: None,
            answer=lambda queries, _: [titles[i] if i >= 0 else "" for i in choose(queries)],
        )
        record = SimpleNamespace(model="writer", seed=0, matching="exact")
        runtime = Runtime(0, "cpu", tmp_path, tmp_path)
        shown, slots = pack.candidates[:, 0], pack.target_position[:, 0].astype(np.int64)
        return Asked(model, runtime, record, split, rows, shown, slots)

    return make


def test_who_answers_with_the_first_in_the_list_is_right_in_the_first_slot_alone(asked):
    found = rotate(asked(lambda queries: queries.candidates[:, 0]))
    assert [one.hit.value for one in found.slots] == [1.0] + [0.0] * 19
    assert {one.valid.value for one in found.slots} == {1.0}
    assert (found.hit, found.spread, found.rows) == (pytest.approx(0.05), 1.0, 12)
    assert found.same < 0.2


def test_who_goes_by_the_item_answers_the_same_in_every_slot(asked):
    found = rotate(asked(lambda queries: queries.candidates.max(axis=1)))
    assert len({one.hit.value for one in found.slots}) == 1
    assert (found.spread, found.same) == (0.0, 1.0)


def test_the_same_nonsense_in_every_slot_is_no_answer_that_stays(asked):
    found = rotate(asked(lambda queries: np.full(len(queries), -1)))
    assert (found.hit, found.spread, found.same) == (0.0, 0.0, 0.0)
    assert {one.valid.value for one in found.slots} == {0.0}
