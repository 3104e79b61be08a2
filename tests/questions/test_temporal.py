import hashlib

import numpy as np
import pytest

from recbench.data.card import card
from recbench.data.catalogue import make_catalogue
from recbench.data.dataset import Dataset
from recbench.errors import UserError
from recbench.questions.candidates import draw
from recbench.questions.make_split import make_split
from recbench.questions.protocols import protocol
from recbench.questions.split import PAD

TEMPORAL = protocol("temporal,history=4")

# (time, user, item) of 22 interactions: 80% of them, 17, have times up to 16, 90%, 19, up to 18.
TOY = [
    *((0, 0, 0), (1, 0, 1), (2, 0, 2)),
    *((3 + i, 1, 3 + i) for i in range(10)),
    *((13, 2, 0), (14, 2, 1)),
    (15, 0, 3),
    *((16, 0, 4), (16, 2, 2)),  # the first cut's second: both validate
    *((18, 2, 3), (18, 0, 5), (18, 0, 6), (18, 3, 7)),  # the second cut's: all test
]


def dataset(rows) -> Dataset:
    times, users, items = map(np.array, zip(*rows, strict=True))
    return Dataset(
        card=card("movielens"),
        catalogue=make_catalogue(np.arange(100, 113), [f"title {i}" for i in range(13)]),
        users=users.astype(np.int32),
        items=items.astype(np.int32),
        ratings=np.full(len(rows), 5, dtype=np.float32),
        times=times.astype(np.int64),
        digest="toy",
    )


def rows_of(examples) -> list[tuple[int, list[int], int]]:
    histories = [row[row != PAD].tolist() for row in examples.histories]
    return [*zip(examples.users.tolist(), histories, examples.targets.tolist(), strict=True)]


def test_the_rows_are_those_worked_out_by_hand():
    split = make_split(dataset(TOY[::-1]), TEMPORAL)
    assert [row.tolist() for row in map(split.sequences.__getitem__, range(3))] == [
        [0, 1, 2, 3],
        [*range(3, 13)],
        [0, 1],  # what follows lies behind the first cut, and user 3 is not trained on at all
    ]
    assert split.sequence_users.tolist() == [0, 1, 2]
    assert len(split.train) == 3 + 9 + 1
    assert rows_of(split.train)[:3] == [(0, [0], 1), (0, [0, 1], 2), (0, [0, 1, 2], 3)]
    # User 2 had 2 interactions before that of the same second.
    assert rows_of(split.validation) == [(0, [0, 1, 2, 3], 4)]
    first, second = sorted((5, 6), key=lambda i: hashlib.sha256(str(100 + i).encode()).digest())
    assert rows_of(split.test) == [
        (0, [1, 2, 3, 4], first),
        (0, [2, 3, 4, first], second),
        (2, [0, 1, 2], 3),
    ]
    excluded = [sorted(split.excluded_test[row].tolist()) for row in range(3)]
    assert excluded == [[*range(7)], [*range(7)], [0, 1, 2, 3]]
    assert sorted(split.excluded_validation[0].tolist()) == [*range(7)]


def test_the_order_of_the_file_changes_nothing():
    one, other = (make_split(dataset(rows), TEMPORAL) for rows in (TOY, TOY[::-1]))
    assert one.digest == other.digest


def test_the_digest_sees_what_is_excluded():
    split = make_split(dataset(TOY), TEMPORAL)
    by_history = make_split(dataset(TOY), TEMPORAL.model_copy(update={"exclude": "history"}))
    assert rows_of(by_history.test) == rows_of(split.test)
    assert by_history.excluded_test[2].tolist() == [0, 1, 2]
    assert by_history.digest != split.digest


def test_negatives_are_what_the_user_never_touched():
    split = make_split(dataset(TOY), TEMPORAL)
    four = TEMPORAL.model_copy(update={"candidates": 4})
    pack = draw(split, four, "test", 50, 0)
    for row, touched in enumerate([[*range(7)], [*range(7)], [0, 1, 2, 3]]):
        target = split.test.targets[row]
        negatives = set(pack.candidates[row].ravel().tolist()) - {target}
        assert negatives == set(range(13)) - set(touched)


@pytest.mark.parametrize(
    "rows",
    [
        [(7, user, item) for user in range(3) for item in range(8)],  # one second
        [(item, item % 8, item) for item in range(13)],  # two interactions a user
    ],
    ids=["one second", "short users"],
)
def test_a_part_without_rows_is_refused(rows):
    with pytest.raises(UserError, match="temporal leaves no training, validation or test rows of"):
        make_split(dataset(rows), TEMPORAL)


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("paper", [(user + item, user, item) for user in range(3) for item in range(8)]),
        ("next-item", [(item, item % 8, item) for item in range(13)]),
    ],
)
def test_so_it_is_under_every_protocol(name, rows):
    with pytest.raises(UserError, match=f"{name} leaves no training, validation or test rows of"):
        make_split(dataset(rows), protocol(name))


def test_movielens_equals_a_plain_loop(movielens):
    split = make_split(movielens, protocol("temporal"))
    ordered = np.sort(movielens.times)
    cuts = ordered[80_000], ordered[90_000]
    raw_ids = movielens.catalogue.raw_ids.tolist()
    hashes = [hashlib.sha256(str(raw).encode()).digest() for raw in raw_ids]
    parts = {"train": [], "validation": [], "test": []}
    sequences = []
    for user in range(943):
        rows = np.flatnonzero(movielens.users == user).tolist()
        rows.sort(key=lambda row: (movielens.times[row], hashes[movielens.items[row]]))
        items = movielens.items[rows].tolist()
        early = [row for row in rows if movielens.times[row] < cuts[0]]
        if early:
            sequences.append(items[: len(early)])
        for place, row in enumerate(rows):
            period = ("train", "validation", "test")[sum(movielens.times[row] >= np.array(cuts))]
            if place >= (1 if period == "train" else 3):
                parts[period].append((user, items[max(0, place - 10) : place], items[place]))
    for name, expected in parts.items():
        assert rows_of(getattr(split, name)) == expected
    assert [split.sequences[i].tolist() for i in range(len(split.sequences))] == sequences
    for row in (0, 500, len(split.test) - 1):
        touched = movielens.items[movielens.users == split.test.users[row]]
        assert sorted(split.excluded_test[row].tolist()) == sorted(touched.tolist())


def test_movielens_is_pinned(movielens):
    split = make_split(movielens, protocol("temporal"))
    assert (len(split.train), len(split.validation), len(split.test)) == (79_248, 9_653, 9_770)
    assert split.digest == "e53b9c91e59f023b5d62bd4f181330965f7aa4c523d96d5560b7487a55b86d9a"
    pack = draw(split, protocol("temporal"), "test", 1, 0)
    assert pack.hash == "8e41a82f3a3a732e5fa9a42a8411df9f8cf5a3d71db5937c2eb5ad18b510fd39"
