import numpy as np
import pytest

from recbench.by_hand.one_question import OneQuestion
from recbench.questions.split import PAD
from recbench.testing.toy import toy_split


@pytest.fixture
def catalogue():
    return toy_split().catalogue


def test_a_question_is_a_row_of_an_evaluation(catalogue):
    asked = OneQuestion.of(catalogue, [3, 1], [7, 5], 4, repeats=False)
    queries = asked.queries
    assert queries.histories.tolist() == [[PAD, PAD, 3, 1]]
    assert queries.candidates.tolist() == [[7, 5]]
    assert (queries.histories.dtype, queries.candidates.dtype) == (np.int32, np.int32)
    assert queries.users is None
    with pytest.raises(ValueError, match="read-only"):
        queries.candidates[0, 0] = 0


def test_of_the_whole_catalogue_all_is_asked_and_the_history_not_ranked(catalogue):
    asked = OneQuestion.of(catalogue, [3, 1, 2], None, 2, repeats=False)
    assert asked.queries.shared.tolist() == list(range(40))
    assert set(range(40)) - set(asked.ranked.tolist()) == {1, 2, 3}
    assert asked.unread == 1


def test_one_less_moves_none_in(catalogue):
    asked = OneQuestion.of(catalogue, [9, 3, 1, 2], None, 3, repeats=False)
    assert asked.history.tolist() == [3, 1, 2]
    assert asked.without(1).history.tolist() == [PAD, 3, 2]
    assert asked.without(1).ranked.tolist() == asked.ranked.tolist()
