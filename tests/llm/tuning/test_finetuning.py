import numpy as np
import pytest

from recbench.evaluation.answers import match
from recbench.llm.settings import LanguageModelSettings
from recbench.llm.tuning.finetuning import TrainingQuestions, ValidationQuestions
from recbench.neural.plan import Step
from recbench.questions.queries import Queries
from recbench.questions.split import PAD
from recbench.recommender import TrainingData

ROWS = np.arange(50)


def questions(data: TrainingData, seed: int = 0, **settings: object) -> TrainingQuestions:
    chosen = LanguageModelSettings.build(settings)
    return TrainingQuestions(data.train, len(data.catalogue), chosen, seed)


def test_candidates_are_the_target_and_unseen_items(data: TrainingData) -> None:
    asked = questions(data)
    drawn = asked.candidates(ROWS, Step(0, 10))
    assert drawn.shape == (50, 20)
    for line, row in zip(drawn, ROWS, strict=True):
        assert len(set(line)) == 20
        assert (line == asked.targets[row]).sum() == 1
        assert not set(line) & (set(asked.histories[row]) - {PAD, asked.targets[row]})


def test_the_target_may_stand_anywhere(data: TrainingData) -> None:
    asked = questions(data)
    rows = np.arange(len(asked))
    drawn = asked.candidates(rows, Step(0, 10))
    places = np.argmax(drawn == asked.targets[rows][:, None], axis=1)
    counts = np.bincount(places, minlength=20)
    expected = len(rows) / 20
    assert ((counts - expected) ** 2 / expected).sum() < 45  # chi-square, 19 degrees: p = .0007


def test_every_epoch_and_seed_draws_anew_and_batches_do_not_matter(data: TrainingData) -> None:
    asked = questions(data, epochs=2)
    first = asked.candidates(ROWS, Step(0, 10))
    np.testing.assert_array_equal(asked.candidates(ROWS[7:9], Step(4, 10)), first[7:9])
    assert (asked.candidates(ROWS, Step(5, 10)) != first).any(axis=1).all()
    other = questions(data, seed=1)
    assert (other.candidates(ROWS, Step(0, 10)) != first).any()


def test_a_part_of_the_rows(data: TrainingData) -> None:
    assert len(questions(data, examples=37)) == 37
    assert len(questions(data, examples=10**9)) == len(data.train)
    every = questions(data, examples=None)
    assert sorted(every.targets) == sorted(data.train.targets)
    assert questions(data, examples=37, candidates=4).candidates(ROWS[:5], Step(0, 1)).shape == (
        5,
        4,
    )


def test_a_small_catalogue_gives_fewer_candidates(data: TrainingData) -> None:
    asked = TrainingQuestions(data.train, 40, LanguageModelSettings(candidates=60), 0)
    drawn = asked.candidates(ROWS, Step(0, 1))
    assert drawn.shape == (50, 30)
    assert all(len(set(line)) == 30 for line in drawn)


def test_the_curriculum_rises_from_none_to_all(data: TrainingData) -> None:
    asked = questions(data)
    rows = np.arange(len(asked))
    shares = [asked.hybrid(rows, Step(step, 100)).mean() for step in (0, 25, 50, 75, 99)]
    assert shares[0] == 0
    np.testing.assert_allclose(shares, [0, 0.25, 0.5, 0.75, 0.99], atol=0.06)


@pytest.mark.parametrize(
    ("text", "valid", "right"),
    [
        ("Red River", 1, 1),
        ("red  river", 1, 1),  # of a tokenizer that lower-cases
        ("Ｒed River", 1, 1),
        ("Garden", 1, 0),
        ("Twin", 0, 0),  # nobody can tell which
        ("Red", 0, 0),
        ("", 0, 0),
    ],
)
def test_a_learning_curve_reads_answers_as_a_run_does(text: str, valid: int, right: int) -> None:
    titles = ("Red River", "Garden", "Twin", "twin", " ")  # nothing names the last one
    candidates = np.array([[2, 0, 1, 3, 4]], dtype=np.int32)
    asked = ValidationQuestions(
        Queries(np.full((1, 2), PAD, dtype=np.int32), candidates), np.array([0], dtype=np.int32)
    )
    scores = np.zeros((1, 5), dtype=np.float32)
    point = asked.point(scores, [text], titles)
    assert (point["ValidRatio"], point["HitRatio@1"]) == (valid, right)
    assert point["HitRatio@1|likelihood"] == 0  # a tie with the target is ahead of it
    scores[0, 1] = 0.5
    assert asked.point(scores, [text], titles)["HitRatio@1|likelihood"] == 1
    (slot,) = match([text], candidates, titles)
    assert (slot >= 0, slot == 1) == (bool(valid), bool(right))


def test_the_last_step_of_a_short_training_is_not_yet_all_hybrid(data: TrainingData) -> None:
    asked = questions(data)
    share = asked.hybrid(np.arange(len(asked)), Step(1, 2)).mean()
    assert share == pytest.approx(0.5, abs=0.06)
