import numpy as np
import pytest

from recbench.evaluation.answers import match
from recbench.evaluation.outcome import Outcome
from recbench.inspection.answers import MEANING, kinds, rules, text_and_likelihood
from recbench.questions.split import PAD

TITLES = ("Alien", "Aliens", "Heat", "Heat", "Big", "Jaws", "Up")
SHOWN = [0, 1, 2, 3, 4]  # Jaws is of the history, Up of nobody
ANSWERS = {
    "Big": "the target",
    "alien \nHeat": "another candidate",
    "Heat": "a title that several candidates share",
    "I would say Big or Heat": "several candidates",
    "I would say Big": "one candidate among other words",
    "Jaws": "an item of the history",
    "up": "another item of the catalogue",
    " \n ": "nothing",
    "Titanic": "no item that there is",
}


def outcome_of(texts, draws=1, scores=None, rank=None, matching="exact"):
    candidates = np.tile(np.array(SHOWN, dtype=np.int32), (len(texts), 1))
    outcome = Outcome(
        draws=draws,
        users=np.arange(len(texts) // draws, dtype=np.int32),
        writes=True,
        target_slot=np.full(len(texts), SHOWN.index(4), dtype=np.int32),
        answer_slot=match(texts, candidates, TITLES, matching),
        scores=scores,
        rank=rank,
    )
    return outcome, candidates


def test_every_answer_is_what_it_is():
    texts = list(ANSWERS)
    outcome, candidates = outcome_of(texts)
    histories = np.tile(np.array([PAD, 5], dtype=np.int32), (len(texts), 1))
    found = kinds(texts, outcome, candidates, histories, TITLES)
    assert dict(zip(texts, (MEANING[kind] for kind in found.tolist()), strict=True)) == ANSWERS
    assert set(ANSWERS.values()) == set(MEANING.values())  # each is met once


def test_a_candidate_whose_title_holds_another_names_several():
    """By the rule substring; it is no other item of the catalogue, as it was called."""
    outcome, candidates = outcome_of(["Aliens"], matching="substring")
    assert not outcome.valid.any()
    histories = np.array([[PAD, 1]], dtype=np.int32)
    (found,) = kinds(["Aliens"], outcome, candidates, histories, TITLES).tolist()
    assert MEANING[found] == "several candidates"


def test_rules_judge_the_same_answers():
    texts = ["Big", "I would say Big", "Bigg", "Jaws"]
    outcome, candidates = outcome_of(texts)
    found = {
        one.rule: (one.hit.value, one.valid.value)
        for one in rules(texts, outcome, candidates, TITLES)
    }
    assert found == {"exact": (0.25, 0.25), "substring": (0.75, 0.75), "fuzzy": (0.25, 0.25)}


@pytest.mark.parametrize(
    ("text", "hit"),
    [
        ("Schindlers List", 1.0),  # an apostrophe is missing
        ("Schindler's Lost", 1.0),  # one letter of sixteen
        ("Schindler", 0.0),
        ("The Net 2", 0.0),  # as like one as the other
    ],
)
def test_fuzzy_takes_the_one_title_that_is_most_alike(text, hit):
    titles = ("Schindler's List", "The Net 1", "The Net 3")
    outcome = Outcome(
        draws=1,
        users=np.zeros(1, dtype=np.int32),
        writes=True,
        target_slot=np.zeros(1, dtype=np.int32),
        answer_slot=np.full(1, -1, dtype=np.int32),
    )
    candidates = np.arange(3, dtype=np.int32)[None]
    *_, fuzzy = rules([text], outcome, candidates, titles)
    assert (fuzzy.hit.value, fuzzy.valid.value) == (hit, hit)


def test_text_and_likelihood_by_hand():
    # Text: right, right, wrong, invalid. The target, last, is likeliest in rows 0 and 3.
    scores = np.zeros((4, 5), dtype=np.float32)
    scores[[0, 3], 4] = 1
    scores[[1, 2], 0] = 1
    rank = np.array([1, 5, 5, 1], dtype=np.int32)
    outcome, _ = outcome_of(["Big", "Big", "Alien", "?"], scores=scores, rank=rank)
    found = text_and_likelihood(outcome)
    assert (found.both, found.text, found.likelihood, found.neither) == (0.25, 0.25, 0.25, 0.25)
    assert found.same == pytest.approx(2 / 3)


def test_without_a_valid_answer_nothing_is_the_likeliest():
    scores, rank = np.zeros((1, 5), dtype=np.float32), np.array([5], dtype=np.int32)
    outcome, _ = outcome_of(["?"], scores=scores, rank=rank)
    assert text_and_likelihood(outcome).same is None
