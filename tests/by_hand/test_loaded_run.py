"""A run that is asked by hand answers as it did when it was evaluated."""

import gc
import re

import numpy as np
import pytest
from recbench_baselines.popularity import Popularity
from recbench_baselines.sasrec import SASRec

from recbench import load_run
from recbench.errors import UserError
from recbench.evaluation.audit import TOLERANCE, scale
from recbench.questions.split import PAD
from recbench.runs.examples import read_outcome
from recbench.runs.remade_question import Questions
from recbench.runs.store import finished


@pytest.fixture
def remade(places, raw_folder):
    """Return a function that makes the question of a run again, and its scores, row by row."""

    def make(folder):
        record = finished(folder).record
        made = Questions(places / "cache", raw_folder, lambda _: None).of(record)
        return made, read_outcome(folder, record)

    return make


def ids(catalogue, codes):
    return [f"id:{catalogue.raw_ids[code]}" for code in codes if code != PAD]


@pytest.mark.parametrize("model", ["popularity", "sasrec", "ilora"])
def test_a_test_row_has_the_scores_of_the_evaluation(model, made, load, remade):
    folder = made(model)
    loaded, (asked, outcome) = load(folder), remade(folder)
    catalogue, pack = asked.split.catalogue, asked.pack
    for example in range(3):
        history = ids(catalogue, asked.split.test.histories[example])
        shown = ids(catalogue, pack.candidates[example, 1])
        found = loaded.recommend(history, top=len(shown), candidates=shown)
        given = {f"id:{one.id}": one.score for one in found.items}
        scores = np.array([[given[one] for one in shown]], dtype=np.float32)
        expected = outcome.scores[[2 * example + 1]]
        # A batch of rows is rounded otherwise than one: as in the audit.
        allowed = 0 if model == "popularity" else TOLERANCE * scale(expected).max()
        np.testing.assert_allclose(scores, expected, rtol=0, atol=allowed)


@pytest.mark.parametrize("part", [{"train_fraction": 0.5}, {"limit": 3}], ids=str)
def test_a_model_of_a_part_of_the_data_is_asked_as_it_was(part, made, load, remade):
    """Of the users that it has learnt from, or of the test rows that it was asked about."""
    folder = made("popularity", **part)
    asked, outcome = remade(folder)
    shown = ids(asked.split.catalogue, asked.pack.candidates[0, 0])
    found = load(folder).recommend(["Film 1"], top=len(shown), candidates=shown)
    given = {f"id:{one.id}": one.score for one in found.items}
    assert [given[one] for one in shown] == outcome.scores[0].tolist()


def test_a_model_is_loaded_with_the_seed_of_its_run(made, load, monkeypatch):
    seeds, whole = [], SASRec.load

    def loaded(model, folder, data, runtime):
        seeds.append(runtime.seed)
        whole(model, folder, data, runtime)

    folder = made("sasrec", seed=3)
    monkeypatch.setattr(SASRec, "load", loaded)
    load(folder).recommend(["Film 1"])
    assert seeds == [3]


@pytest.mark.parametrize("model", ["popularity", "sasrec"])
def test_a_full_ranking_has_the_ranks_of_the_evaluation(model, made, load, remade):
    folder = made(model, protocol="paper,candidates=all")
    loaded, (asked, outcome) = load(folder), remade(folder)
    catalogue, test = asked.split.catalogue, asked.split.test
    for example in range(3):
        found = loaded.recommend(ids(catalogue, test.histories[example]), top=len(catalogue))
        assert found.ranked == len(catalogue) - len(set(test.histories[example]) - {PAD})
        rank = {one.id: one.rank for one in found.items}
        assert rank[catalogue.raw_ids[test.targets[example]]] == outcome.rank[example]


@pytest.fixture(scope="session")
def popular(made):
    return made("popularity")


def test_the_best_stand_first_and_ties_share_the_worse_rank(popular, load):
    found = load(popular).recommend(["Film 1"], top=100)
    assert len(found.items) == found.ranked == 79
    scores = [one.score for one in found.items]
    assert scores == sorted(scores, reverse=True)
    for one in found.items:
        assert one.rank == sum(other >= one.score for other in scores)


def test_the_history_is_ranked_only_when_asked(popular, load):
    loaded = load(popular)
    assert "Film 1" not in {one.title for one in loaded.recommend(["Film 1"], top=100).items}
    again = loaded.recommend(["Film 1"], top=100, repeats=True)
    assert (again.ranked, len({one.title for one in again.items})) == (80, 80)


def test_of_a_long_history_the_last_are_read_as_in_the_run(made, load):
    loaded = load(made("sasrec"))
    titles = [f"Film {number}" for number in range(1, 15)]
    long, short = loaded.recommend(titles), loaded.recommend(titles[-10:])
    assert [one.title for one in long.history] == titles[-10:]
    assert (long.unread, short.unread) == (4, 0)
    # What was not read was had nevertheless, and is not recommended.
    assert not {one.title for one in long.items} & set(titles)
    assert "4 earlier ones are not read" in str(long)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"history": []}, "a history has at least one item"),
        ({"history": ["Film 1"], "top": 0}, "--top must be a whole number, at least 1, not 0"),
        ({"history": ["Film 1"], "top": 2.5}, "--top must be a whole number, at least 1, not 2.5"),
        ({"history": ["Film 1"], "candidates": []}, "give titles by --candidates"),
        (
            {"history": ["Film 1"], "candidates": ["Film 2", "id:2"]},
            "'Film 2' is given twice as a candidate",
        ),
        ({"history": [f"id:{n}" for n in range(1, 81)]}, "the history holds all items"),
        ({"history": ["Flim 1"]}, "did you mean 'Film 1' (id:1)"),
    ],
)
def test_what_cannot_be_asked_is_one_line(popular, load, asked, says):
    with pytest.raises(UserError, match=re.escape(says)):
        load(popular).recommend(**asked)


def test_a_language_model_writes_and_ranks_by_likelihood(made, load):
    loaded = load(made("ilora"))
    shown = [f"Film {number}" for number in range(20, 30)]
    found = loaded.recommend(["Film 1", "Film 2"], candidates=shown, explain=True)
    assert found.likelihood
    assert found.text is not None
    assert found.answer is None or found.answer.title in shown
    why = found.explanation
    assert sum(why.said["experts"]) == pytest.approx(1)
    assert len(why.said["experts"]) == 4
    assert all(title in why.said["prompt"] for title in ("Film 1", *shown))
    page = str(found)
    assert "log-likelihood" in page
    assert "Weights of the experts: 0." in page
    assert "Prompt:" in page
    assert "Written: " in page


def test_more_candidates_than_a_prompt_holds_are_refused_in_words_of_one_question(
    made, load, monkeypatch
):
    from recbench.llm import checks

    monkeypatch.setattr(checks, "context_of", lambda config: 300)
    shown = [f"id:{number}" for number in range(2, 81)]
    loaded = load(made("ilora"))
    with pytest.raises(UserError, match=r"reads \d+; give fewer by --candidates$"):
        loaded.recommend(["Film 1"], candidates=shown)


def test_a_language_model_that_lists_candidates_needs_them(made, load):
    with pytest.raises(UserError, match="give some titles by --candidates"):
        load(made("ilora")).recommend(["Film 1"])


def test_why_is_what_asking_again_says(made, load):
    loaded = load(made("sasrec"))
    history = ["Film 1", "Film 2", "Film 3"]
    found = loaded.recommend(history, explain=True)
    first, *others = found.items
    why = found.explanation
    assert [one.title for one in why.rivals] == [one.title for one in others[:3]]
    assert why.rivals[0].behind == pytest.approx(first.score - others[0].score)
    assert [one.item.title for one in why.without] == history
    # Without its second item: the same two items, asked with the same ones ranked.
    shown = [f"id:{n}" for n in range(4, 81)]
    less = loaded.recommend(["Film 1", "Film 3"], top=100, candidates=shown)
    assert why.without[1].first.title == less.items[0].title
    (then,) = [one for one in less.items if one.title == first.title]
    assert why.without[1].rank == then.rank
    assert why.without[1].change == pytest.approx(then.score - first.score, abs=1e-5)


def test_without_its_only_item_a_history_says_of_no_item_that_it_is_first(made, load):
    loaded = load(made("sasrec"))
    (left_out,) = loaded.recommend(["Film 1"], explain=True).explanation.without
    assert left_out.first is None
    assert "none: several are equal" in str(loaded.recommend(["Film 1"], explain=True))


def test_what_goes_by_no_history_is_changed_by_none(popular, load):
    why = load(popular).recommend(["Film 1", "Film 2"], explain=True).explanation
    assert [one.change for one in why.without] == [0, 0]
    assert len({one.rank for one in why.without}) == 1
    assert why.said == {}


@pytest.mark.honesty
def test_what_answers_otherwise_than_for_the_run_is_said(popular, places, raw_folder, monkeypatch):
    said: list[str] = []
    monkeypatch.setattr("recbench.runs.provenance.plugin", lambda _: "recbench 9.9")
    loaded = load_run(popular, "cpu", raw_folder, places / "cache", said.append)
    assert "installed is recbench 9.9; make it again by: recbench run" in said[0]
    monkeypatch.setattr(Popularity, "scores_in", "bfloat16")
    loaded.recommend(["Film 1"])
    assert "was asked in float32 on cpu, here its model answers in bfloat16 on cpu" in said[-1]


def test_a_link_to_a_run_is_the_run(popular, load, tmp_path):
    (tmp_path / "link").symlink_to(popular)
    found = load(tmp_path / "link").recommend(["Film 1"], top=3)
    assert found.items == load(popular).recommend(["Film 1"], top=3).items


def test_one_title_is_not_read_letter_by_letter(popular, load):
    found = load(popular).recommend("Film 1", candidates="Film 2")
    assert ([one.title for one in found.history], found.ranked) == (["Film 1"], 1)


def test_its_folder_is_removed_in_the_end(popular, load):
    loaded = load(popular)
    folder = loaded._runtime.checkpoints
    assert folder.is_dir()
    del loaded
    gc.collect()
    assert not folder.exists()
