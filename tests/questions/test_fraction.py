import re
from dataclasses import replace

import numpy as np
import pytest

from recbench.data.prepare import prepare
from recbench.errors import UserError
from recbench.questions.fraction import with_fraction
from recbench.questions.make_split import make_split
from recbench.questions.protocols import protocol
from recbench.questions.split import Examples
from recbench.testing.toy import toy_split


def test_it_is_a_part_of_the_users_and_all_of_their_rows():
    split = toy_split()
    part = with_fraction(split, 0.25)
    users = set(part.sequence_users.tolist())
    assert len(users) == 15
    assert set(part.train.users.tolist()) == users
    kept = np.isin(split.train.users, part.sequence_users)
    np.testing.assert_array_equal(part.train.histories, split.train.histories[kept])
    np.testing.assert_array_equal(part.train.targets, split.train.targets[kept])
    for number, user in enumerate(part.sequence_users):
        np.testing.assert_array_equal(part.sequences[number], split.sequences[user])
    np.testing.assert_array_equal(part.times, split.times.reshape(60, -1)[sorted(users)].ravel())
    assert part.validation is split.validation
    assert part.test is split.test
    assert part.digest != split.digest


def test_parts_are_nested_and_do_not_hang_on_who_else_is_there():
    split = toy_split()
    parts = [set(with_fraction(split, share).sequence_users.tolist()) for share in (0.1, 0.25, 0.5)]
    assert [len(part) for part in parts] == [6, 15, 30]
    assert parts[0] < parts[1] < parts[2]
    digests = {with_fraction(split, share).digest for share in (0.1, 0.25, 0.5, 1)}
    assert len(digests) == 4


def test_the_users_are_these_on_every_machine():
    assert with_fraction(toy_split(), 0.05).sequence_users.tolist() == [7, 47, 55]


def test_the_whole_is_the_split_itself():
    split = toy_split()
    assert with_fraction(split, 1) is split


@pytest.mark.parametrize("fraction", [0, -0.1, 1.5, float("nan")])
def test_other_numbers_are_refused(fraction):
    with pytest.raises(UserError, match="--train-fraction must be above 0 and at most 1"):
        with_fraction(toy_split(), fraction)


@pytest.mark.parametrize("fraction", [1e-300, 1e-9, 0.01, 0.024])
def test_fewer_than_two_users_are_refused_with_what_works(fraction):
    split = toy_split()
    with pytest.raises(UserError, match=r"keeps [01] of 60 users, .*; give 0.0333333 or more"):
        with_fraction(split, fraction)
    assert len(with_fraction(split, 0.0333333).sequence_users) == 2


@pytest.mark.parametrize("without", [2, 7, 58])
def test_users_without_a_row_are_refused_with_what_works(without):
    split = toy_split()
    empty = with_fraction(split, without / 60).sequence_users
    train, others = split.train, ~np.isin(split.train.users, empty)
    rows = Examples(train.histories[others], train.targets[others], train.users[others])
    lacking = replace(split, train=rows)
    with pytest.raises(UserError, match=f"keeps {without} of 60 users, 0 training rows") as raised:
        with_fraction(lacking, without / 60)
    least = float(re.search("give ([0-9.e-]+) or more", str(raised.value))[1])
    assert len(with_fraction(lacking, least).sequence_users) == without + 1
    assert set(with_fraction(lacking, least).train.users.tolist()) != set()


def test_where_no_part_works_the_whole_is_left():
    split = toy_split()
    rows = Examples(split.train.histories[:0], split.train.targets[:0], split.train.users[:0])
    with pytest.raises(UserError, match=r"0 training rows, .*; leave it out$"):
        with_fraction(replace(split, train=rows), 0.5)


def test_where_tested_users_train_their_questions_stay(raw_folder, tmp_path):
    dataset = prepare("movielens", tmp_path, raw_folder, lambda _: None)
    split = make_split(dataset, protocol("next-item"))
    part = with_fraction(split, 0.5)
    assert len(part.sequences) == 30
    assert len(part.test) == len(split.test) == 60
    assert part.excluded_test is split.excluded_test
    left_out = set(split.train.users.tolist()) - set(part.train.users.tolist())
    assert left_out == set(part.left_out_users.tolist())  # all of them validate, too
    assert set(with_fraction(part, 0.5).left_out_users.tolist()) > left_out
    # What was learnt of the part is another thing if nobody knows that they train.
    forgotten = replace(part, left_out_users=split.left_out_users)
    assert forgotten.training_digest != part.training_digest


def test_where_no_tested_user_trains_nobody_of_them_is_left_out():
    part = with_fraction(toy_split(), 0.25)
    assert part.left_out_users.size == 0
