from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest

from recbench.data.ragged import Ragged, ragged
from recbench.questions.doctor import rules, sequential
from recbench.questions.doctor.rules import ShuffleTest, count_rules, shuffle_test, shuffled
from recbench.testing.toy import toy_split


def counted(sequences, size):
    """Count rules as the paper's released code does: every piece of every sequence in a table."""

    def pieces(length):
        rows = [sequences[row].tolist() for row in range(len(sequences))]
        return Counter(
            tuple(row[at : at + length]) for row in rows for at in range(len(row) - length + 1)
        )

    often, before = pieces(size), pieces(size - 1)
    return sum(n > 5 and n / before[piece[:-1]] > 0.1 for piece, n in often.items())


@pytest.fixture(params=[(7, 400), (30, 2000), (3, 60)])
def random_sequences(request):
    items, rows = request.param
    random = np.random.default_rng(items)
    lengths = random.integers(0, 12, size=rows)
    # The next item is mostly near the one before it.
    values = (random.integers(0, 3, size=lengths.sum()).cumsum() % items).astype(np.int32)
    return ragged(values, lengths), items


def test_rules_are_those_of_the_released_code(random_sequences, monkeypatch):
    sequences, items = random_sequences
    expected = counted(sequences, 2), counted(sequences, 3)
    assert expected[0] > 0
    assert count_rules(sequences, items) == expected
    monkeypatch.setattr(rules, "BLOCK", 50)
    assert count_rules(sequences, items) == expected
    monkeypatch.setattr(rules, "_TABLE_BITS", 3)  # where all keys collide none is lost
    assert count_rules(sequences, items) == expected


def test_a_shuffled_sequence_holds_the_same_items(random_sequences, monkeypatch):
    sequences, _ = random_sequences
    other = shuffled(sequences, 1)
    for row in range(len(sequences)):
        assert sorted(other[row]) == sorted(sequences[row])
    assert (other.values != sequences.values).any()
    np.testing.assert_array_equal(shuffled(sequences, 1).values, other.values)
    assert (shuffled(sequences, 2).values != other.values).any()


def test_all_orders_are_as_likely():
    sequences = ragged(np.tile(np.arange(3, dtype=np.int32), 6000), np.full(6000, 3))
    rows = shuffled(sequences, 0).values.reshape(-1, 3)
    _, counts = np.unique(rows, axis=0, return_counts=True)
    assert len(counts) == 6
    assert counts.min() > 900


def test_shuffling_takes_the_rules_of_a_walk_away_and_none_of_what_has_no_order():
    walks = toy_split(users=400).sequences
    pairs, triples = shuffle_test(walks, 40)
    assert pairs.shuffled.max() < pairs.rules / 2
    assert triples.shuffled.max() < triples.rules / 4
    without = shuffled(ragged(np.tile(np.arange(4, dtype=np.int32), 500), np.full(500, 4)), 9)
    pairs, _ = shuffle_test(without, 4)
    assert pairs.rules == 12
    assert pairs.shuffled.tolist() == [12] * 5


def test_nothing_and_single_items_have_no_rules():
    empty = Ragged(np.empty(0, dtype=np.int32), np.zeros(3, dtype=np.int64))
    assert count_rules(empty, 5) == (0, 0)
    single = ragged(np.zeros(20, dtype=np.int32), np.ones(20, dtype=np.int64))
    assert count_rules(single, 5) == (0, 0)
    assert len(shuffled(empty, 0)) == 2


@pytest.mark.parametrize(
    ("rules", "left", "severity"),
    [
        (100, 2, "fine"),
        (100, 20, "note"),
        (100, 80, "warning"),
        (100, 110, "warning"),
        (19, 0, "note"),
        (19, 19, "note"),
    ],
)
def test_data_whose_rules_stay_are_warned_of(rules, left, severity):
    test = ShuffleTest(rules, np.full(5, left))
    case = SimpleNamespace(shuffle_tests=(test, test))
    for found in (sequential.pairs(case), sequential.triples(case)):
        assert (found.severity, found.count, found.of) == (severity, rules - left, rules)
        assert f"{left} to {left} are left in 5 shuffles" in found.text


def test_without_rules_nothing_is_claimed():
    none = ShuffleTest(0, np.zeros(5, dtype=np.int64))
    found = sequential.pairs(SimpleNamespace(shuffle_tests=(none, none)))
    assert (found.severity, found.count, found.share) == ("note", 0, None)
    assert "show nothing" in found.text
