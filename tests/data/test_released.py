from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recbench.data.card import Card, Rules
from recbench.data.catalogue import make_catalogue
from recbench.data.dataset import make_released, store, stored
from recbench.data.ragged import ragged
from recbench.data.released import Rows, pieced
from recbench.errors import UserError
from recbench.neural.ranking import validation_steps
from recbench.questions.candidates import draw
from recbench.questions.make_split import make_split
from recbench.questions.protocols import protocol
from recbench.questions.split import PAD
from recbench.questions.windows import windows
from recbench.training_source import training_data

GIVEN = "released,candidates=4,negatives=given"
CARD = Card(
    **dict.fromkeys(("title", "description", "licence", "citation", "homepage"), ""),
    name="mine",
    noun=("item", "items"),
    verb="bought",
    titles="plain",
    formats={},
    sources=(),
    protocols={"released": Rules()},
    finished=True,
    known_flaws=(),
)


def rows_of(lists):
    values = [value for row in lists for value in row]
    return ragged(np.array(values, np.int32), np.array([len(row) for row in lists], np.int64))


def lists_of(rows):
    return [rows[row].tolist() for row in range(len(rows))]


def by_a_plain_loop(rows):
    longest = max((len(row) - 1 for row in rows), default=0)
    sequences, owners = [], []
    for number, row in enumerate(rows):
        history = row[:-1]
        if number and history and history == rows[number - 1][-longest:]:
            sequences[-1].append(row[-1])
        else:
            sequences.append(list(row))
        owners.append(len(sequences) - 1)
    return sequences, owners


ROWS = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=4), max_size=30)


@settings(deadline=None)
@given(ROWS)
def test_pieced_is_a_plain_loop(rows):
    sequences, owners = pieced(rows_of(rows))
    assert (lists_of(sequences), owners.tolist()) == by_a_plain_loop(rows)
    assert (sequences.values.dtype, owners.dtype) == (np.int32, np.int32)


@settings(deadline=None)
@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=12),
    st.integers(1, 5),
    st.integers(0, 3),
)
def test_windows_are_pieced_together_again(sizes, history, least):
    # Every item once, so that no two users fit together by chance.
    values = np.arange(sum(sizes), dtype=np.int32)
    sequences = ragged(values, np.array(sizes, np.int64))
    users = np.arange(len(sizes), dtype=np.int32)
    least = min(least, history)
    examples = windows(sequences, users, history, least)
    cut = [
        [*(item for item in past if item != PAD), target]
        for past, target in zip(examples.histories.tolist(), examples.targets.tolist(), strict=True)
    ]
    found, owners = pieced(rows_of(cut))
    long_enough = [
        row for row, size in zip(lists_of(sequences), sizes, strict=True) if size > least
    ]
    assert lists_of(found) == long_enough
    numbered = {user: number for number, user in enumerate(dict.fromkeys(examples.users.tolist()))}
    assert owners.tolist() == [numbered[user] for user in examples.users.tolist()]


def test_rows_are_stored_as_they_are():
    parts = [[[1, 2], [3]], [[4]], [[5, 6, 7], [8, 9]]]
    rows = Rows(*map(rows_of, parts))
    found = Rows.of(rows.table())
    assert [lists_of(part) for part in (found.train, found.validation, found.test)] == parts
    for ours, theirs in zip(found.arrays(), rows.arrays(), strict=True):
        assert (ours.dtype, ours.tolist()) == (theirs.dtype, theirs.tolist())


@pytest.fixture
def dataset():
    parts = [[[0, 1, 2], [1, 2, 3], [4, 5]], [[0, 1, 2, 3, 0]], [[4, 5], [5, 4, 3, 2, 1]]]
    catalogue = make_catalogue(np.arange(30, dtype=np.int64), [f"Item {i}" for i in range(30)])
    return make_released(CARD, catalogue, Rows(*map(rows_of, parts)))


def test_a_finished_split_keeps_its_rows(dataset):
    split = make_split(dataset, protocol("released", history=4))
    P = PAD
    assert split.train.histories.tolist() == [[P, P, 0, 1], [P, P, 1, 2], [P, P, P, 4]]
    assert split.train.targets.tolist() == [2, 3, 5]
    assert split.train.users.tolist() == [0, 0, 1]
    assert lists_of(split.sequences) == [[0, 1, 2, 3], [4, 5]]
    assert split.sequence_users.tolist() == [0, 1]
    assert split.validation.histories.tolist() == [[0, 1, 2, 3]]
    assert (split.validation.targets.tolist(), split.validation.users.tolist()) == ([0], [2])
    assert split.test.histories.tolist() == [[P, P, P, 4], [5, 4, 3, 2]]
    assert (split.test.targets.tolist(), split.test.users.tolist()) == ([5, 1], [3, 4])
    assert split.excluded_test[1].tolist() == [5, 4, 3, 2]


def test_its_interactions_are_those_of_the_sequences_and_the_asked_rows(dataset):
    assert dataset.items.tolist() == [0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 0, 4, 5, 5, 4, 3, 2, 1]
    assert dataset.users.tolist() == [0] * 4 + [1] * 2 + [2] * 5 + [3] * 2 + [4] * 5
    assert dataset.times.tolist() == list(range(18))


def test_nothing_inside_a_validation_row_is_predicted_for_it_may_have_been_trained_on():
    # The validation row is the training row, one item on: somebody's whose number nobody knows.
    parts = [[[0, 1, 2, 3, 4, 5, 6]], [[0, 1, 2, 3, 4, 5, 6, 7]], [[0, 1, 2, 3, 4, 5, 6, 7, 8]]]
    catalogue = make_catalogue(np.arange(30, dtype=np.int64), [f"Item {i}" for i in range(30)])
    split = make_split(
        make_released(CARD, catalogue, Rows(*map(rows_of, parts))), protocol("released")
    )
    assert split.train.targets.tolist() == [6]
    steps = validation_steps(training_data(CARD, split))
    assert steps.targets.tolist() == [7]


def test_what_version_1_learnt_and_stopped_by_is_not_found_again(dataset):
    split = make_split(dataset, protocol("released"))
    assert not split.users_known
    known = replace(split, users_known=True)
    assert known.training_digest != split.training_digest


def test_a_shorter_history_is_cut(dataset):
    split = make_split(dataset, protocol("released", history=1))
    assert split.train.histories.tolist() == [[1], [2], [4]]
    assert split.excluded_test[1].tolist() == [2]


def test_it_is_stored_and_found_again(dataset, tmp_path):
    store(dataset, tmp_path / "d")
    found = stored(CARD, tmp_path / "d")
    assert found.digest == dataset.digest
    ours, theirs = (make_split(one, protocol("released")) for one in (found, dataset))
    assert ours.digest == theirs.digest


def test_rows_may_bring_all_there_is_and_what_stands_in_their_history(dataset):
    # No row has too few competitors to be asked, for none are drawn.
    items = make_catalogue(np.arange(4, dtype=np.int64), ["A", "B", "C", "D"])
    parts = [rows_of(one) for one in ([[0, 1, 2]], [[0, 1]], [[0, 1, 2, 3], [3, 0]])]
    brought = np.tile(np.arange(4, dtype=np.int32), (2, 1))
    rows = Rows(*parts, test_candidates=brought)
    card = CARD.model_copy(update={"candidates": 4})
    split = make_split(make_released(card, items, rows), protocol(GIVEN))
    assert len(split.test) == len(split.given_test) == 2
    assert draw(split, protocol(GIVEN), "test", 1, 0).candidates.shape == (2, 1, 4)


def test_candidates_are_stored_and_hashed(dataset, tmp_path):
    brought = np.array([[4, 5, 6], [1, 2, 3]], dtype=np.int32)
    found = {dataset.digest}
    for validation in (None, np.array([[0, 1]], dtype=np.int32)):
        for test in (brought, brought + 1):
            rows = replace(dataset.rows, validation_candidates=validation, test_candidates=test)
            made = make_released(CARD, dataset.catalogue, rows)
            store(made, tmp_path / made.digest)
            again = stored(CARD, tmp_path / made.digest).rows
            for ours, theirs in zip(rows.arrays(), again.arrays(), strict=True):
                assert (ours.dtype, ours.tolist()) == (theirs.dtype, theirs.tolist())
            found.add(made.digest)
    assert len(found) == 5


@pytest.mark.honesty
def test_the_digest_of_a_split_without_candidates_stays(dataset):
    assert dataset.digest == "498b0979f39428e786aabbb5cb772396018ed5b0c9e76cdd417381b2aadc187a"
    assert (
        make_split(dataset, protocol("released")).digest
        == "d772d2b3c1f4da12a6a5e0b2dd58d34ab010e7469d5d9952b74db1a02a6fc8d1"
    )


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_the_digest_sees_every_part(dataset, part):
    rows = getattr(dataset.rows, part)
    changed = replace(rows, values=rows.values[::-1].copy())
    other = replace(dataset.rows, **{part: changed})
    assert make_released(CARD, dataset.catalogue, other).digest != dataset.digest


@pytest.mark.parametrize("name", ["paper", "next-item", "temporal"])
def test_no_other_protocol_can_be_asked(dataset, name):
    with pytest.raises(UserError, match=f"unknown protocol of mine '{name}'; known: released"):
        make_split(dataset, protocol(name))


def test_no_other_dataset_can_be_asked_by_it(movielens):
    with pytest.raises(UserError, match="unknown protocol of movielens 'released'"):
        make_split(movielens, protocol("released"))
