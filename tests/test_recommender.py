import numpy as np
import pytest

from recbench.recommender import (
    Answerer,
    Encoder,
    RankingAnswerer,
    Recommender,
    System,
    Transferable,
    ranks,
    reads_candidates,
    reads_words,
    writes,
)
from recbench.settings import Settings
from recbench.testing.toy import toy_split, toy_training_data


def nothing(self, *_):
    return None


BASE = {"fit": nothing, "save": nothing, "load": nothing, "settings_class": Settings}
RANKING = {"score": nothing, "title_lengths": nothing}


def made(*bases, **methods):
    return type("Made", bases, BASE | methods)(Settings())


@pytest.mark.parametrize(
    ("model", "offered"),
    [
        (made(Recommender, score=nothing), (True, False)),
        (made(Recommender, score=nothing, answer=nothing), (True, False)),
        (made(Transferable, score=nothing, transfer=nothing), (True, False)),
        (made(Answerer, answer=nothing), (False, True)),
        (made(Answerer, answer=nothing, score=nothing), (False, True)),
        (made(Answerer, answer=nothing, title_lengths=nothing), (False, True)),
        (made(Answerer, answer=nothing, score=None, title_lengths=None), (False, True)),
        (made(Answerer, answer=nothing, **RANKING), (True, True)),
        (made(Answerer, Transferable, answer=nothing, transfer=nothing, **RANKING), (True, True)),
        (made(Recommender, Answerer, answer=nothing, **RANKING), (True, True)),
        (made(RankingAnswerer, answer=nothing, **RANKING), (True, True)),
        (made(System), (False, False)),
    ],
)
def test_how_a_model_answers_is_what_its_class_offers(model, offered):
    assert (ranks(model), writes(model)) == offered


@pytest.mark.honesty
def test_what_a_model_learns_from_cannot_be_written_to():
    """Its arrays are those of the split, from which questions and records are made as well."""
    split = toy_split()
    data = toy_training_data(split, timed=True)
    rows = (part for one in (data.train, data.validation) for part in vars(one).values())
    others = data.sequence_users, data.times, data.left_out_users
    for array in [*vars(data.sequences).values(), *rows, *others]:
        with pytest.raises(ValueError, match="read-only"):
            array[:] = 0
    assert split.sequences.offsets.flags.writeable
    assert np.may_share_memory(split.sequences.offsets, data.sequences.offsets)  # nothing is copied


def test_what_writes_has_its_candidates_listed():
    assert reads_candidates(made(Answerer, answer=nothing))
    assert reads_candidates(made(Answerer, answer=nothing, lists_candidates=False))
    assert reads_candidates(made(Recommender, score=nothing, lists_candidates=True))
    assert not reads_candidates(made(Recommender, score=nothing))


def test_words_are_read_with_a_list_or_by_what_says_so():
    assert reads_words(made(Answerer, answer=nothing))
    assert reads_words(made(Recommender, score=nothing, lists_candidates=True))
    assert reads_words(made(Recommender, score=nothing, reads_words=True))
    assert not reads_words(made(Recommender, score=nothing))


def test_at_once_it_scores_and_answers_one_after_the_other():
    asked = []

    def told(name):
        return lambda self, queries, runtime: asked.append((name, queries, runtime)) or name

    model = made(RankingAnswerer, score=told("score"), answer=told("answer"), title_lengths=nothing)
    assert model.score_and_answer("queries", "runtime") == ("score", "answer")
    assert asked == [("score", "queries", "runtime"), ("answer", "queries", "runtime")]


@pytest.mark.parametrize("base", [Recommender, Answerer, RankingAnswerer, Encoder, Transferable])
def test_every_model_is_a_system_that_may_rehearse(base):
    assert issubclass(base, System)
    assert base.rehearse(None, None, 20, None) is None
    assert base.auditable
