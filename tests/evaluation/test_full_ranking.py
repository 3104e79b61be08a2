from dataclasses import replace

import numpy as np
import pytest

from recbench.errors import RecbenchError, UserError
from recbench.evaluation import asking, full_ranking
from recbench.evaluation.evaluator import evaluate
from recbench.evaluation.full_ranking import rank_all
from recbench.questions.excluded import Excluded
from recbench.questions.full_ranking import FullRanking
from recbench.questions.queries import Queries
from recbench.recommender import Answerer, Recommender, Runtime
from recbench.settings import Settings
from recbench.testing.toy import toy_split


class Scorer(Recommender):
    """Scores by a table of histories' last items and items; keeps what it was asked."""

    summary = reference = "test"

    def __init__(self, table):
        super().__init__(Settings())
        self.table, self.asked = table, []

    def fit(self, data, runtime):
        return {"parameters_trained": 0}

    def score(self, queries, runtime):
        self.asked.append(queries)
        return np.take_along_axis(self.table[queries.histories[:, -1]], queries.candidates, axis=1)

    def save(self, folder):
        pass

    def load(self, folder, data, runtime):
        pass


class OnlyWriter(Answerer):
    """Writes, and gives no score."""

    def __init__(self, _):
        super().__init__(Settings())
        self.asked = []

    def answer(self, queries, runtime):
        self.asked.append(queries)
        return []

    fit = save = load = answer


@pytest.fixture(scope="module")
def split():
    """Twelve rows of 40 items; rows share three lists of excluded items, some with the target."""
    split = toy_split(users=120)
    rows = np.arange(12) % 3
    values = np.array([1, 2, 3, 3, 9, *range(40)], dtype=np.int32)
    starts, ends = np.array([[0, 5], [5, 5], [5, 45]]).T
    return replace(split, excluded_test=Excluded(values, starts[rows], ends[rows]))


@pytest.fixture
def table():
    """Scores with many ties."""
    return np.random.default_rng(0).integers(0, 25, size=(40, 40)).astype(np.float32)


@pytest.fixture
def runtime(tmp_path):
    return Runtime(seed=0, device="cpu", checkpoints=tmp_path, cache=tmp_path)


def test_ranks_are_those_of_a_plain_loop(split, table, runtime):
    outcome = rank_all(Scorer(table), FullRanking.of(split, "test"), runtime)
    for row, target in enumerate(split.test.targets):
        scores = table[split.test.histories[row, -1]]
        ranked = {*range(40)} - {*split.excluded_test[row].tolist()} - {target}
        assert outcome.rank[row] == 1 + sum(scores[item] >= scores[target] for item in ranked)
    assert (outcome.rank[2::3] == 1).all()  # all but the target is excluded
    assert len(set(outcome.rank.tolist())) > 4
    np.testing.assert_array_equal(outcome.hit, outcome.rank == 1)
    assert outcome.valid.all()
    assert (outcome.draws, outcome.scores, outcome.writes) == (1, None, False)
    assert outcome.answer_slot is None
    np.testing.assert_array_equal(outcome.users, split.test.users)


def test_a_constant_scorer_comes_last(split, runtime):
    constant = Scorer(np.zeros((40, 40), dtype=np.float32))
    outcome = rank_all(constant, FullRanking.of(split, "test"), runtime)
    distinct = [
        len({*split.excluded_test[i].tolist()} - {int(split.test.targets[i])}) for i in range(12)
    ]
    np.testing.assert_array_equal(outcome.rank, 40 - np.array(distinct))
    assert outcome.hit.sum() == 4


def test_metrics_come_from_the_ranks(split, table, runtime):
    judged = evaluate(
        Scorer(table), split.test, split.catalogue, FullRanking.of(split, "test"), runtime
    )
    ranks = judged.outcome.rank
    assert judged.answers is None
    assert judged.metrics["HitRatio@10"].value == pytest.approx((ranks <= 10).mean())
    assert judged.metrics["MRR"].value == pytest.approx((1 / ranks).mean())
    expected = np.where(ranks <= 10, 1 / np.log2(1 + ranks), 0).mean()
    assert judged.metrics["NDCG@10"].value == pytest.approx(expected)


def test_the_weights_of_experts_are_kept_of_a_full_ranking_too(split, table, runtime):
    class Weigher(Scorer):
        weighs_users = True

        def expert_weights(self, queries):
            first = queries.histories[:, -1] / 100
            return np.stack([first, 1 - first], axis=1).astype(np.float32)

    asked = split.test, split.catalogue, FullRanking.of(split, "test"), runtime
    weights = evaluate(Weigher(table), *asked).outcome.expert_weights
    np.testing.assert_allclose(weights[:, 0], split.test.histories[:, -1] / 100, rtol=1e-6)
    assert evaluate(Scorer(table), *asked).outcome.expert_weights is None


@pytest.mark.parametrize(("most", "rows"), [(1, 1), (40, 1), (119, 2), (200, 5), (10**6, 12)])
def test_no_more_scores_than_allowed_are_asked_for_at_once(
    split, table, runtime, monkeypatch, most, rows
):
    whole = rank_all(Scorer(table), FullRanking.of(split, "test"), runtime)
    monkeypatch.setattr(asking, "CELLS_AT_ONCE", most)
    model = Scorer(table)
    parts = rank_all(model, FullRanking.of(split, "test"), runtime)
    assert max(map(len, model.asked)) == rows
    assert sum(map(len, model.asked)) == 12
    np.testing.assert_array_equal(parts.rank, whole.rank)


def test_a_model_is_told_neither_target_nor_what_is_excluded(split, table, runtime):
    model = Scorer(table)
    rank_all(model, FullRanking.of(split, "test"), runtime)
    (queries,) = model.asked
    assert set(vars(queries)) == {"histories", "candidates"}
    assert (queries.candidates == np.arange(40)).all()
    assert queries.candidates.base is not None  # no memory of its own: 40 numbers, not 12 times 40
    assert queries.shared.tolist() == [*range(40)]


def test_shared_candidates_are_told_from_equal_ones():
    histories = np.zeros((3, 2), dtype=np.int32)
    everything = Queries.of_all(histories, 5)
    assert everything[1:].shared.tolist() == [*range(5)]
    assert Queries(histories, everything.candidates.copy()).shared is None
    assert Queries.of_all(histories[:0], 5).shared is None


@pytest.mark.honesty
def test_a_stopped_ranking_asks_only_what_is_left_and_ends_the_same(
    split, table, runtime, monkeypatch, tmp_path
):
    monkeypatch.setattr(asking, "ROWS_AT_ONCE", 5)
    ranking = FullRanking.of(split, "test")
    whole = rank_all(Scorer(table), ranking, runtime)
    model = Scorer(table)
    real = model.score

    def stopped(queries, runtime):
        if len(model.asked) == 2:
            raise KeyboardInterrupt
        return real(queries, runtime)

    model.score = stopped
    with pytest.raises(KeyboardInterrupt):
        rank_all(model, ranking, runtime, tmp_path / "kept")
    again = Scorer(table)
    resumed = rank_all(again, ranking, runtime, tmp_path / "kept")
    assert list(map(len, again.asked)) == [2]
    np.testing.assert_array_equal(resumed.rank, whole.rank)


@pytest.mark.honesty
def test_nothing_is_judged_where_a_call_was_not_put(split, table, runtime, monkeypatch):
    real = full_ranking.divided
    monkeypatch.setattr(full_ranking, "divided", lambda *given: list(real(*given))[:-1])
    monkeypatch.setattr(asking, "ROWS_AT_ONCE", 5)
    with pytest.raises(RecbenchError, match="questions were not answered; the same command"):
        rank_all(Scorer(table), FullRanking.of(split, "test"), runtime)


class Writer(Scorer, Answerer):
    """Writes."""

    def answer(self, queries, runtime):
        return []

    def title_lengths(self):
        return np.ones(40, dtype=np.int32)


class Reranker(Scorer):
    """Only scores, but from a list in a prompt."""

    lists_candidates = True


@pytest.mark.parametrize("kind", [Writer, Reranker, OnlyWriter])
def test_a_model_that_has_its_candidates_listed_is_refused(split, table, runtime, kind):
    model = kind(table)
    with pytest.raises(UserError, match=f"{kind.__name__} reads its cand.*; give --candidates N"):
        rank_all(model, FullRanking.of(split, "test"), runtime)
    assert not model.asked


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_score_that_is_no_number_is_an_error_even_of_an_excluded_item(split, table, runtime, bad):
    table[:, 3] = bad
    with pytest.raises(RecbenchError, match=r"row \d+, candidate 3"):
        rank_all(Scorer(table), FullRanking.of(split, "test"), runtime)


def test_no_rows_are_no_ranks(split, table, runtime):
    no_places = np.arange(0)
    nothing = Excluded(split.excluded_test.values, no_places, no_places)
    none = replace(split, test=split.test[:0], excluded_test=nothing)
    assert len(rank_all(Scorer(table), FullRanking.of(none, "test"), runtime)) == 0
