import numpy as np
import pytest

from recbench.data.card import Rules, card
from recbench.data.dataset import make_dataset
from recbench.data.filters import filtered
from recbench.data.readers.raw import Raw, coded
from recbench.errors import UserError
from recbench.questions.make_split import make_split
from recbench.questions.protocols import protocol

# user, item, rating, time
ROWS = [
    (1, 10, 5, 300),
    (1, 20, 2, 100),
    (1, 10, 4, 50),
    (2, 10, 3, 70),
    (2, 30, 3, 60),
    (3, 20, 1, 10),
    (3, 20, 1, 10),
]


@pytest.fixture
def dataset():
    columns = np.array(ROWS).T
    raw = Raw(
        users=coded(columns[0]),
        items=coded(columns[1]),
        ratings=columns[2].astype(np.float32),
        times=columns[3],
        item_ids=np.array([40, 30, 20, 10]),
        titles=["Forty", "Thirty", "Twenty", "Ten"],
    )
    return make_dataset(card("movielens"), raw)


def rows_of(dataset, rules):
    left = filtered(dataset, rules)
    items = left.catalogue.raw_ids[left.items].tolist()
    return list(zip((left.users + 1).tolist(), items, left.times.tolist(), strict=True))


@pytest.mark.parametrize(
    ("rules", "kept"),
    [
        ({}, [0, 1, 2, 3, 4, 5, 6]),
        ({"skip_rows": 2}, [2, 3, 4, 5, 6]),
        ({"min_rating": 3}, [0, 2, 3, 4]),
        ({"pairs": "first"}, [0, 1, 3, 4, 5]),
        ({"pairs": "earliest"}, [1, 2, 3, 4, 5]),
        ({"min_per_item": 2}, [0, 1, 2, 3, 5, 6]),
        ({"min_per_user": 3}, [0, 1, 2]),
        # Items first, once: user 2 is left with one interaction and goes, item 10 stays.
        ({"pairs": "first", "min_per_item": 2, "min_per_user": 2}, [0, 1]),
    ],
    ids=str,
)
def test_rules_keep_what_they_say_in_file_order(dataset, rules, kept):
    expected = [ROWS[i][:2] + ROWS[i][3:] for i in kept]
    assert rows_of(dataset, Rules(**rules)) == expected


def test_the_catalogue_keeps_all_items_or_those_that_are_left(dataset):
    assert filtered(dataset, Rules(min_rating=3)).catalogue is dataset.catalogue
    left = filtered(dataset, Rules(min_rating=3, catalogue="kept"))
    assert left.catalogue.raw_ids.tolist() == [10, 30]
    assert left.catalogue.titles == ("Ten", "Thirty")
    assert left.items.dtype == np.int32
    assert rows_of(dataset, Rules(min_rating=3, catalogue="kept")) == [
        (1, 10, 300),
        (1, 10, 50),
        (2, 10, 70),
        (2, 30, 60),
    ]


def test_rules_that_leave_nothing_are_refused(dataset):
    with pytest.raises(UserError, match="the rules of movielens leave no interaction"):
        filtered(dataset, Rules(min_per_user=9))


def test_file_order_and_the_earliest_time_of_a_user():
    """Users are parted by their earliest time, though their file order starts elsewhere."""
    users, items, times = [], [], []
    for user in range(10):
        users += [user] * 4
        items += [3, 1, 2, 0]
        # The user with the highest number has the earliest time, at the second interaction.
        times += [5_000 + user, 1_000 - user, 6_000, 7_000]
    raw = Raw(
        users=coded(np.array(users)),
        items=coded(np.array(items)),
        ratings=np.ones(40, dtype=np.float32),
        times=np.array(times),
        item_ids=np.arange(4),
        titles=["A", "B", "C", "D"],
    )
    described = card("movielens").model_copy(update={"protocols": {"paper": Rules(order="file")}})
    split = make_split(make_dataset(described, raw), protocol("paper"))
    assert split.sequences[0].tolist() == [3, 1, 2, 0]
    assert split.train.users.tolist() == list(range(2, 10))
    assert split.validation.users.tolist() == [1]
    assert split.test.users.tolist() == [0]
    assert split.test.targets.tolist() == [0]
