from dataclasses import replace

import numpy as np
import pytest

from recbench.questions.controls import MEANING, OF_USE, anonymised, seen, shuffled
from recbench.questions.split import PAD
from recbench.testing.toy import toy_split


@pytest.fixture(scope="module")
def split():
    return toy_split(users=120)


def test_every_control_says_what_it_does_and_whom_it_is_for():
    assert MEANING.keys() == OF_USE.keys()


def test_a_shuffled_history_holds_the_same_items_in_another_order(split):
    histories = split.test.histories.copy()
    histories[0, :4] = PAD
    histories[1] = PAD
    found = shuffled(histories)
    np.testing.assert_array_equal(np.sort(found, axis=1), np.sort(histories, axis=1))
    np.testing.assert_array_equal(found == PAD, histories == PAD)
    assert (found != histories).any(axis=1)[2:].all()
    np.testing.assert_array_equal(shuffled(histories), found)


def test_a_history_is_shuffled_alike_whatever_rows_come_after_it(split):
    histories = split.test.histories
    np.testing.assert_array_equal(shuffled(histories[:3]), shuffled(histories)[:3])


def test_all_orders_are_as_likely():
    histories = np.tile(np.arange(3, dtype=np.int32), (6000, 1))
    _, counts = np.unique(shuffled(histories), axis=0, return_counts=True)
    assert len(counts) == 6
    assert counts.min() > 900


def test_codes_say_nothing_of_an_item(split):
    titles = anonymised(split.catalogue).titles
    assert len(set(titles)) == len(split.catalogue) == 40
    assert set(titles) == {f"item {number:02d}" for number in range(1, 41)}
    assert list(titles) != sorted(titles)
    assert anonymised(split.catalogue) == anonymised(split.catalogue)


def test_a_control_changes_what_is_seen_and_no_target(split):
    assert seen(split, None) is split
    assert seen(split, "other-user") is split
    assert seen(split, "permuted-items") is split
    other = seen(split, "shuffled-history")
    assert other.test.targets is split.test.targets
    assert other.catalogue is split.catalogue
    other = seen(split, "anonymised-titles")
    assert other.test is split.test
    assert other.catalogue.digest != split.catalogue.digest
    assert replace(other, catalogue=split.catalogue) == split
