import dataclasses

import numpy as np
import pytest

from recbench.data.catalogue import Catalogue
from recbench.errors import PluginError, RecbenchError
from recbench.evaluation import asking, evaluator
from recbench.evaluation.answers import SHARED_TITLE
from recbench.evaluation.evaluator import evaluate
from recbench.evaluation.metrics import reciprocal
from recbench.questions.candidates import make_pack
from recbench.recommender import Answerer, RankingAnswerer, Recommender, Runtime
from recbench.settings import Settings
from recbench.statistics.intervals import figure
from recbench.testing.toy import toy_split


class Scorer(Recommender):
    """Prefers high catalogue codes; keeps what it was asked."""

    summary = reference = "test"

    def __init__(self):
        super().__init__(Settings())
        self.asked = []

    def fit(self, data, runtime):
        return {"parameters_trained": 0}

    def score(self, queries, runtime):
        self.asked.append(queries)
        return queries.candidates.astype(np.float32)

    def save(self, folder):
        pass

    def load(self, folder, data, runtime):
        pass


class Writer(Scorer, Answerer):
    """Writes the title of the first candidate shown."""

    titles = ()

    def answer(self, queries, runtime):
        return [self.titles[item] for item in queries.candidates[:, 0]]

    def title_lengths(self):
        return ((1 + np.arange(len(self.titles))) ** 2).astype(np.int32)


class OnlyWriter(Answerer):
    """Writes the title of the first candidate shown; keeps what it was asked."""

    titles = ()

    def __init__(self, at=None):
        super().__init__(Settings())
        self.asked, self.at = [], at

    def fit(self, data, runtime):
        return {"parameters_trained": 0}

    def answer(self, queries, runtime):
        if len(self.asked) == self.at:
            raise KeyboardInterrupt
        self.asked.append(queries)
        return [self.titles[item] for item in queries.candidates[:, 0]]

    def save(self, folder):
        pass

    def load(self, folder, data, runtime):
        pass


@pytest.fixture(scope="module")
def split():
    return toy_split()


@pytest.fixture(scope="module")
def pack(split):
    """Two draws: the target and the four items after it on the ring, turned by the row."""
    targets = split.test.targets.astype(np.int64)
    rows, items = len(targets), len(split.catalogue)
    position = np.stack([np.arange(rows) % 5, (np.arange(rows) + 2) % 5], axis=1)  # [rows, draws]
    offsets = (np.arange(5) - position[:, :, None]) % 5  # [rows, draws, C]
    candidates = (targets[:, None, None] + offsets) % items
    return make_pack(candidates.astype(np.int32), position.astype(np.int16), 0, split.catalogue)


@pytest.fixture
def runtime(tmp_path):
    return Runtime(seed=0, device="cpu", checkpoints=tmp_path, cache=tmp_path)


def test_a_model_never_sees_the_target(split, pack, runtime):
    model = Scorer()
    evaluate(model, split.test, split.catalogue, pack, runtime)
    for queries in model.asked:
        assert {field.name for field in dataclasses.fields(queries)} == {"histories", "candidates"}
        assert set(vars(queries)) == {"histories", "candidates"}


def test_what_a_scorer_did_row_by_row(split, pack, runtime):
    judged = evaluate(Scorer(), split.test, split.catalogue, pack, runtime)
    asked = pack.candidates.reshape(-1, pack.size)
    outcome = judged.outcome
    assert judged.answers is None
    for row in range(len(asked)):
        shown, position = asked[row], pack.target_position.ravel()[row]
        assert outcome.rank[row] == 1 + sum(shown > shown[position])
        assert outcome.answer_slot[row] == shown.argmax()
    np.testing.assert_array_equal(outcome.hit, outcome.rank == 1)
    assert outcome.valid.all()
    assert judged.metrics["ValidRatio"].value == 1.0
    assert judged.metrics["ValidRatio"].n == len(split.test)
    assert judged.metrics["HitRatio@1"].value == pytest.approx(outcome.hit.mean())


class Weigher(Scorer):
    """Weighs two experts by the first item of a history."""

    weighs_users = True

    def expert_weights(self, queries):
        first = queries.histories[:, -1] / 100
        return np.stack([first, 1 - first], axis=1).astype(np.float32)


def test_the_weights_of_experts_are_those_of_each_row(split, pack, runtime, monkeypatch):
    monkeypatch.setattr(evaluator, "ROWS_AT_ONCE", 7)
    asked = split.test, split.catalogue, pack, runtime
    weights = evaluate(Weigher(), *asked).outcome.expert_weights
    np.testing.assert_allclose(weights[:, 0], split.test.histories[:, -1] / 100, rtol=1e-6)
    assert evaluate(Scorer(), *asked).outcome.expert_weights is None
    by_words = Weigher()
    by_words.weighs_users = False
    assert evaluate(by_words, *asked).outcome.expert_weights is None


@pytest.mark.honesty
def test_weights_that_do_not_add_up_are_the_models_fault(split, pack, runtime):
    class Wrong(Weigher):
        def expert_weights(self, queries):
            return 2 * super().expert_weights(queries)

    with pytest.raises(PluginError, match="expert_weights must be"):
        evaluate(Wrong(), split.test, split.catalogue, pack, runtime)


def test_a_score_that_is_not_finite_is_told_by_its_test_row(split, pack, runtime):
    class Broken(Scorer):
        def score(self, queries, runtime):
            scores = super().score(queries, runtime)
            scores[(queries.histories == split.test.histories[5]).all(axis=1)] = np.nan
            return scores

    with pytest.raises(PluginError, match="in test row 5, candidate 0, is nan"):
        evaluate(Broken(), split.test, split.catalogue, pack, runtime)


def test_intervals_are_clustered_by_user(split, pack, runtime):
    alone = evaluate(Scorer(), split.test, split.catalogue, pack, runtime).metrics["MRR"]
    pairs = dataclasses.replace(split.test, users=split.test.users // 2)
    judged = evaluate(Scorer(), pairs, split.catalogue, pack, runtime)
    np.testing.assert_array_equal(judged.outcome.users, pairs.users)
    again = figure(reciprocal(judged.outcome.rank), pack.draws, pairs.users)
    assert judged.metrics["MRR"] == again
    assert judged.metrics["MRR"].n == alone.n
    assert judged.metrics["MRR"].low != alone.low


def test_the_size_of_calls_changes_nothing(split, pack, runtime, monkeypatch):
    whole = evaluate(Scorer(), split.test, split.catalogue, pack, runtime)
    monkeypatch.setattr(asking, "ROWS_AT_ONCE", 3)
    model = Scorer()
    parts = evaluate(model, split.test, split.catalogue, pack, runtime)
    assert max(map(len, model.asked)) == 3
    assert parts.metrics == whole.metrics
    np.testing.assert_array_equal(parts.outcome.scores, whole.outcome.scores)


def test_a_writer_is_read_and_ranked_apart(split, pack, runtime):
    model = Writer()
    model.titles = split.catalogue.titles
    judged = evaluate(model, split.test, split.catalogue, pack, runtime)
    asked, position = pack.candidates.reshape(-1, pack.size), pack.target_position.ravel()
    assert judged.answers == [model.titles[item] for item in asked[:, 0]]
    assert (judged.outcome.answer_slot == 0).all()
    np.testing.assert_array_equal(judged.outcome.hit, position == 0)
    assert judged.metrics["HitRatio@1"].value == pytest.approx((position == 0).mean())
    ranked = judged.metrics["HitRatio@1|likelihood"].value
    assert ranked == pytest.approx((judged.outcome.rank == 1).mean())
    assert "HitRatio@3" not in judged.metrics
    mean = asked / model.title_lengths()[asked]
    best = mean.argmax(axis=1) == position
    assert best.mean() > 0.5 > ranked  # low codes win by the token, high codes by the sum
    assert judged.metrics["HitRatio@1|likelihood-per-token"].value == pytest.approx(best.mean())


def test_a_title_has_a_token_at_least(split, pack, runtime):
    model = Writer()
    model.titles = split.catalogue.titles
    model.title_lengths = lambda: np.arange(len(model.titles))
    with pytest.raises(PluginError, match=f"return {len(model.titles)} whole numbers of at least"):
        evaluate(model, split.test, split.catalogue, pack, runtime)


def test_what_only_writes_is_read_and_has_no_rank(split, pack, runtime):
    model, both = OnlyWriter(), Writer()
    model.titles = both.titles = split.catalogue.titles
    question = split.test, split.catalogue, pack, runtime
    judged, ranked = evaluate(model, *question), evaluate(both, *question)
    outcome = judged.outcome
    assert judged.answers == ranked.answers
    assert outcome.rank is outcome.scores is outcome.title_tokens is outcome.rank_per_token is None
    assert len(outcome) == len(ranked.outcome) == 2 * len(split.test)
    assert judged.metrics == {
        name: ranked.metrics[name]
        for name in ("HitRatio@1", "HitRatio@1|valid", "SharedTitleRatio", "ValidRatio")
    }
    assert {len(queries) for queries in model.asked} == {len(split.test)}  # a call a draw
    for queries in model.asked:
        assert set(vars(queries)) == {"histories", "candidates"}
        assert queries.candidates.shape[1] == pack.size


def test_half_a_character_is_kept_as_a_question_mark(split, pack, runtime, tmp_path):
    model = OnlyWriter()
    model.titles = tuple("cut off \ud83c" for _ in split.catalogue.titles)
    judged = evaluate(model, split.test, split.catalogue, pack, runtime, finished=tmp_path / "kept")
    assert set(judged.answers) == {"cut off ?"}
    assert judged.metrics["ValidRatio"].value == 0


def test_a_call_of_what_only_writes_is_small(split, pack, runtime, monkeypatch):
    monkeypatch.setattr(evaluator, "WRITTEN_AT_ONCE", 3)
    model, both = OnlyWriter(), Writer()
    model.titles = both.titles = split.catalogue.titles
    evaluate(model, split.test, split.catalogue, pack, runtime)
    evaluate(both, split.test, split.catalogue, pack, runtime)
    assert max(map(len, model.asked)) == 3
    assert max(map(len, both.asked)) == len(split.test)


class AtOnce(Writer, RankingAnswerer):
    """Scores and answers by one call."""

    calls = 0

    def score_and_answer(self, queries, runtime):
        self.calls += 1
        scores = Scorer.score(self, queries, runtime)
        return scores, [self.titles[item] for item in queries.candidates[:, 0]]

    def score(self, queries, runtime):
        raise AssertionError

    answer = score


def test_what_writes_is_told_how_many_questions_are_left(split, pack, runtime, tmp_path):
    told = []
    model = OnlyWriter(at=1)
    model.titles = split.catalogue.titles
    model.announce = lambda rows, candidates, runtime: told.append((rows, candidates))
    question = split.test, split.catalogue, pack, runtime, "exact", tmp_path / "calls"
    with pytest.raises(KeyboardInterrupt):
        evaluate(model, *question)
    model.at = None
    for _ in range(2):  # the second time nothing is left
        evaluate(model, *question)
    assert told == [(16, 5), (8, 5)]


def test_what_can_do_both_at_once_is_asked_at_once(split, pack, runtime):
    model, apart = AtOnce(), Writer()
    model.titles = apart.titles = split.catalogue.titles
    judged = evaluate(model, split.test, split.catalogue, pack, runtime)
    ranked = evaluate(apart, split.test, split.catalogue, pack, runtime)
    assert model.calls == 2  # one a draw
    assert (judged.metrics, judged.answers) == (ranked.metrics, ranked.answers)
    np.testing.assert_array_equal(judged.outcome.scores, ranked.outcome.scores)


def test_a_shared_title_is_invalid_counted_and_shown(split, pack, runtime):
    titles = tuple("The Same" for _ in split.catalogue.titles)
    catalogue = Catalogue(split.catalogue.raw_ids, titles, "other")
    model = Writer()
    model.titles = titles
    judged = evaluate(model, split.test, catalogue, pack, runtime)
    assert (judged.outcome.answer_slot == SHARED_TITLE).all()
    assert judged.metrics["ValidRatio"].value == 0.0
    assert judged.metrics["HitRatio@1"].value == 0.0
    assert judged.metrics["SharedTitleRatio"].value == 1.0
    assert "HitRatio@1|valid" not in judged.metrics


def test_the_matching_rule_is_the_callers_choice(split, pack, runtime):
    model = Writer()
    model.titles = tuple(f"I say {title}" for title in split.catalogue.titles)
    exact = evaluate(model, split.test, split.catalogue, pack, runtime)
    released = evaluate(model, split.test, split.catalogue, pack, runtime, "substring")
    assert exact.metrics["ValidRatio"].value == 0.0
    assert released.metrics["ValidRatio"].value == 1.0


def test_a_constant_scorer_never_hits(split, pack, runtime):
    model = Scorer()
    model.score = lambda queries, runtime: np.zeros(queries.candidates.shape, dtype=np.float32)
    judged = evaluate(model, split.test, split.catalogue, pack, runtime)
    assert judged.metrics["HitRatio@1"].value == 0.0
    assert (judged.outcome.rank == 5).all()


def test_scores_that_are_no_numbers_are_an_error(split, pack, runtime):
    model = Scorer()
    model.score = lambda queries, runtime: np.full(queries.candidates.shape, np.nan, np.float32)
    with pytest.raises(RecbenchError, match=r"row \d, candidate 0, is nan"):
        evaluate(model, split.test, split.catalogue, pack, runtime)


@pytest.mark.parametrize("texts", [[], ["one"]])
def test_answers_that_are_not_one_a_row_are_an_error(split, pack, runtime, texts):
    model = Writer()
    model.titles = split.catalogue.titles
    model.answer = lambda queries, runtime: texts
    with pytest.raises(RecbenchError, match=f"gave {len(texts)} answers to 8 rows"):
        evaluate(model, split.test, split.catalogue, pack, runtime)


class Killed(Scorer):
    """Is stopped at one of its calls."""

    def __init__(self, at):
        super().__init__()
        self.at = at

    def score(self, queries, runtime):
        if len(self.asked) == self.at:
            raise KeyboardInterrupt
        return super().score(queries, runtime)


class KilledWriter(Killed, Writer):
    pass


@pytest.mark.honesty
@pytest.mark.parametrize("at", [0, 1, 2])
@pytest.mark.parametrize(("kind", "calls"), [(Killed, 3), (KilledWriter, 6), (OnlyWriter, 6)])
def test_a_stopped_evaluation_asks_only_what_is_left_and_ends_the_same(
    split, pack, runtime, monkeypatch, tmp_path, kind, calls, at
):
    monkeypatch.setattr(asking, "ROWS_AT_ONCE", 3)
    monkeypatch.setattr(evaluator, "WRITTEN_AT_ONCE", 3)
    kind.titles = split.catalogue.titles
    question = split.test, split.catalogue, pack, runtime, "exact"
    whole = evaluate(kind(None), *question)
    with pytest.raises(KeyboardInterrupt):
        evaluate(kind(at), *question, tmp_path / "kept")
    again = kind(None)
    resumed = evaluate(again, *question, tmp_path / "kept")
    assert len(again.asked) == calls - at
    assert resumed.metrics == whole.metrics
    assert resumed.answers == whole.answers
    np.testing.assert_array_equal(resumed.outcome.scores, whole.outcome.scores)
    nothing_left = kind(None)
    assert evaluate(nothing_left, *question, tmp_path / "kept").metrics == whole.metrics
    assert not nothing_left.asked
    elsewhere = kind(None)
    evaluate(elsewhere, *question, tmp_path / "of another model")
    assert len(elsewhere.asked) == calls


@pytest.mark.honesty
@pytest.mark.parametrize("kind", [Scorer, Writer, OnlyWriter])
def test_nothing_is_judged_where_a_call_was_not_put(split, pack, runtime, monkeypatch, kind):
    """What stands in the place of its answers is whatever the memory held."""
    real = evaluator.divided
    monkeypatch.setattr(evaluator, "divided", lambda *given: list(real(*given))[:-1])
    monkeypatch.setattr(asking, "ROWS_AT_ONCE", 3)
    kind.titles = split.catalogue.titles
    with pytest.raises(RecbenchError, match="questions were not answered; the same command"):
        evaluate(kind(), split.test, split.catalogue, pack, runtime)


def test_the_bar_is_drawn_on_standard_error_alone(split, pack, runtime, capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")  # as on a terminal
    shown = dataclasses.replace(runtime, show_progress=True)
    evaluate(Scorer(), split.test, split.catalogue, pack, shown)
    drawn = capsys.readouterr()
    assert drawn.out == ""
    assert "scoring" in drawn.err


def test_no_examples(split, runtime):
    nothing = dataclasses.replace(
        split.test,
        histories=split.test.histories[:0],
        targets=split.test.targets[:0],
        users=split.test.users[:0],
    )
    empty = make_pack(np.empty((0, 2, 5), np.int32), np.empty((0, 2), np.int16), 0, split.catalogue)
    judged = evaluate(Scorer(), nothing, split.catalogue, empty, runtime)
    assert judged.metrics == {}
    assert len(judged.outcome) == 0
