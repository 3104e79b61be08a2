import numpy as np

from recbench.evaluation.answers import NO_CANDIDATE, SHARED_TITLE
from recbench.evaluation.outcome import Outcome


def test_hit_valid_and_the_rank_by_the_token_follow_from_what_is_stored():
    outcome = Outcome(
        draws=1,
        users=np.arange(4, dtype=np.int32),
        rank=np.array([2, 1, 1, 3], dtype=np.int32),
        writes=True,
        scores=np.array([[-4, -2], [-2, -9], [-2, -3], [-4, -2]], dtype=np.float32),
        target_slot=np.array([0, 0, 0, 1], dtype=np.int32),
        answer_slot=np.array([0, NO_CANDIDATE, 1, SHARED_TITLE], dtype=np.int32),
        title_tokens=np.array([[4, 1], [1, 3], [1, 3], [1, 2]], dtype=np.int32),
    )
    assert outcome.hit.tolist() == [True, False, False, False]
    assert outcome.valid.tolist() == [True, False, True, False]
    assert outcome.rank_per_token.tolist() == [1, 1, 2, 1]  # of -1/-2, -2/-3, -2/-1, -4/-1


def test_of_a_full_ranking_the_first_place_is_the_answer():
    ranks = np.array([1, 2], dtype=np.int32)
    outcome = Outcome(draws=1, users=np.arange(2, dtype=np.int32), rank=ranks, writes=False)
    assert outcome.hit.tolist() == [True, False]
    assert outcome.valid.all()
    assert outcome.rank_per_token is None
