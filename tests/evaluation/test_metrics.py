from dataclasses import replace
from importlib.metadata import EntryPoint
from types import SimpleNamespace

import numpy as np
import pytest

from recbench import registry
from recbench.errors import UserError
from recbench.evaluation import metrics
from recbench.evaluation.answers import NO_CANDIDATE, SHARED_TITLE
from recbench.evaluation.metrics import (
    MRR,
    NDCG,
    HitRatio,
    Metric,
    SharedTitleRatio,
    ValidRatio,
    at_cutoffs,
    check_cutoffs,
    cutoff_of,
    figures,
    lower_is_better,
    names_at,
    tells,
)
from recbench.evaluation.outcome import Outcome


def outcome(ranks, writes=False, slots=None, target=0, candidates=20, per_token=None):
    rank = np.array(ranks, dtype=np.int32)
    slot = np.array(slots if slots is not None else np.where(rank == 1, target, 1), dtype=np.int32)
    scores, tokens = np.zeros((len(rank), candidates), dtype=np.float32), None
    if per_token is not None:  # scores 1, 2, ... by the token; the target's decides its rank
        tokens = np.ones(scores.shape, dtype=np.int32)
        scores[:] = -np.arange(candidates)
        scores[:, target] = 0.5 - np.array(per_token)
    return Outcome(
        draws=1,
        users=np.arange(len(rank), dtype=np.int32),
        rank=rank,
        writes=writes,
        scores=scores,
        target_slot=np.full(len(rank), target, dtype=np.int32),
        answer_slot=slot,
        title_tokens=tokens,
    )


def test_ranked_figures_by_hand():
    asked = outcome([1, 2, 3, 4, 10, 11])
    hits = HitRatio().values(asked)
    np.testing.assert_array_equal(hits["HitRatio@1"], [1, 0, 0, 0, 0, 0])
    np.testing.assert_array_equal(hits["HitRatio@3"], [1, 1, 1, 0, 0, 0])
    np.testing.assert_array_equal(hits["HitRatio@5"], [1, 1, 1, 1, 0, 0])
    np.testing.assert_array_equal(hits["HitRatio@10"], [1, 1, 1, 1, 1, 0])
    gains = NDCG().values(asked)
    np.testing.assert_array_equal(gains["NDCG@1"], [1, 0, 0, 0, 0, 0])
    # 1 / log2(1 + rank): log2(3), log2(4) = 2, log2(5), log2(11)
    np.testing.assert_allclose(gains["NDCG@3"], [1, 0.6309298, 0.5, 0, 0, 0], atol=1e-7)
    np.testing.assert_allclose(gains["NDCG@5"], [1, 0.6309298, 0.5, 0.4306766, 0, 0], atol=1e-7)
    assert gains["NDCG@10"][4] == pytest.approx(0.2890648, abs=1e-7)
    np.testing.assert_allclose(MRR().values(asked)["MRR"], [1, 1 / 2, 1 / 3, 1 / 4, 1 / 10, 1 / 11])


def test_more_places_than_candidates_always_hit():
    asked = outcome([1, 3], candidates=3)
    np.testing.assert_array_equal(HitRatio().values(asked)["HitRatio@10"], [1, 1])
    np.testing.assert_array_equal(NDCG().values(asked)["NDCG@10"], [1, 0.5])


def test_such_figures_say_nothing():
    for k, candidates in ((1, 2), (3, 4), (10, 11)):
        for name in (f"HitRatio@{k}", f"NDCG@{k}", f"NDCG@{k}|likelihood"):
            assert tells(name, candidates)
            assert not tells(name, k)
            assert tells("MRR", k)


def test_own_cutoffs_by_hand():
    asked = outcome([1, 2, 7, 8])
    found = at_cutoffs(asked, [7, 2])
    assert list(found) == ["HitRatio@7", "NDCG@7", "HitRatio@2", "NDCG@2"]
    np.testing.assert_array_equal(found["HitRatio@7"], [1, 1, 1, 0])
    np.testing.assert_allclose(found["NDCG@7"], [1, 0.6309298, 1 / 3, 0], atol=1e-7)
    np.testing.assert_array_equal(found["HitRatio@2"], [1, 1, 0, 0])
    written = at_cutoffs(outcome([1, 2], writes=True), [7])
    assert list(written) == ["HitRatio@7|likelihood", "NDCG@7|likelihood"]


@pytest.mark.parametrize(
    ("name", "k"),
    [
        ("HitRatio@7", 7),
        ("NDCG@12|likelihood", 12),
        ("HitRatio@1|valid", 1),
        ("HitRatio@x", None),
        ("HitRatio@", None),
        ("HitRatio@\N{SUPERSCRIPT TWO}", None),
        ("Recall@5", None),
        ("MRR", None),
    ],
)
def test_the_k_of_a_figure(name, k):
    assert cutoff_of(name) == k


@pytest.mark.parametrize("k", [20, 21])
def test_a_k_that_says_nothing_is_refused(k):
    check_cutoffs([1, 19], 20)
    with pytest.raises(UserError, match=f"^K must be from 1 to 19, not {k}: among the first 20 of"):
        check_cutoffs([3, k], 20)


def test_a_k_of_no_places_is_refused_for_what_it_is():
    with pytest.raises(UserError, match=r"^K counts the first places, from 1 on: not 0$"):
        check_cutoffs([3, 0], 20)


def test_of_every_figure_of_ours_it_is_known_whether_less_is_better():
    per_token = [-1.0, 2.0]
    kinds = outcome([1, 2]), outcome([1, 2], writes=True, per_token=per_token)
    named = {name for one in kinds for name in figures(one)} | set(names_at([1, 7]))
    assert {name for name in named if lower_is_better(name)} == {"SharedTitleRatio"}
    assert None not in map(lower_is_better, named)
    for other in ("Sound", "MRRs", "HitRatio@1|mine", "HitRatio", "ValidRatio@3", "AValidRatio"):
        assert lower_is_better(other) is None


def test_no_rows():
    for metric in (ValidRatio, HitRatio, NDCG, MRR):
        for writes in (False, True):
            for values in metric().values(outcome([], writes=writes)).values():
                assert values.shape == (0,)


def test_a_model_that_scores_has_plain_names_and_one_answer():
    found = figures(outcome([1, 2]))
    plain = {f"{name}@{k}" for name in ("HitRatio", "NDCG") for k in (1, 3, 5, 10)}
    assert set(found) == plain | {"MRR", "ValidRatio", "HitRatio@1|valid"}
    np.testing.assert_array_equal(found["ValidRatio"], [1, 1])
    np.testing.assert_array_equal(found["HitRatio@1|valid"], found["HitRatio@1"])


def test_of_a_model_that_writes_the_answer_is_judged_and_likelihood_is_named():
    # Wrote the target but ranks it second; wrote nonsense but ranks it first.
    found = figures(outcome([2, 1], writes=True, slots=[0, NO_CANDIDATE], per_token=[1, 2]))
    ranked = {f"{name}@{k}|likelihood" for name in ("HitRatio", "NDCG") for k in (1, 3, 5, 10)}
    assert set(found) == ranked | {
        "MRR|likelihood",
        "HitRatio@1",
        "HitRatio@1|valid",
        "HitRatio@1|likelihood-per-token",
        "ValidRatio",
        "SharedTitleRatio",
    }
    np.testing.assert_array_equal(found["HitRatio@1"], [1, 0])
    np.testing.assert_array_equal(found["HitRatio@1|likelihood"], [0, 1])
    np.testing.assert_array_equal(found["HitRatio@1|likelihood-per-token"], [1, 0])
    np.testing.assert_array_equal(found["ValidRatio"], [1, 0])


def test_an_invalid_answer_is_a_miss_and_correct_over_valid_has_its_own_name():
    asked = outcome([1, 1, 1, 1], writes=True, slots=[0, 3, NO_CANDIDATE, SHARED_TITLE])
    found = HitRatio().values(asked)
    np.testing.assert_array_equal(found["HitRatio@1"], [1, 0, 0, 0])
    np.testing.assert_array_equal(found["HitRatio@1|valid"], [1, 0, np.nan, np.nan])
    np.testing.assert_array_equal(
        SharedTitleRatio().values(asked)["SharedTitleRatio"], [0, 0, 0, 1]
    )


def test_what_only_writes_has_the_figures_of_its_answers_and_no_others():
    ranked = outcome([1, 2, 1, 3], writes=True, slots=[0, 3, NO_CANDIDATE, SHARED_TITLE])
    only = replace(ranked, rank=None, scores=None)
    assert len(only) == 4
    assert NDCG().values(only) == MRR().values(only) == at_cutoffs(only, [2, 7]) == {}
    own, both = figures(only), figures(ranked)
    assert own.keys() == {"HitRatio@1", "HitRatio@1|valid", "SharedTitleRatio", "ValidRatio"}
    for name, values in own.items():
        np.testing.assert_array_equal(values, both[name])


RANK_TAKEN = {
    "compared": lambda outcome: outcome.rank == 1,
    "filled": lambda outcome: np.where(outcome.rank == 1, 1.0, 0.0),
    "divided": lambda outcome: 1 / outcome.rank,
    "as numbers": lambda outcome: 1 / np.asarray(outcome.rank, dtype=np.float64),
}


@pytest.mark.parametrize("how", RANK_TAKEN)
def test_no_metric_gets_a_figure_of_a_rank_that_is_not_there(plugged, monkeypatch, how):
    monkeypatch.setattr(Sound, "values", lambda self, one: {"Sound": RANK_TAKEN[how](one)})
    plugged("Sound")
    ranked = outcome([1, 2], writes=True)
    lines = []
    assert figures(replace(ranked, rank=None, scores=None), lines.append) == {}
    assert len(lines) == 1
    assert list(figures(ranked)) == ["Sound"]


class Sound(Metric):
    def values(self, outcome):
        return {"Sound": np.ones(len(outcome))}


class Outside(Metric):
    def values(self, outcome):
        return {"Outside": np.full(len(outcome), 2.0)}


class Imitation(Metric):
    def values(self, outcome):
        return {"Sound": np.zeros(len(outcome))}


class Crash(Metric):
    def values(self, outcome):
        raise ZeroDivisionError("oh")


@pytest.fixture
def plugged(monkeypatch):
    """Let entry points of this module be all that is installed."""

    def plug(*names):
        here = {"Sound": Sound, "Outside": Outside, "Imitation": Imitation, "Crash": Crash}
        points = [EntryPoint(name, "missing_package:It", "recbench.metrics") for name in names]
        monkeypatch.setattr(registry, "entry_points", lambda group: points)
        real = registry.loaded
        monkeypatch.setattr(metrics, "loaded", lambda one: here.get(one.name) or real(one))

    return plug


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("Gone", "the metric 'Gone' of package .* cannot be imported: ModuleNotFoundError"),
        ("Outside", r"the metric 'Outside' of package .*: it must give 2 values in \[0, 1\]"),
        ("Crash", "the metric 'Crash' of package .* failed: ZeroDivisionError: oh"),
    ],
)
def test_a_broken_plug_in_is_reported_by_name_and_breaks_nothing_else(plugged, broken, said):
    plugged(broken, "Sound")
    lines = []
    found = figures(outcome([1, 2]), lines.append)
    assert list(found) == ["Sound"]
    assert len(lines) == 1
    with pytest.raises(AssertionError, match=said):
        raise AssertionError(lines[0])


def test_entry_points_may_be_those_of_a_backport(monkeypatch):
    """Once importlib_metadata is imported, by whatever is installed, Python's own gives its."""

    class Backport:
        name, value, group, dist = "Sound", "two:It", "recbench.metrics", None

    monkeypatch.setattr(registry, "entry_points", lambda group: [Backport()])
    monkeypatch.setattr(metrics, "loaded", lambda point: Sound)
    assert list(figures(outcome([1]), lambda _: None)) == ["Sound"]


@pytest.mark.honesty
@pytest.mark.parametrize("name", ["rank", "scores", "target_slot", "answer_slot", "users"])
def test_a_plug_in_cannot_change_what_happened(plugged, monkeypatch, name):
    whole = outcome([1, 2])
    filled = {
        "scores": np.ones((2, 3), dtype=np.float32),
        "target_slot": np.zeros(2, dtype=np.int32),
        "answer_slot": np.zeros(2, dtype=np.int32),
    }
    whole = replace(whole, **filled)
    before = getattr(whole, name).copy()

    def values(self, one):
        getattr(one, name)[:] = 0
        return {"Sound": np.ones(len(one))}

    monkeypatch.setattr(Sound, "values", values)
    plugged("Sound")
    lines = []
    assert figures(whole, lines.append) == {}
    assert "the metric 'Sound' of package" in lines[0]
    assert "read-only" in lines[0]
    assert not np.shares_memory(getattr(whole.read_only, name), getattr(whole, name))
    np.testing.assert_array_equal(getattr(whole, name), before)
    assert getattr(whole, name).flags.writeable


def test_two_metrics_cannot_give_one_figure(plugged):
    plugged("Imitation", "Sound")
    lines = []
    np.testing.assert_array_equal(figures(outcome([1]), lines.append)["Sound"], [0])
    assert len(lines) == 1
    assert lines[0].endswith(": it gives 'Sound', which another metric gave before")


@pytest.mark.honesty
def test_ours_come_first_whatever_others_are_called(monkeypatch):
    class Claims(Metric):
        def values(self, outcome):
            return {"MRR": np.zeros(len(outcome))}

    points = [
        EntryPoint("Acme", "acme:It", "recbench.metrics"),
        EntryPoint("MRR", "recbench.evaluation.metrics:MRR", "recbench.metrics"),
    ]
    monkeypatch.setattr(registry, "entry_points", lambda group: points)
    monkeypatch.setattr(metrics, "loaded", lambda one: Claims if one.name == "Acme" else MRR)
    lines = []
    np.testing.assert_array_equal(figures(outcome([1, 2]), lines.append)["MRR"], [1, 0.5])
    (line,) = lines
    assert line.startswith("the metric 'Acme' ")
    assert line.endswith(": it gives 'MRR', which another metric gave before")


@pytest.mark.honesty
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("HitRatio@7", "it gives 'HitRatio@7', which is named as recbench's own figures are"),
        ("MRR|likelihood", "which is named as recbench's own figures are"),
        ("hitratio@1", "which is named as recbench's own figures are"),
        ("HitRatio", "which is named as recbench's own figures are"),
        ("model", "it gives 'model', which is a column of every table"),
        ("seeds", "it gives 'seeds', which is a column of every table"),
        ("a\nb", r"must be one line of text that can be printed, not 'a\nb'"),
        ("a\u00a0b", r"must be one line of text that can be printed, not 'a\xa0b'"),
    ],
)
def test_a_name_that_no_reader_would_trust_is_no_figure_of_a_plug_in(
    plugged, monkeypatch, name, said
):
    monkeypatch.setattr(Sound, "values", lambda self, one: {name: np.ones(len(one))})
    plugged("Sound")
    lines = []
    assert figures(outcome([1]), lines.append) == {}
    assert len(lines) == 1
    assert lines[0].endswith(said)


@pytest.mark.parametrize(
    ("claim", "given", "said"),
    [
        ("Sound", {"MRR"}, "by one and two; uninstall all but one of them; until then it is left"),
        ("MRR", {"MRR", "Sound"}, "by one and recbench; uninstall one; until then recbench's own"),
    ],
)
def test_a_name_taken_twice_is_reported_and_ours_stays(monkeypatch, claim, given, said):
    classes = {"one": Outside, "two": Sound, "recbench": MRR}
    points = []
    for name, package in ((claim, "one"), ("Sound", "two"), ("MRR", "recbench")):
        points.append(EntryPoint(name, f"{package}:It", "recbench.metrics"))
        vars(points[-1])["dist"] = SimpleNamespace(name=package)
    monkeypatch.setattr(registry, "entry_points", lambda group: points)
    monkeypatch.setattr(metrics, "loaded", lambda point: classes[point.dist.name])
    lines = []
    assert figures(outcome([1]), lines.append).keys() == given
    assert len(lines) == 1
    assert said in lines[0]


@pytest.mark.parametrize(
    ("name", "candidates", "is_one"),
    [
        ("HitRatio@3", 3, True),
        ("HitRatio@3", 4, False),
        ("NDCG@3", 3, False),
        ("MRR", 3, False),
        ("ValidRatio", 3, True),
    ],
)
def test_what_is_so_by_construction(name: str, candidates: int, is_one: bool) -> None:
    assert metrics.constant(name, outcome([1, 2, 3], candidates=candidates)) == is_one
    written = outcome([1, 2, 3], writes=True, candidates=candidates)
    assert metrics.constant(name, written) == (is_one and name != "ValidRatio")
