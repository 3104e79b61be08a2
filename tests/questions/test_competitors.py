from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recbench.data.card import card
from recbench.data.catalogue import make_catalogue
from recbench.data.dataset import Dataset
from recbench.data.ragged import ragged
from recbench.errors import UserError
from recbench.questions import competitors as module
from recbench.questions.candidates import draw
from recbench.questions.competitors import alike, competitors, enough, left_out_lines
from recbench.questions.excluded import Excluded
from recbench.questions.full_ranking import FullRanking
from recbench.questions.make_split import asked_split, make_split
from recbench.questions.protocols import protocol

PAPER, NEXT_ITEM, FULL = map(protocol, ("paper", "next-item", "next-item,candidates=all"))


def rows_of(targets, lists):
    """The targets of rows, and what is excluded for them."""
    flat = np.array([item for one in lists for item in one], dtype=np.int32)
    sizes = np.array([len(one) for one in lists], dtype=np.int64)
    return np.array(targets, dtype=np.int32), Excluded.each(ragged(flat, sizes))


@given(st.data())
def test_they_are_counted_as_a_plain_loop_counts_them(data):
    size = data.draw(st.integers(1, 8))
    item = st.integers(0, size - 1)
    titles = [f"title {data.draw(item)}" for _ in range(size)]
    targets = data.draw(st.lists(item, max_size=5))
    rows = rows_of(targets, [data.draw(st.lists(item)) for _ in targets])
    items = make_catalogue(np.arange(size), titles)
    for rule in (PAPER, NEXT_ITEM, FULL):
        names = titles if rule is NEXT_ITEM else list(map(str, range(size)))
        expected = [
            len({names[i] for i in set(range(size)) - set(excluded.tolist())} - {names[target]})
            for target, excluded in zip(targets, map(rows[1].__getitem__, range(5)), strict=False)
        ]
        groups = alike(items, rule)
        assert competitors(groups, *rows).tolist() == expected
        for least in (1, 3):
            assert enough(groups, *rows, least).tolist() == [count >= least for count in expected]


def test_so_it_is_where_the_lists_do_not_fit_into_memory_together(monkeypatch):
    monkeypatch.setattr(module, "_EXCLUDED_AT_ONCE", 3)
    groups = alike(make_catalogue(np.arange(5), list("aabcd")), NEXT_ITEM)
    rows = rows_of([0, 4, 2], [[0, 1, 4], [0], [0, 1, 0, 1, 2]])
    assert competitors(groups, *rows).tolist() == [2, 3, 2]


def dataset(sequences, items=25):
    """Users who touch items one after another."""
    pairs = [(user, item) for user, own in enumerate(sequences) for item in own]
    users, touched = (np.array(column, dtype=np.int32) for column in zip(*pairs, strict=True))
    return Dataset(
        card=card("movielens"),
        catalogue=make_catalogue(np.arange(items), [f"title {i}" for i in range(items)]),
        users=users,
        items=touched,
        ratings=np.full(len(users), 5, dtype=np.float32),
        times=np.arange(len(users), dtype=np.int64),
        digest="toy",
    )


WALKS = [[(user + step) % 25 for step in range(4)] for user in range(25)]


@pytest.mark.parametrize("name", ["next-item", "temporal", "paper"])
def test_nothing_changes_where_every_row_has_enough(name):
    split = asked_split(dataset(WALKS), protocol(name))
    assert (split.left_out("validation"), split.left_out("test")) == (0, 0)
    assert left_out_lines(split, protocol(name)) == []


def test_rows_with_too_few_are_left_out_of_what_is_asked_and_of_nothing_else():
    # 18 competitors at test, since the 7th item is not excluded at validation: 19.
    users = [*WALKS, list(range(7)), *WALKS]
    split = asked_split(dataset(users), NEXT_ITEM)
    assert 25 in split.validation.users
    assert 25 not in split.test.users
    assert 25 in split.train.users
    assert 25 in split.sequence_users
    assert (split.left_out_validation, split.left_out_test) == (0, 1)
    others = asked_split(dataset([*WALKS, [0, 1], *WALKS]), NEXT_ITEM)
    np.testing.assert_array_equal(split.test.histories, others.test.histories)
    np.testing.assert_array_equal(split.test.users, others.test.users)
    for row in range(len(split.test)):
        assert split.excluded_test[row].tolist() == others.excluded_test[row].tolist()
    assert len(draw(split, NEXT_ITEM, "test", 2, 0)) == len(FullRanking.of(split, "test")) == 50
    assert left_out_lines(split, NEXT_ITEM) == [
        "1 of 51 test rows has fewer than 19 competitors and is left out "
        "(rule: too few competitors)"
    ]
    whole = make_split(dataset(users), NEXT_ITEM)
    assert (len(whole.test), whole.left_out_test) == (51, 0)
    assert len({split.digest, whole.digest, others.digest}) == 3
    fewer = asked_split(dataset(users), protocol("next-item,candidates=19"))
    assert fewer.digest == whole.digest
    assert (len(fewer.test), fewer.left_out_test) == (51, 0)


def test_several_are_said_in_the_plural():
    split = asked_split(dataset([*WALKS, *[list(range(25))] * 2]), FULL)
    lines = left_out_lines(split, FULL)
    assert lines[-1].startswith("2 of 27 test rows have no competitor and are left out")


def test_what_is_advised_leaves_rows_in_both_parts():
    # At test 5 of 9 items are left to one kind of user and 4 to the other.
    data = dataset([[0, 1, 2, 3], [0, 1, 2, 3, 4]] * 3, items=9)
    with pytest.raises(UserError, match=r"no validation row of .* give --candidates 6, the most"):
        asked_split(data, NEXT_ITEM)
    left = asked_split(data, protocol("next-item,candidates=6"))
    assert Counter(left.test.users.tolist()) == dict.fromkeys((0, 2, 4), 1)
    with pytest.raises(UserError, match=r"no test row of .* give --candidates 6, the most"):
        asked_split(data, protocol("next-item,candidates=7"))


def test_of_one_title_all_items_can_be_ranked():
    data = dataset(WALKS)
    same = replace(data, catalogue=make_catalogue(np.arange(25), ["one"] * 25))
    with pytest.raises(UserError, match=r"has one title; give --candidates all$"):
        asked_split(same, NEXT_ITEM)
    popular = protocol("next-item,negatives=popular")
    with pytest.raises(UserError, match=r"give --candidates all --negatives uniform$"):
        asked_split(same, popular)
    assert len(asked_split(same, FULL).test) == 25


def test_nothing_is_advised_where_nothing_helps():
    with pytest.raises(UserError, match=r"has touched every item by then; it takes items that"):
        asked_split(dataset([list(range(4)) * 2] * 5, items=4), FULL)
