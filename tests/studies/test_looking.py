"""Studies that look into what runs have kept: on models that are trained here, of a few rows."""

from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from killed_at_work import small_encoders
from scipy import stats

from recbench.errors import PluginError, RecbenchError, UserError
from recbench.experiment import run
from recbench.file_digests import folder_digest
from recbench.questions.queries import Queries
from recbench.registry import load
from recbench.runs.kept_trainings import kept_model
from recbench.runs.leaderboard import rows_of
from recbench.seeding import generator
from recbench.stages import build
from recbench.statistics.best import all_pairs, differences
from recbench.studies import expert_attention, gradient_similarity, interference, required
from recbench.studies.drawing import drawn, save, styled
from recbench.studies.gradient_similarity import cosines, shown_signs
from recbench.studies.kept import _cell, kept
from recbench.studies.points import frame
from recbench.studies.required import check_members
from recbench.studies.study import Asked
from recbench.testing.toy_lm import toy_llm

pytestmark = pytest.mark.usefixtures("svg_alone")

FEW = {
    **{"examples": "24", "batch_size": "8", "curve_rows": "0", "dropout": "0.1"},
    "candidates": "5",
}


@pytest.fixture(scope="module", autouse=True)
def _encoders_are_small():
    """Those that guide the models: what is looked at is how these use them."""
    with small_encoders():
        yield


@pytest.fixture(scope="module")
def here(raw_folder, tmp_path_factory):
    """What is asked of a study: one seed, of a toy language model."""
    home = tmp_path_factory.mktemp("looking")
    llm = str(toy_llm(home / "llm"))
    places = {"data_dir": raw_folder, "results": home / "results", "cache": home / "cache"}
    return Asked("movielens", llms=(llm,), seeds=1, draws=1, settings=FEW, **places)


def runs_of(name, here):
    """Return a study, what is asked of it, and its runs, those that are there found again."""
    study = load("studies", name)()
    asked = replace(here, models=study.models)
    cells = [one.model_copy(update={"audit": False}) for one in study.cells(asked)]
    return study, asked, [run(cell, lambda _: None) for cell in cells]


def shown(study, data, folder):
    """Draw a study from what its file holds alone; return its figure as SVG."""
    data.to_parquet(folder / "data.parquet", index=False)
    with styled():
        save(drawn(study, pd.read_parquet(folder / "data.parquet")), folder)
    assert study.table(data)
    return (folder / "figure.svg").read_bytes()


def test_expert_attention(here, tmp_path):
    study, asked, runs = runs_of("expert-attention", here)
    folder = kept_model(asked.results, runs[0].record)
    before = folder_digest(folder)
    data = study.data(runs, asked)
    assert folder_digest(folder) == before
    pd.testing.assert_frame_equal(study.data(runs, asked), data)
    assert shown(study, data, tmp_path) == shown(study, data, tmp_path)
    weights = data[data["kind"] == "weight"]
    sums = weights.groupby("user")["value"].sum()
    np.testing.assert_allclose(sums, 1.0, rtol=1e-6)
    assert len(sums) == len(set(weights["user"])) > 1
    assert data["value"].between(0, 1).all()
    clusters = data[data["kind"] == "cluster"]
    assert clusters[clusters["expert"] == 1]["examples"].sum() == runs[0].record.examples
    assert (data.loc[data["low"].notna(), "seeds"] == "1 (this training)").all()
    explained = data[data["kind"] == "the gate's share"].set_index("figure")
    assert explained.loc["share of likelihoods", "value"] > 0
    for layout in ("table", "markdown", "latex"):
        assert "1,000 of them drawn at random where there are more" in study.table(data, layout)


def test_the_mean_gate_takes_the_users_out(here):
    _, asked, (one,) = runs_of("expert-attention", here)
    with kept(one, asked) as found:
        model, test = found.model, found.question.split.test
        queries = Queries(test.histories, found.question.pack.candidates[:, 0])
        own = model.expert_weights(queries)
        assert own.std(axis=0).max() > 0
        with model.weighing_alike(own[0]):
            np.testing.assert_array_equal(
                model.expert_weights(queries), np.tile(own[0], (len(own), 1))
            )
            alike = model.score(queries, found.runtime)
        np.testing.assert_array_equal(model.expert_weights(queries), own)
        np.testing.assert_allclose(alike[0], model.score(queries, found.runtime)[0], rtol=1e-5)


def test_a_model_that_is_gone_is_said_with_what_makes_it_anew(here, tmp_path):
    study, asked, runs = runs_of("expert-attention", here)
    folder = kept_model(asked.results, runs[0].record)
    folder.rename(tmp_path / "away")
    try:
        with pytest.raises(UserError, match="is not there; this study looks into models") as told:
            study.data(runs, asked)
    finally:
        (tmp_path / "away").rename(folder)
    command, _, then = str(told.value).split("make it again by: ")[1].partition("; then ")
    assert command.endswith("--results build/results --fresh")  # what was found stays
    assert then == "give the study --results build/results"
    assert "--set examples=24" in command


@pytest.mark.honesty
def test_what_answers_otherwise_than_for_the_run_is_said_or_refused(here, monkeypatch):
    _, asked, (one,) = runs_of("expert-attention", here)
    said: list[str] = []
    monkeypatch.setattr("recbench.runs.provenance.plugin", lambda _: "recbench 9.9")
    with kept(one, replace(asked, report=said.append)):
        pass
    assert "installed is recbench 9.9; this study looks into models; make it again by" in said[0]
    other = one.record.model_copy(
        update={"ingredients": {**one.record.ingredients, "llm": "a" * 64}}
    )
    with (
        pytest.raises(UserError, match=f"was made with 'llm' {'a' * 12}, here it is "),
        kept(replace(one, record=other), asked),
    ):
        pass


@pytest.mark.parametrize(
    ("model", "lacking"),
    [("sasrec", "encoder, gradient_sketches"), ("tallrec", "encoder")],
)
def test_what_has_no_gradients_is_refused_before_it_is_trained(model, lacking):
    with pytest.raises(UserError, match=f"^{model} has no {lacking}; name llara or ilora$"):
        load("studies", "gradient-similarity")().cells(Asked("movielens", models=(model,)))


@pytest.mark.parametrize("room", [expert_attention.Gated, gradient_similarity.HasGradients])
def test_a_contract_is_checked_by_what_a_class_has_and_declares(monkeypatch, room):
    names = [one for one in dir(room) if not one.startswith("_")]
    whole = type("Acme", (), dict.fromkeys(names) | {"__annotations__": {"encoder": "Encoder"}})
    for kind in (type("Child", (whole,), {}), None):  # None: its own run says why it is not had
        monkeypatch.setattr(required, "class_at_hand", lambda _, kind=kind: kind)
        check_members("acme", room, "name another")
    for name in names:
        part = {one: None for one in names if one != name}
        kind = type("Acme", (), part | {"__annotations__": {"encoder": "Encoder"}})
        monkeypatch.setattr(required, "class_at_hand", lambda _, kind=kind: kind)
        with pytest.raises(UserError, match=f"^acme has no {name}; name another$"):
            check_members("acme", room, "name another")


@pytest.mark.parametrize(
    ("room", "rest"), [(expert_attention, (None,)), (gradient_similarity, ("acme", None))]
)
def test_what_a_class_declares_and_a_trained_model_lacks_is_said(monkeypatch, room, rest):
    @contextmanager
    def bare(*_):
        yield SimpleNamespace(model=object(), data=None)

    monkeypatch.setattr(room, "kept", bare)
    with pytest.raises(PluginError, match=r"^trained, it lacks what its class declares: encoder$"):
        room._seen(None, *rest)


def test_what_fails_while_it_is_looked_at_is_the_models_fault(here):
    _, asked, (one,) = runs_of("expert-attention", here)
    with (
        pytest.raises(RecbenchError, match=r"^the model 'ilora' of package recbench: no$"),
        kept(one, asked),
    ):
        raise PluginError("no")


def test_rows_that_no_setting_counts_are_all_that_there_are(here, monkeypatch):
    _, asked, runs = runs_of("gradient-similarity", here)
    whole, others = runs[-1], {k: v for k, v in runs[-1].record.settings.items() if k != "examples"}
    monkeypatch.setattr(gradient_similarity, "kept", lambda _, asked: kept(whole, asked))
    run = replace(whole, record=whole.record.model_copy(update={"settings": others}))
    with kept(whole, asked) as found:
        rows = len(found.data.train)
    assert gradient_similarity._seen(run, "acme", asked).rows_learnt == rows


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"models": ("sasrec",)},
            "sasrec has no encoder, expert_weights, weighing_alike, weighs_users; name ilora",
        ),
        ({"settings": {"guidance": "token-routing"}}, "token-routing weighs experts by the token"),
    ],
)
def test_what_has_no_weights_is_refused_before_it_is_trained(changes, said):
    asked = replace(Asked("movielens", models=("ilora",)), **changes)
    with pytest.raises(UserError, match=said):
        load("studies", "expert-attention")().cells(asked)


def test_gradient_similarity(here, tmp_path):
    study, asked, runs = runs_of("gradient-similarity", here)
    assert [one.record.settings["examples"] for one in runs] == [6, 6, 12, 12, 24, 24]
    folders = [kept_model(asked.results, one.record) for one in runs]
    before = [folder_digest(one) for one in folders]
    data = study.data(runs, asked)
    assert [folder_digest(one) for one in folders] == before
    assert shown(study, data, tmp_path) == shown(study, data, tmp_path)
    whole = data[data["kind"] == "cosine"]
    assert len(whole.groupby(["model", "rows_learnt"])) == 6
    for _, some in whole.groupby(["model", "rows_learnt"]):
        matrix = some.pivot(index="cluster", columns="other", values="value").to_numpy()
        assert matrix.shape == (8, 8)
        np.testing.assert_array_equal(matrix, matrix.T)
        np.testing.assert_array_equal(np.diagonal(matrix), np.ones(8))
        assert (np.abs(matrix) <= 1).all()
    shares = data[data["kind"].isin(["clusters", "random clusters"])]
    assert len(shares) == 24
    means = (shares["kind"] == "clusters") & (shares["figure"] == "mean cosine")
    assert shares.loc[means, "low"].isna().all()
    others = shares[~means]
    assert others["value"].between(others["low"], others["high"]).all()
    pairs = data[data["kind"] == "users"]
    assert set(pairs["which"]) == {"most alike", "most opposed"}
    assert pairs["history"].str.contains("Film").all()
    quick = study.cells(replace(asked, quick=True))
    assert [one.settings["examples"] for one in quick] == ["24", "24"]


def test_interference(here, tmp_path):
    study, asked, runs = runs_of("interference", here)
    assert len(runs) == 10
    data = study.data(runs, asked)
    assert shown(study, data, tmp_path) == shown(study, data, tmp_path)
    values = data[data["kind"] == "value"]
    assert set(values["tuned"]) == {"together", "alone"}
    together = values[(values["tuned"] == "together") & (values["model"] == "llara")]
    assert together["examples"].sum() == runs[0].record.examples
    whole = (together["value"] * together["examples"]).sum() / together["examples"].sum()
    assert whole == pytest.approx(runs[0].record.metrics["HitRatio@1"].value)
    assert data["p"].isna().all()
    told = {one.record.settings.get("cluster"): one.record.trained for one in runs[::2]}
    assert told[None].fit.get("tuned_on") is None
    rows = [told[f"{number}/4"].fit["tuned_on"]["users"] for number in range(1, 5)]
    assert rows == sorted(rows, reverse=True)
    assert sum(rows) == 48


def test_what_interference_cannot_be_asked_of_is_refused(here):
    study = load("studies", "interference")()
    with pytest.raises(UserError, match="tallrec cannot be tuned on a cluster alone; name llara"):
        study.cells(replace(here, models=("tallrec",)))


def test_differences_of_clusters_hold_at_once(made, here, monkeypatch):
    """With several seeds there are tests, for all clusters and models together."""
    monkeypatch.setattr(interference, "_of_test_rows", lambda *_: np.arange(7) % 2)
    hits = {None: [1, 0] * 6, "1/4": [0, 0] * 6, "2/4": [1, 1, 0, 0] * 3}
    runs = [
        made(
            [*some, seed % 2, 1 - seed % 2], model="llara", seed=seed, settings={"cluster": cluster}
        )
        for cluster, some in hits.items()
        for seed in range(3)
    ]
    data = load("studies", "interference")().data(runs, here)
    found = data[data["kind"] == "difference"]
    assert len(found) == 2
    rows = {row.record.settings["cluster"]: row for row in rows_of(runs)}
    both = [rows[one].system.only(np.arange(7) % 2 == 1) for one in (None, "2/4")]
    (alone,) = all_pairs(differences(both))
    point = found[found["cluster"] == 2].iloc[0]
    assert point["p"] == pytest.approx(min(1, 2 * alone.p))
    assert point["high"] - point["low"] > alone.high - alone.low


@pytest.mark.honesty
def test_a_share_of_opposed_pairs_is_held_by_what_is_shown():
    """Where all clusters want the same, noise makes cosines negative and shows nothing."""
    random = np.random.default_rng(0)
    clusters = np.repeat(np.arange(6), 20)
    same = random.normal(size=(120, 400)) + 0.02
    negative, _ = shown_signs(same @ same.T, clusters)
    assert (cosines(same @ same.T, clusters) < 0).any()
    assert negative == 0
    sides = np.where(clusters < 3, 1.0, -1.0)[:, None]
    apart = sides + random.normal(scale=0.1, size=(120, 4))
    assert shown_signs(apart @ apart.T, clusters) == (9 / 15, 6 / 15)
    assert shown_signs(apart[::20] @ apart[::20].T, np.arange(6)) == (0, 0)  # one user each


def test_the_doubt_of_an_unequal_pair_is_that_of_both():
    """By a loop: users of one, users of the other, and t of the smaller one."""
    random = np.random.default_rng(1)
    clusters = np.repeat([0, 1], [3, 9])
    seen = set()
    for shift in np.linspace(0, 2, 41):
        own = random.normal(size=(12, 2)) + shift
        found = own[:3] @ own[3:].T
        doubt = found.mean(1).var(ddof=1) / 3 + found.mean(0).var(ddof=1) / 9
        shown = found.mean() > stats.t.isf(0.025, 2) * np.sqrt(doubt)
        assert shown_signs(own @ own.T, clusters) == (0, int(shown))
        seen.add(bool(shown))
    assert seen == {False, True}


@pytest.mark.honesty
def test_clusters_stand_by_training_users_and_count_test_users(made, here, monkeypatch):
    monkeypatch.setattr(interference, "_of_test_rows", lambda *_: np.arange(8) // 6)
    runs = [
        made(
            [1, 0] * 8, model="llara", settings={"cluster": cluster}, users=[0, 0, 0, 0, 1, 2, 3, 4]
        )
        for cluster in (None, "1/4", "2/4")
    ]
    study = load("studies", "interference")()
    with styled():
        figure = drawn(study, study.data(runs, here))
    for axes in figure.axes:
        assert axes.get_xlabel() == "clusters by training users, the largest first\nn: test users"
        assert [one.get_text() for one in axes.get_xticklabels()] == ["1\nn=3", "2\nn=2"]


def test_gradients_of_several_seeds_are_points_of_their_own(made, monkeypatch, tmp_path):
    """Two groups of users that pull in opposite directions: clusters oppose, random ones do not."""
    which = np.arange(60) % 2
    pulls = np.where(which, 1.0, -1.0)[:, None] * np.ones(4) + 0.3

    def seen(run, label, asked):
        record, random = run.record, np.random.default_rng(run.record.seed)
        own = pulls + random.normal(scale=0.1, size=pulls.shape)
        known = record.model, label, record.seed, 24
        vectors = (which[:, None] + random.normal(scale=0.01, size=(60, 3))).astype(np.float32)
        return gradient_similarity.Seen(*known, own @ own.T, vectors, ("a",) * 60)

    monkeypatch.setattr(gradient_similarity, "_seen", seen)
    runs = [
        made([seed, 1], model=model, seed=seed, settings={"examples": 24})
        for model in ("llara", "ilora")
        for seed in range(2)
    ]
    study = load("studies", "gradient-similarity")()
    data = study.data(runs, Asked("movielens"))
    over = data[data["figure"] == "share of negative pairs"]
    assert sorted(over["seed"]) == [0, 0, 0, 0, 1, 1, 1, 1]
    clusters, floor = (over[over["kind"] == one] for one in ("clusters", "random clusters"))
    assert (clusters["value"] > 0.2).all()
    assert clusters["value"].mean() > floor["value"].mean()
    assert set(data.loc[data["kind"] == "cosine", "seed"]) == {0}
    opposed = data[data["which"] == "most opposed"]
    assert (opposed["value"] < -0.5).all()
    assert shown(study, data, tmp_path)


def test_a_line_over_training_is_of_one_seed():
    points = pd.DataFrame(
        [
            {"kind": kind, "model": "llara", "figure": name, "seed": seed, "rows_learnt": rows}
            for kind in ("clusters", "random clusters")
            for name in gradient_similarity.FIGURES
            for seed in (0, 1)
            for rows in (250, 500, 1000)
        ]
    ).assign(value=0.3, low=0.2, high=0.4)
    matrix = pd.DataFrame(
        [{"kind": "cosine", "model": "llara", "rows_learnt": 1000, "value": 1.0, "seed": 0}]
    ).assign(cluster=1, other=1)
    figure = load("studies", "gradient-similarity")().figure(pd.concat([points, matrix]))
    for axes in figure.axes[2:4]:
        lines = [one[0].get_xdata() for one in axes.containers]
        assert len(lines) == 4
        assert all((np.diff(line) > 0).all() for line in lines)
        assert len({line[0] for line in lines}) == 4  # no bar lies on another
    assert len(figure.legends[0].get_texts()) == 2


def test_parts_of_more_rows_than_there_are_are_one_training(made, monkeypatch, tmp_path):
    def seen(run, label, asked):
        random, record = np.random.default_rng(run.record.seed), run.record
        own, vectors = random.normal(size=(60, 4)), random.normal(size=(60, 3))
        learnt = min(record.settings["examples"], 12)
        known = record.model, label, record.seed, learnt
        return gradient_similarity.Seen(*known, own @ own.T, vectors, ("a",) * 60)

    monkeypatch.setattr(gradient_similarity, "_seen", seen)
    runs = [
        made([1, 1], model=model, settings={"examples": rows})
        for model in ("llara", "ilora")
        for rows in (6, 12, 24)
    ]
    study, said = load("studies", "gradient-similarity")(), []
    data = study.data(runs, Asked("movielens", report=said.append))
    assert sorted(set(data["rows_learnt"])) == [6, 12]
    assert shown(study, data, tmp_path)
    assert said == [
        "trainings on more than the 12 rows there are come to one point; with --set examples=12 "
        "each has its own"
    ]


def test_what_cannot_be_looked_at_on_the_way_is_refused_before_it_is_trained(monkeypatch):
    study, settings = load("studies", "gradient-similarity")(), {"examples": "none"}
    asked = Asked("movielens", models=study.models, settings=settings)
    with pytest.raises(UserError, match="give --set examples=N, of which parts are taken"):
        study.cells(asked)
    assert len(study.cells(replace(asked, quick=True))) == len(study.models)
    assert len(study.cells(replace(asked, settings={"examples": "8"}))) == 3 * len(study.models)
    monkeypatch.setattr(gradient_similarity, "at_hand", lambda _: None)
    assert study.cells(asked)  # of what cannot be had, each run says why


def test_attention_of_several_seeds_has_the_doubt_of_both(made, monkeypatch, tmp_path):
    def seen(run, asked):
        random = np.random.default_rng(run.record.seed)
        weights = random.dirichlet([1.0] * 4, size=20)
        half = np.arange(20) % 2
        return expert_attention.Seen(np.arange(20), weights, half, half * 1.0, half * 0.5)

    monkeypatch.setattr(expert_attention, "_seen", seen)
    runs = [made([seed % 2, 1], model="ilora", seed=seed) for seed in range(3)]
    study = load("studies", "expert-attention")()
    data = study.data(runs, Asked("movielens"))
    assert not any(axes.get_title() == "ilora" for axes in study.figure(data).axes)
    explained = data[data["kind"] == "the gate's share"].set_index("figure")
    assert explained["seeds"].tolist() == ["3", "3"]
    assert explained.loc["answers changed", "value"] == pytest.approx(0.5)
    assert explained.loc["share of likelihoods", "value"] == pytest.approx(0.25)
    assert set(data.loc[data["kind"] == "cluster", "seeds"]) == {"1 (this training)"}
    assert data.loc[data["kind"] == "weight", "user"].nunique() == 10
    assert shown(study, data, tmp_path)


def test_of_several_systems_the_one_whose_weights_are_drawn_is_named(made, monkeypatch):
    def seen(run, asked):
        weights = np.full((20, 4), 0.25)
        half = np.arange(20) % 2
        return expert_attention.Seen(np.arange(20), weights, half, half * 1.0, half * 0.5)

    monkeypatch.setattr(expert_attention, "_seen", seen)
    runs = [made([0, 1], model="ilora"), made([1, 1], model="lora-ensemble")]
    study = load("studies", "expert-attention")()
    data = study.data(runs, Asked("movielens"))
    assert list(dict.fromkeys(data["system"])) == ["ilora", "lora-ensemble"]  # as asked for
    assert [axes.get_title() for axes in study.figure(data).axes[:3]] == ["ilora"] * 3


def test_users_of_several_rows_are_shown_once(tmp_path):
    """As where a dataset's own protocol asks about users several times."""
    random = np.random.default_rng(0)
    users, nothing = np.repeat(np.arange(12), 3), np.zeros(36)
    weights = random.dirichlet([1.0] * 4, size=36)
    seen = expert_attention.Seen(users, weights, nothing.astype(int), nothing, nothing)
    data = frame(expert_attention._points("ilora", {0: seen}))
    shown_rows = data[data["kind"] == "weight"]
    assert shown_rows.groupby(["user", "expert"]).size().tolist() == [1] * 40
    assert shown(load("studies", "expert-attention")(), data, tmp_path)


def test_where_users_differ_the_same_are_shown_as_before():
    random = np.random.default_rng(0)
    nothing, weights = np.zeros(20), random.dirichlet([1.0] * 4, size=20)
    seen = expert_attention.Seen(np.arange(20), weights, nothing.astype(int), nothing, nothing)
    points = [one for one in expert_attention._single("ilora", seen) if one["kind"] == "weight"]
    expected = generator(0, "shown").permutation(20)[:10].tolist()
    assert list(dict.fromkeys(one["user"] for one in points)) == expected


def test_entropy_goes_from_one_expert_to_all_alike():
    def entropies(weights):
        nothing = np.zeros(len(weights))
        return expert_attention.Seen(
            nothing, np.array(weights), nothing, nothing, nothing
        ).entropies

    np.testing.assert_allclose(entropies([[1.0, 0.0], [0.5, 0.5]]), [0.0, 1.0])
    np.testing.assert_allclose(entropies([[1.0], [1.0]]), [1.0, 1.0])


def test_the_gates_share_of_likelihoods():
    """None where the gate moves nothing or all candidates alike, all where nothing else does."""
    own = np.array([[0.0, -1.0], [-5.0, -6.0], [0.0, -1.0], [0.0, -2.0]], dtype=np.float32)
    alike = np.array([[0.0, -1.0], [0.0, -1.0], [3.0, 3.0], [0.0, -1.0]], dtype=np.float32)
    np.testing.assert_allclose(expert_attention._share(own, alike), [0.0, 0.0, 1.0, 0.5])


def test_cosines_of_means_are_those_of_the_vectors():
    vectors = np.random.default_rng(0).normal(size=(7, 5))
    clusters = np.array([0, 1, 2, 0, 1, 2, 2])
    means = np.stack([vectors[clusters == one].mean(axis=0) for one in range(3)])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    found = cosines(vectors @ vectors.T, clusters)
    np.testing.assert_allclose(found, means @ means.T)
    nothing = cosines(np.zeros((3, 3)), np.arange(3))
    np.testing.assert_array_equal(nothing, np.eye(3))


def test_the_experiment_of_a_record_is_one_that_a_command_can_name(made):
    settings = {"targets": ["q_proj"], "rank": 8, "expert_ranks": [4, 2, 1, 1], "adapter": None}
    record = made([1, 0], model="ilora", settings=settings).record
    cell = _cell(record, Asked("movielens"))
    assert cell.settings == {"targets": "q_proj", "expert_ranks": "4,2,1,1"}
    assert build(cell).settings.record()["expert_ranks"] == [4, 2, 1, 1]


@pytest.mark.parametrize("llm", ["tiny", "smollm2", "some/model"])
@pytest.mark.parametrize("rate", [3e-5, 1e-3, 8e-4])
def test_the_experiment_of_a_record_keeps_a_rate_that_is_another_cards(made, llm, rate):
    record = made([1, 0], model="ilora", settings={"llm": llm, "learning_rate": rate}).record
    found = build(_cell(record, Asked("movielens"))).settings
    assert (found.llm, found.learning_rate) == (llm, rate)
