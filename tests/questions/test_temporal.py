from pathlib import Path

import numpy as np
import pytest
from shuffled_ties import place_among_ties

from recbench.data.card import card
from recbench.data.catalogue import make_catalogue
from recbench.data.dataset import Dataset
from recbench.errors import UserError
from recbench.questions.candidates import draw
from recbench.questions.doctor.case import Case
from recbench.questions.doctor.diagnosis import diagnose
from recbench.questions.full_ranking import FullRanking
from recbench.questions.make_split import make_split
from recbench.questions.protocols import protocol
from recbench.questions.split import PAD

DOCS = Path(__file__).parents[2] / "docs/protocols.md"
TEMPORAL = protocol("temporal,candidates=4,history=4")

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
    first, second = sorted((5, 6), key=lambda i: place_among_ties(100 + i, user=0))
    assert rows_of(split.test) == [
        (0, [1, 2, 3, 4], first),
        (0, [2, 3, 4, first], second),
        (2, [0, 1, 2], 3),
    ]
    excluded = [sorted(split.excluded_test[row].tolist()) for row in range(3)]
    assert excluded == [[*range(5)], sorted([*range(5), first]), [0, 1, 2]]
    assert sorted(split.excluded_validation[0].tolist()) == [*range(4)]


def test_the_order_of_the_file_changes_nothing():
    one, other = (make_split(dataset(rows), TEMPORAL) for rows in (TOY, TOY[::-1]))
    assert one.digest == other.digest


def test_the_digest_sees_what_is_excluded():
    split = make_split(dataset(TOY), TEMPORAL)
    digests = {split.digest}
    for exclude, of_first in (("history", [1, 2, 3, 4]), ("user", [*range(7)])):
        other = make_split(dataset(TOY), TEMPORAL.model_copy(update={"exclude": exclude}))
        assert rows_of(other.test) == rows_of(split.test)
        assert sorted(other.excluded_test[0].tolist()) == of_first
        digests.add(other.digest)
    assert len(digests) == 3


def test_all_that_a_user_touches_is_at_validation_all_before_the_test():
    split = make_split(dataset(TOY), TEMPORAL.model_copy(update={"exclude": "user"}))
    assert sorted(split.excluded_validation[0].tolist()) == [*range(5)]


def test_negatives_are_what_the_user_had_not_touched():
    split = make_split(dataset(TOY), TEMPORAL)
    pack = draw(split, TEMPORAL, "test", 80, 0)
    first = int(split.test.targets[0])
    for row, touched in enumerate([[*range(5)], [*range(5), first], [0, 1, 2]]):
        target = split.test.targets[row]
        negatives = set(pack.candidates[row].ravel().tolist()) - {target}
        assert negatives == set(range(13)) - {*touched, target}


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
    parts = {"train": [], "validation": [], "test": []}
    sequences, orders = [], []
    for user in range(943):
        rows = np.flatnonzero(movielens.users == user).tolist()
        placed = {row: place_among_ties(raw_ids[movielens.items[row]], user) for row in rows}
        rows.sort(key=lambda row, placed=placed: (movielens.times[row], placed[row]))
        orders.append(rows)
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
    for name in ("validation", "test"):
        excluded = split.excluded(name)
        for row, (user, _, target) in enumerate(parts[name][::97]):
            items = movielens.items[orders[user]].tolist()
            assert excluded[97 * row].tolist() == items[: items.index(target)]


def test_movielens_is_pinned(movielens):
    split = make_split(movielens, protocol("temporal"))
    assert (len(split.train), len(split.validation), len(split.test)) == (79_248, 9_653, 9_770)
    assert split.digest == "dfc689f04e786e22fc9899168137a79e2d6cdba0b2274b6d30d89106053b72c0"
    pack = draw(split, protocol("temporal"), "test", 1, 0)
    assert pack.hash == "a402d6eb0c68e6b0805adc1a86b13d8965bf0e900f3ec1591250c89c35da185f"


@pytest.mark.honesty
@pytest.mark.parametrize("name", ["temporal", "next-item"])
def test_which_of_two_items_of_one_second_is_first_cannot_be_learnt(name):
    rows = [(user, user, item) for user in range(1000) for item in range(6)]
    sequences = make_split(dataset(rows), protocol(name)).sequences
    first = np.zeros((6, 6))
    for one in range(len(sequences)):
        before, after = np.triu_indices(len(sequences[one]), k=1)
        np.add.at(first, (sequences[one][before], sequences[one][after]), 1)
    share = first / (first + first.T).clip(min=1)
    np.testing.assert_allclose(share[~np.eye(6, dtype=bool)], 0.5, atol=0.1)


@pytest.mark.honesty
def test_what_a_user_touches_later_is_drawn_and_ranked_like_any_other_item():
    split = make_split(dataset(TOY), TEMPORAL)
    later = int(split.test.targets[1])  # user 0 touches it after the first row's target
    pack = draw(split, TEMPORAL, "test", 50, 0)
    assert later in pack.candidates[0]
    assert later not in FullRanking.of(split, "test").excluded[0]


@pytest.mark.honesty
def test_what_is_left_out_of_a_row_was_touched_before_its_target(movielens):
    split = make_split(movielens, protocol("temporal"))
    for row in range(0, len(split.test), 1000):
        user, target = split.test.users[row], split.test.targets[row]
        own = movielens.users == user
        moment = movielens.times[own & (movielens.items == target)][0]
        before = own & (movielens.times < moment)
        at_latest = own & (movielens.times <= moment) & (movielens.items != target)
        left_out = set(split.excluded_test[row].tolist())
        assert {*movielens.items[before]} <= left_out <= {*movielens.items[at_latest]}


@pytest.mark.honesty
def test_the_figures_on_the_card_are_what_the_data_give(movielens):
    case = Case.of(movielens, protocol("temporal"))
    found = {one.name: one for one in diagnose(case)}
    rows, asked = len(case.test), case.split.excluded_test
    later = np.bincount(movielens.users)[case.test.users] - asked.sizes - 1  # no pair comes twice
    new, tied = found["rows of new users"], found["ties with the history"]
    assert case.protocol.limits[-2:] == (
        "What the user touches after the target is a wrong answer like any other: on "
        f"MovieLens-100K {later.mean():.0f} of the {len(movielens.catalogue):,} items a row, on "
        "average.",
        f"On MovieLens-100K {new.share:.1%} of the test rows are of users without any training "
        f"interaction, in {tied.share:.0%} the last item of the history has the target's own "
        f"second, and all {rows:,} rows are worth {found['effective users'].count:.0f} users with "
        "equally many rows.",
    )
    text = " ".join(DOCS.read_text(encoding="utf-8").split())
    sampled = 19 * later / (len(movielens.catalogue) - asked.sizes - 1)
    assert round(sampled.mean()) == 1
    for said in (
        f"{later.mean():.0f} of the {len(movielens.catalogue):,} items of MovieLens-100K a row, on "
        f"average, and up to {later.max()}.",
        f"{new.share:.1%} of the test rows are of users without any training interaction",
        f"in {tied.share:.0%} the last item of the history",
        f"the {rows:,} rows of {found['effective users'].of} users are worth "
        f"{found['effective users'].count:.0f} users",
    ):
        assert said in text
