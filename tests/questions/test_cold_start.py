from dataclasses import replace

import numpy as np

from recbench.questions.cold_start import cold_start
from recbench.questions.fraction import with_fraction
from recbench.questions.split import PAD, Examples
from recbench.testing.toy import toy_split


def test_counts_worked_out_by_hand():
    split = toy_split(users=2, length=3)
    first, second = (split.sequences[row] for row in (0, 1))
    unmet = np.setdiff1d(np.arange(40), split.sequences.values)[0]
    histories = np.full((3, 10), PAD, dtype=np.int32)
    histories[1, -2:] = 1
    test = Examples(
        histories,
        np.array([first[0], second[1], unmet], dtype=np.int32),
        np.array([1, 0, 99], dtype=np.int32),
    )
    found = cold_start(replace(split, test=test))
    met = np.concatenate([first, second])
    assert found.target_count.tolist() == [(met == i).sum() for i in test.targets]
    assert found.target_count[2] == 0
    assert found.user_count.tolist() == [3, 3, 0]
    assert found.history_length.tolist() == [0, 2, 0]


def test_fewer_training_users_are_fewer_training_interactions():
    split = toy_split()
    whole, part = cold_start(split), cold_start(with_fraction(split, 0.5))
    assert part.target_count.sum() < whole.target_count.sum()
