"""What a study writes besides its points: what must be known of them, and where it stands."""

import re
from dataclasses import replace

import numpy as np
import pytest

from recbench.registry import load
from recbench.runs.group_rendering import render_groups
from recbench.runs.groups import grouped
from recbench.runs.leaderboard import leaderboard
from recbench.runs.rendering import render
from recbench.studies import expert_attention, folder, interference
from recbench.studies.study import Asked

NARROW = r"(.*): (the interval, and those of its differences, may be too narrow: .*)"
NONE = "worth 0.0 users on the rarer side"

LONGEST = 255
"""Bytes of a file's name, wherever recbench runs."""

SNAPSHOT = "/home/somebody/models/" + "s" * 94


@pytest.fixture
def page(tmp_path):
    """Return a function that writes a study of runs, and gives the page that it wrote."""

    def written(name, runs, **changes):
        study = load("studies", name)()
        asked = Asked("movielens", models=study.models, results=tmp_path / "results")
        done = folder.write(name, study, replace(asked, **changes), runs, [])
        return (done.folder / folder.TABLE).read_text(encoding="utf-8")

    return written


def warned_of(text):
    """Return whose intervals are said to be too narrow, each with the words."""
    found = re.findall(NARROW, text)
    return {(one, words) for whose, words in found for one in whose.split(", ")}


def of_rare_targets(made, **changes):
    """Make runs of four users with rare targets and of sixteen with others."""
    hits = {"sasrec": [1, 0] * 20, "ease": [0, 0] * 10 + [1, 0] * 10}
    return [
        made(some, model=model, seed=seed, target_count=[1] * 4 + [9] * 16, **changes)
        for model, some in hits.items()
        for seed in range(2)
    ]


@pytest.mark.honesty
def test_thin_groups_are_warned_of_in_the_words_of_the_leaderboard(made, page):
    runs = of_rare_targets(made)
    groups = grouped(leaderboard(runs), "target-count")
    expected = warned_of(render_groups(groups, "target-count", "markdown"))
    assert {"sasrec in group 1-5", "ease in group 1-5"} <= {whose for whose, _ in expected}
    found = warned_of(page("cold-start", runs))
    assert found == {(f"{whose} by target-count", words) for whose, words in expected}


@pytest.mark.honesty
def test_groups_of_several_questions_are_told_apart(made, page):
    runs = [*of_rare_targets(made), *of_rare_targets(made, protocol="temporal")]
    whole = page("cold-start", runs)
    for protocol in ("paper", "temporal"):
        assert f"ease in group 1-5 by target-count on movielens under {protocol}" in whole


@pytest.mark.honesty
def test_candidates_warns_of_the_figures_that_it_shows(made, page):
    """All items are ranked by NDCG@10, and HitRatio@1 is shown, which has fewer users."""
    ranks = {"good": [2] * 19 + [1], "bad": [3] * 20}
    asked = {"full": True, "protocol": "paper,candidates=all"}
    full = [made(model=model, ranks=some, **asked) for model, some in ranks.items()]
    few = [made([1, 0] * 20, model=model) for model in ranks]
    assert not warned_of(render(leaderboard([*few, *full]), "markdown"))
    text = page("candidates", [*few, *full], models=tuple(ranks))
    for model, users in (("good", "1.0"), ("bad", "0.0")):
        whose = f"{model} on movielens under paper,candidates=all"
        words = "the interval, and those of its differences, may be too narrow"
        assert f"{whose}: {words}: worth {users} users on the rarer side" in text
    assert text.count("too narrow") == 2


@pytest.mark.honesty
def test_what_holds_of_one_question_is_said_of_it(made, page):
    runs = [
        made([1, 0] * 20, model="a", protocol=protocol, caption=caption)
        for protocol, caption in (("paper", "of a kind"), ("next-item", ""))
    ]
    text = page("candidates", runs, models=("a",))
    assert "a on movielens under paper: of a kind" in text


@pytest.mark.honesty
def test_thin_clusters_are_warned_of(made, page, monkeypatch):
    monkeypatch.setattr(interference, "_of_test_rows", lambda *_: np.arange(40) // 4)
    hits = {None: [1, 0] * 40, "1/4": [0, 0] * 40}
    runs = [
        made(some, model="llara", settings={"cluster": cluster}) for cluster, some in hits.items()
    ]
    found = warned_of(page("interference", runs))
    assert {whose for whose, _ in found} == {
        f"llara (cluster={cluster}) in cluster 1" for cluster in (None, "1/4")
    }


@pytest.mark.honesty
def test_what_no_user_shows_is_warned_of(made, page, monkeypatch):
    nothing, weights = np.zeros(20), np.tile([0.9, 0.1], (20, 1))
    clusters = (np.arange(20) // 16).astype(np.int64)
    seen = expert_attention.Seen(np.arange(20), weights, clusters, nothing, nothing + 0.5)
    monkeypatch.setattr(expert_attention, "_seen", lambda *_: seen)
    text = page("expert-attention", [made(model="ilora")])
    whose = {one for one, _ in warned_of(text)}
    assert ("ilora by answers changed", NONE) in {
        (one, words.rpartition(": ")[2]) for one, words in warned_of(text)
    }
    assert "ilora by share of likelihoods" not in whose  # half of twenty users
    assert not any(one.endswith(("weight", "entropy")) for one in whose)  # no share of questions


@pytest.mark.parametrize("quick", [False, True])
def test_a_name_of_long_folders_leaves_room_to_be_written(tmp_path, quick):
    asked = Asked("movielens", llms=(SNAPSHOT + "a", SNAPSHOT + "b"), quick=quick)
    asked = replace(asked, results=tmp_path)
    found = folder.place("backbone", asked)
    with folder.atomic_folder(found) as partial:
        assert len(partial.name.encode()) < LONGEST
    assert found.is_dir()
    assert found.name.startswith("movielens-_home_somebody_models_ss")
    assert found.name.endswith("-quick") == quick
    other = folder.place("backbone", replace(asked, llms=(SNAPSHOT + "a", SNAPSHOT + "c")))
    assert other != found


def test_a_long_name_is_cut_between_two_signs(tmp_path):
    for more in range(3):
        llm = "x" * more + "é" * 200
        name = folder.place("seeds", Asked("movielens", llms=(llm,), results=tmp_path)).name
        assert len(name.encode()) <= folder.LONGEST
        assert re.fullmatch(r"movielens-x*é+-[0-9a-f]{12}", name)


def test_a_short_name_is_whole(tmp_path):
    asked = Asked("movielens", llms=("tiny", "org/model"), others=("lastfm",), results=tmp_path)
    assert (
        folder.place("seeds", asked) == tmp_path / "studies/seeds/movielens-lastfm-tiny-org_model"
    )
