"""Every study of ours on runs as they would stand on disk: its data, table and figure."""

import dataclasses
import re
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from killed_at_work import small_encoders
from scipy.stats import ttest_ind

from recbench.data.prepare import prepare
from recbench.errors import UserError
from recbench.models import recommender_class
from recbench.questions.fraction import with_fraction
from recbench.questions.make_split import make_split
from recbench.questions.protocols import protocol
from recbench.recommender import Runtime
from recbench.registry import listed, load
from recbench.runs.groups import grouped
from recbench.runs.leaderboard import leaderboard
from recbench.runs.record_parts import Memory, Training
from recbench.stages import build
from recbench.studies import expert_ranks
from recbench.studies.data_size import FRACTIONS
from recbench.studies.drawing import drawn, looks, save, styled
from recbench.studies.encoder import ENCODERS
from recbench.studies.expert_ranks import EQUAL, ranks_by
from recbench.studies.points import frame, question
from recbench.studies.study import Asked, Study, language_model
from recbench.testing.contract import toy_queries
from recbench.testing.toy import toy_split, toy_training_data
from recbench.testing.toy_lm import toy_llm

NAMES = [name for name in listed("studies") if issubclass(load("studies", name), Study)]
RIGHT, HALF = [1, 1] * 6, [1, 0] * 6
POINTS = [{"rows": 512, "HitRatio@1": 0.125}, {"rows": 600, "HitRatio@1": 0.25}]


@pytest.fixture
def runs(made):
    """Return a function that makes runs of three seeds each; the keys are those of `made`."""

    def make(*several):
        found = []
        for number, changes in enumerate(several):
            for seed in range(3):
                hits = [*(RIGHT if number % 2 else HALF), *[number % 2, seed % 2] * 4]
                found.append(made(hits, seed=seed, **changes))
        return found

    return make


def ilora(**settings):
    known = {"llm": "tiny", "rank": 8, "experts": 4, "expert_ranks": None, "encoder": "sasrec"}
    return {"model": "ilora", "settings": known | settings}


def llara(**settings):
    return {"model": "llara", "settings": {"llm": "tiny"} | settings}


def plain(model, **changes):
    return {"model": model} | changes


CASES = {
    "seeds": [llara(), ilora()],
    "experts": [ilora(experts=k, rank=rank) for rank in (8, 16) for k in (1, 2)],
    "candidates": [
        plain(model, protocol=protocol)
        for protocol in ("paper", "paper,candidates=30", "next-item")
        for model in ("a", "b", "c")
    ],
    "cold-start": [
        plain(model, protocol=protocol, target_count=[0] * 5 + [9] * 5)
        for protocol in ("paper", "temporal")
        for model in ("sasrec", "ease")
    ],
    "cost": [plain("popularity"), llara()],
    "data-size": [plain("sasrec", training=Training(fraction=part)) for part in (0.1, 0.5, 1.0)],
    "ensemble": [llara(), ilora(), plain("lora-ensemble", settings={"routing": "soft"})],
    "encoder": [plain("sasrec"), ilora(), plain("caser"), ilora(encoder="caser")],
    "expert-ranks": [ilora(), *(ilora(expert_ranks=one) for one in ([4, 2, 1, 1], [3, 2, 2, 1]))],
    "guidance": [ilora(), ilora(guidance="other-user"), ilora(guidance="prompt"), llara()],
    "cross-domain": [
        ilora() | {"dataset": a, "dataset_digest": a, "training": Training(dataset=b)}
        for a in ("movielens", "lastfm")
        for b in ("movielens", "lastfm")
    ],
    "backbone": [llara(), ilora(), llara(llm="big"), ilora(llm="big")],
}


LOOKING = ["expert-attention", "gradient-similarity", "interference"]
"""Those that load what a run has kept, or its data: `test_looking.py`."""


def test_every_study_has_a_case():
    assert set(CASES) | set(LOOKING) == set(NAMES)


@pytest.fixture
def usual_ranks(monkeypatch):
    """Spare the ranks by clusters their data."""
    monkeypatch.setattr(expert_ranks, "_by_clusters", lambda _: "3,2,2,1")


@pytest.mark.usefixtures("usual_ranks", "svg_alone")
@pytest.mark.parametrize("name", CASES)
def test_a_study_shows_its_runs(name, runs, tmp_path):
    study = load("studies", name)()
    asked = Asked("movielens", llms=("tiny", "big"), models=study.models)
    data = study.data(runs(*CASES[name]), asked)
    assert data["value"].notna().all()
    assert set(data["seeds"]) <= {"3", "several"}
    for markdown in (True, False):
        assert all(one in study.table(data, markdown) for one in data["system"])
    data.to_parquet(tmp_path / "data.parquet", index=False)
    again = pd.read_parquet(tmp_path / "data.parquet")
    for place, shown in (("first", data), ("second", again)):
        (tmp_path / place).mkdir()
        with styled():
            save(drawn(study, shown), tmp_path / place)
    first, second = ((tmp_path / place / "figure.svg").read_text() for place in ("first", "second"))
    assert first == second
    assert "<dc:date>" not in first


@pytest.mark.honesty
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("seeds", "by seeds alone is that of Student's t-test over trainings, without the doubt"),
        ("candidates", "The interval of Kendall's tau counts every pair of systems"),
        ("cost", "a dash: no file tells of any, which is not to say that there was none."),
        ("gradient-similarity", "is the middle 95% of 200 random partings of the same users."),
    ],
)
def test_what_a_column_means_otherwise_is_said_below_the_table(name, said):
    point = {"kind": "value", "system": "a", "figure": "f", "value": 0.5, "seeds": "2"}
    table = load("studies", name)().table(frame([point]))
    assert said in table.split("\n\n")[-1]


def test_cost_counts_the_trials_that_a_search_tells_of_and_leaves_out_others(runs, tmp_path):
    search = tmp_path / "search" / "movielens-paper.csv"
    search.parent.mkdir()
    search.write_text("model,settings\n" + 'llara,"{""llm"": ""tiny"", ""rank"": 1}"\n' * 2)
    asked = Asked("movielens", llms=("tiny",), results=tmp_path)
    data = load("studies", "cost")().data(runs(*CASES["cost"]), asked)
    trials = dict(zip(data["system"], data["trials"], strict=True))
    assert trials.pop("llara (llm=tiny)") == 1
    assert pd.isna([*trials.values()]).all()


@pytest.mark.parametrize("rates", [({}, {}), ({"learning_rate": 1e-4}, {"learning_rate": 1e-3})])
def test_backbone_compares_on_each_language_model(runs, rates):
    study = load("studies", "backbone")()
    small, big = rates  # where they are tuned otherwise, names among all say so
    cells = [made(**small) for made in (llara, ilora)]
    cells += [made(llm="big", **big) for made in (llara, ilora)]
    asked = Asked("movielens", llms=("tiny", "big"), models=study.models)
    data = study.data(runs(*cells), asked)
    assert set(data["system"]) | set(data["against"].dropna()) == set(
        data.loc[data["kind"] == "value", "system"]
    )
    gained = data[data["kind"] == "difference"]
    one = study.data(runs(*cells[:2]), dataclasses.replace(asked, llms=("tiny",)))
    alone = one[one["kind"] == "difference"].iloc[0]
    both = gained[gained["llm"] == "tiny"].iloc[0]
    assert both["p"] == min(1.0, 2 * alone["p"])  # one of two that are looked at
    assert both["high"] - both["low"] > alone["high"] - alone["low"]
    assert [one.replace("ilora", "llara") for one in gained["system"]] == [*gained["against"]]
    assert gained["against"].nunique() == 2
    with styled():
        figure = drawn(study, data)
    assert figure.axes[1].get_xlabel().endswith(" less llara's\nwith the same model")


def test_backbone_compares_with_the_first_of_the_models_that_are_named(runs):
    study = load("studies", "backbone")()
    third = plain("tallrec", settings={"llm": "tiny"})
    asked = Asked("movielens", llms=("tiny",), models=("ilora", "llara", "tallrec"))
    data = study.data(runs(llara(), ilora(), third), asked)
    gained = data[data["kind"] == "difference"]
    assert {one.partition(" ")[0] for one in gained["system"]} == {"llara", "tallrec"}
    assert {one.partition(" ")[0] for one in gained["against"]} == {"ilora"}
    with styled():
        figure = drawn(study, data)
    assert figure.axes[1].get_xlabel().endswith(" less ilora's\nwith the same model")


def test_a_language_model_with_settings_of_its_own_is_another(runs):
    study = load("studies", "backbone")()
    chat = "big:prompt_style=chat"
    asked = Asked("movielens", llms=("big", chat), models=study.models)
    cells = study.cells(asked)
    styles = [build(cell).settings.record()["prompt_style"] for cell in cells]
    assert styles == [None, None, "chat", "chat"]
    assert {cell.settings["llm"] for cell in cells} == {"big"}
    own = {"llm": "big", "prompt_style": "chat"}
    several = [llara(llm="big"), ilora(llm="big"), llara(**own), ilora(**own)]
    data = study.data(runs(*several), asked)
    for kind, count in (("value", 2), ("difference", 1)):
        found = data[data["kind"] == kind]
        assert found["llm"].value_counts().to_dict() == {"big": count, chat: count}
    of_chat = data[data["llm"] == chat]
    assert of_chat["system"].str.contains("prompt_style=chat").all()


@pytest.mark.parametrize(
    ("named", "read"),
    [
        ("tiny", ("tiny", {})),
        ("a:load_in=4bit:prompt_style=chat", ("a", {"load_in": "4bit", "prompt_style": "chat"})),
        ("C:/models/x=1:y", ("C:/models/x=1:y", {})),
    ],
)
def test_a_language_model_is_named_with_its_settings(named, read):
    assert language_model(named) == read


@pytest.mark.parametrize(
    ("name", "models", "said"),
    [
        ("backbone", ("llara", "sasrec"), "sasrec has no setting llm, by which this study goes"),
        ("guidance", ("llara", "ilora"), "llara has no setting guidance, by which this study goes"),
        ("experts", ("llara",), "llara has no setting experts, by which this study goes"),
        ("experts", ("ilora", "llara"), "this study takes one model; leave out --models"),
        ("expert-ranks", ("lora-ensemble",), "lora-ensemble has no setting expert_ranks"),
        ("ensemble", ("lora-ensemble", "ilora"), "name before it what both are compared with"),
    ],
)
def test_a_model_that_a_study_does_not_fit_is_refused_before_it_is_trained(name, models, said):
    with pytest.raises(UserError, match=said):
        load("studies", name)().cells(Asked("movielens", models=models))


@pytest.mark.parametrize(
    ("name", "models", "settings"),
    [
        ("experts", ("lora-ensemble",), {"rank": 8, "experts": 1}),
        ("guidance", ("lora-ensemble",), {"guidance": "sequence"}),
        ("ensemble", ("llara", "lora-ensemble"), {}),
        ("backbone", ("tallrec",), {}),
        ("cross-domain", ("llara", "tallrec"), {}),
    ],
)
def test_a_study_takes_the_models_that_fit_it(name, models, settings):
    asked = Asked("movielens", models=models, others=("lastfm",), llms=("big",))
    cells = load("studies", name)().cells(asked)
    assert tuple(dict.fromkeys(cell.model for cell in cells)) == models
    assert cells[0].settings == {"llm": "big"} | settings


def test_the_ensemble_is_compared_with_the_first_model(runs):
    study = load("studies", "ensemble")()
    cells = [llara(), *(plain("lora-ensemble", settings={"routing": r}) for r in ("soft", "top1"))]
    data = study.data(runs(*cells), Asked("movielens", models=("llara", "lora-ensemble")))
    assert set(data["against"].dropna()) == {"llara (llm=tiny)"}
    assert len(data[data["kind"] == "difference"]) == 2


def test_every_model_has_a_matrix_across_domains(runs):
    study = load("studies", "cross-domain")()
    others = [cell | {"model": "llara"} for cell in CASES["cross-domain"]]
    data = study.data(runs(*CASES["cross-domain"], *others), Asked("movielens"))
    with styled():
        figure = drawn(study, data)
    assert [one.get_title(loc="left") for one in figure.axes] == ["ilora", "llara"]
    assert [len(one.texts) for one in figure.axes] == [4, 4]


def test_across_domains_what_is_only_counted_may_be_of_one_dataset():
    study = load("studies", "cross-domain")()
    asked = Asked("movielens", models=("ilora",))
    with pytest.raises(UserError, match="name the others with --with"):
        study.cells(dataclasses.replace(asked, others=("movielens",)))
    (cell,) = study.cells(dataclasses.replace(asked, listing=True))
    assert (cell.dataset, cell.elsewhere) == ("movielens", None)


@pytest.mark.honesty
@pytest.mark.parametrize("device", [None, 3 << 30])
def test_cost_keeps_the_memory_of_host_and_gpu_apart(runs, device):
    found = []
    for run in runs(plain("popularity"), plain("sasrec")):
        gpu = device if run.record.model == "sasrec" else None
        memory = Memory(host=2 << 30, device=gpu)
        trained = run.record.trained.model_copy(update={"peak_memory": memory})
        record = run.record.model_copy(update={"trained": trained})
        found.append(dataclasses.replace(run, record=record))
    study = load("studies", "cost")()
    data = study.data(found, Asked("movielens")).set_index("system")
    assert data["memory_gib"].tolist() == [2.0, 2.0]
    assert pd.isna(data.loc["popularity", "gpu_memory_gib"])
    if device is None:
        assert "gpu_memory_gib" not in study.table(data.reset_index())
    else:
        assert data.loc["sasrec", "gpu_memory_gib"] == 3.0


@pytest.mark.parametrize("name", ["cost", "ensemble"])
def test_every_point_lies_within_the_axes(name, runs):
    study = load("studies", name)()
    data = study.data(runs(*CASES[name]), Asked("movielens", models=study.models))
    with styled():
        figure = drawn(study, data)
    figure.canvas.draw()
    for axes in figure.axes:
        whole = axes.transData + axes.transAxes.inverted()
        for line in axes.lines:
            for x, y in line.get_xydata():
                if not np.isnan(x):
                    place = whole.transform((x, y))[0]
                    assert 0.02 < place < 0.98, (axes.get_xlabel(), x)


@pytest.mark.usefixtures("usual_ranks")
@pytest.mark.parametrize("name", CASES)
def test_a_study_of_single_trainings_makes_no_test(name, runs):
    study = load("studies", name)()
    asked = Asked("movielens", llms=("tiny", "big"), models=study.models)
    single = [run for run in runs(*CASES[name]) if run.record.seed == 0]
    data = study.data(single, asked)
    assert data["p"].isna().all()
    with styled():
        said = drawn(study, data).get_suptitle()
    assert "of these trainings, without tests" in " ".join(said.split())


@pytest.mark.usefixtures("usual_ranks")
@pytest.mark.parametrize("name", CASES)
def test_one_system_alone_is_shown(name, runs):
    study = load("studies", name)()
    case = CASES[name][0]
    data = study.data(runs(case), Asked("movielens", llms=("tiny",), models=("a",)))
    with styled():
        shown = drawn(study, data)
    assert [axes for axes in shown.axes if axes.has_data()]
    lines = [one for one in study.table(data).splitlines() if case["model"] in one]
    assert any(re.search(r"\| 0\.\d{3} ", line) for line in lines)


def test_looks_are_all_different():
    found = [tuple(one.values()) for one in looks([str(i) for i in range(64)]).values()]
    assert len(set(found)) == 64


def test_drawing_leaves_matplotlib_as_it_was():
    import matplotlib

    before = dict(matplotlib.rcParams)
    with styled():
        assert matplotlib.rcParams["svg.hashsalt"] == "recbench"
    assert dict(matplotlib.rcParams) == before


def test_learning_curves_are_means_over_trainings(runs):
    found = []
    for run in runs(*CASES["experts"]):
        points = [{**one, "HitRatio@1": one["HitRatio@1"] + run.record.seed} for one in POINTS]
        trained = run.record.trained.model_copy(update={"fit": {"curve": points}})
        found.append(
            dataclasses.replace(run, record=run.record.model_copy(update={"trained": trained}))
        )
    study = load("studies", "experts")()
    data = study.data(found, Asked("movielens"))
    curve = data[data["kind"] == "learning curve"]
    assert curve["rows_learnt"].tolist() == [512, 600] * 4
    assert curve["value"].tolist() == [1.125, 1.25] * 4
    with styled():
        assert drawn(study, data).axes[1].lines


@pytest.mark.honesty
def test_seeds_alone_are_the_t_test_of_the_paper(made):
    hits = {"llara": ([1, 0] * 6, [1, 1] * 6), "ilora": ([0, 0] * 6, [1, 0] * 6)}
    found = [
        made([*one, 0, 1], model=model, seed=seed, settings={"llm": "tiny"})
        for model, both in hits.items()
        for seed, one in enumerate(both)
    ]
    data = load("studies", "seeds")().data(found, Asked("movielens"))
    tests = data[data["kind"] == "difference"].set_index("test")
    a, b = (7 / 14, 13 / 14), (1 / 14, 7 / 14)
    assert tests.loc["seeds alone", "p"] == pytest.approx(ttest_ind(a, b).pvalue)
    assert tests.loc["seeds alone", "value"] == tests.loc["users and seeds", "value"]


def test_less_data_is_a_part_of_more(raw_folder, tmp_path):
    dataset = prepare("movielens", tmp_path / "cache", raw_folder, lambda _: None)
    split = make_split(dataset, protocol("paper"))
    parts = [set(with_fraction(split, one).sequence_users.tolist()) for one in FRACTIONS]
    assert all(less < more for less, more in pairwise(parts))
    cells = load("studies", "data-size")().cells(Asked("movielens", models=("ilora",)))
    rows = [cell.settings["examples"] for cell in cells]
    assert rows == [round(one * rows[-1]) for one in FRACTIONS]


@pytest.mark.parametrize(
    ("llm", "settings", "rows"),
    [
        ("other", {}, [800, 2000, 4000, 6000, 8000]),
        ("other", {"examples": "100"}, [10, 25, 50, 75, 100]),
        ("other", {"examples": "none"}, [None] * 5),
        ("tiny", {}, [100, 250, 500, 750, 1000]),
    ],
)
def test_a_language_model_learns_from_its_share_of_rows(llm, settings, rows):
    asked = Asked("movielens", llms=(llm,), models=("ilora",), settings=settings)
    cells = load("studies", "data-size")().cells(asked)
    assert [build(cell).settings.record()["examples"] for cell in cells] == rows
    assert [cell.train_fraction for cell in cells] == list(FRACTIONS)


@pytest.mark.parametrize(("llms", "rows"), [(("other", "tiny"), 1000), (("other",), 8000)])
def test_language_models_that_are_compared_learn_from_as_many_rows(llms, rows):
    study = load("studies", "backbone")()
    cells = study.cells(Asked("movielens", llms=llms, models=study.models))
    assert {build(cell).settings.record()["examples"] for cell in cells} == {rows}


@pytest.mark.honesty
def test_cold_start_is_adjusted_for_all_groups_that_are_shown(runs):
    study = load("studies", "cold-start")()
    found = runs(*CASES["cold-start"])
    data = study.data(found, Asked("movielens", models=("sasrec",)))
    data = data.set_index(["question", "by", "group"])
    groups, shown = data.index.nunique(), data[data["kind"] == "difference"]
    looked_at = 0
    for table in grouped(leaderboard(found, "sasrec"), "target-count", "sasrec"):
        for group in (one for one in table.groups if one.examples):
            (pair,) = [row.to_baseline for row in group.rows if row.to_baseline is not None]
            own = shown.loc[(question(table.table), "target-count", group.name), "p"]
            assert own == pytest.approx(min(1.0, groups * pair.difference.p))
            looked_at += 1
    assert looked_at == groups == 4


def test_cold_start_asks_about_later_rows_what_is_quick():
    study = load("studies", "cold-start")()
    asked = Asked("movielens", models=study.models, seeds=2)
    found = [(cell.model, cell.draws) for cell in study.cells(asked) if cell.protocol == "temporal"]
    assert found == [(name, 1) for name in ("sasrec", "popularity", "ease") for _ in range(2)]
    own = [cell for cell in study.cells(asked) if cell.protocol is None]
    assert study.cells(dataclasses.replace(asked, quick=True)) == own
    knowing = Asked("ml-1m", models=("recbole:FPMC",))
    assert {cell.protocol for cell in study.cells(knowing)} == {None}
    assert {cell.model for cell in own} == set(study.models)


@pytest.mark.usefixtures("usual_ranks")
def test_settings_that_a_record_leaves_unsaid_are_the_usual_ones(runs, monkeypatch):
    kind = recommender_class("ilora").settings_class
    monkeypatch.setattr(kind, "added", kind.added | {"experts", "expert_ranks"})
    unsaid = {"model": "ilora", "settings": {"llm": "tiny", "rank": 8, "encoder": "sasrec"}}
    found = runs(unsaid, ilora(experts=2))
    data = load("studies", "experts")().data(found, Asked("movielens"))
    assert set(data["experts"]) == {2, 4}
    found = runs(unsaid, ilora(expert_ranks=[4, 2, 1, 1]))
    data = load("studies", "expert-ranks")().data(found, Asked("movielens", models=("ilora",)))
    assert set(data["ranks"]) == {"equal", "by hand"}


@pytest.mark.parametrize(
    ("models", "expected"),
    [
        (("caser",), ["caser", "ilora+caser"]),
        (("llara",), [f"{one}{end}" for end in ENCODERS for one in ("", "llara+")]),
        (("caser", "llara", "ilora"), ["caser", "llara+caser", "ilora+caser"]),
    ],
)
def test_models_with_an_encoder_are_guided_by_the_others(models, expected):
    cells = load("studies", "encoder")().cells(Asked("movielens", models=models))
    named = ["+".join(filter(None, [one.model, one.settings.get("encoder")])) for one in cells]
    assert named == expected


def test_what_several_models_make_of_an_encoder_is_told_apart(runs):
    study = load("studies", "encoder")()
    found = runs(plain("sasrec"), ilora(), llara(encoder="sasrec"))
    (axes,) = study.figure(study.data(found, Asked("movielens"))).axes
    labels = axes.get_legend_handles_labels()[1]
    assert set(labels) == {"equal", "ilora with sasrec", "llara with sasrec"}


@pytest.mark.honesty
def test_the_order_of_full_rankings_is_said_to_be_of_another_figure(made):
    found = [
        made(hits, model=model, seed=seed)
        for model, hits in (("a", HALF), ("b", RIGHT), ("c", [0, 1] * 6))
        for seed in range(2)
    ] + [
        made(model=model, seed=seed, full=True, ranks=ranks, protocol="paper,candidates=all")
        for model, ranks in (("a", [1, 30] * 3), ("b", [2, 3] * 3), ("c", [9, 9] * 3))
        for seed in range(2)
    ]
    study = load("studies", "candidates")()
    data = study.data(found, Asked("movielens", models=("a", "b", "c")))
    order = data[data["kind"] == "order"]
    assert order["by"].tolist() == ["NDCG@10"]
    with styled():
        (_, lower) = drawn(study, data).axes
    assert lower.get_title(loc="left") == (
        "Order of systems by HitRatio@1 and, of all items, by NDCG@10"
    )


@pytest.mark.parametrize(
    ("case", "fit", "seconds"),
    [
        (llara(encoder="sasrec"), {"seconds": 60.0}, 60.0),
        (llara(encoder="sasrec"), {}, 900.0),
        (plain("popularity"), {}, 900.0),
        (plain("morec"), {"seconds": 60.0}, 900.0),  # it reads titles before
        (plain("acme", settings={"encoder": "x"}), {"seconds": "soon"}, 900.0),
    ],
)
def test_cost_is_of_the_training_without_its_encoder(runs, case, fit, seconds):
    found = [
        dataclasses.replace(
            run,
            record=run.record.model_copy(
                update={
                    "trained": run.record.trained.model_copy(update={"seconds": 900.0, "fit": fit})
                }
            ),
        )
        for run in runs(case)
    ]
    data = load("studies", "cost")().data(found, Asked("movielens"))
    assert data["training_seconds"].tolist() == [seconds]


def test_every_guidance_is_compared_with_the_sequence_at_once(runs):
    asked = Asked("movielens", models=("ilora", "llara"))
    data = load("studies", "guidance")().data(runs(*CASES["guidance"]), asked)
    differences = data[data["kind"] == "difference"]
    assert set(differences["against"]) == {"ilora (llm=tiny)"}
    assert len(differences) == 3
    assert differences["p"].notna().all()


def test_ranks_go_by_the_sizes_of_clusters(raw_folder, tmp_path):
    assert ranks_by(np.array([40, 30, 20, 10]), 8) == [3, 2, 2, 1]
    assert ranks_by(np.array([97, 1, 1, 1]), 8) == [5, 1, 1, 1]
    assert ranks_by(np.array([5, 5, 5, 5]), 8) == [2, 2, 2, 2]
    assert ranks_by(np.array([1, 1, 1, 0]), 4) == [1, 1, 1, 1]
    study = load("studies", "expert-ranks")()
    here = Asked("movielens", models=study.models, data_dir=raw_folder, cache=tmp_path)
    *_, last = study.cells(here)
    ranks = [int(one) for one in last.settings["expert_ranks"].split(",")]
    assert sum(ranks) == 8
    assert ranks == sorted(ranks, reverse=True)
    *_, counted = study.cells(dataclasses.replace(here, data_dir=None, listing=True))
    assert counted.settings["expert_ranks"] == "3,2,2,1"


def test_ranks_by_clusters_do_not_download_data(tmp_path):
    with pytest.raises(UserError, match="recbench data prepare --dataset steam"):
        load("studies", "expert-ranks")().cells(Asked("steam", models=("ilora",), cache=tmp_path))


@pytest.mark.honesty
@pytest.mark.parametrize(
    ("clusters", "ways"),
    [
        ("3,2,2,1", {None: "equal", "4,2,1,1": "by hand", "3,2,2,1": "by clusters"}),
        ("4,2,1,1", {None: "equal", "4,2,1,1": "by hand and by clusters"}),
        ("2,2,2,2", {None: "equal and by clusters", "4,2,1,1": "by hand"}),
    ],
)
def test_ranks_that_clusters_come_to_are_said_to_be_by_clusters(runs, monkeypatch, clusters, ways):
    monkeypatch.setattr(expert_ranks, "_by_clusters", lambda _: clusters)
    study, asked = load("studies", "expert-ranks")(), Asked("movielens", models=("ilora",))
    assert not [cell for cell in study.cells(asked) if cell.settings.get("expert_ranks") == EQUAL]
    lists = [None if one is None else [int(rank) for rank in one.split(",")] for one in ways]
    data = study.data(runs(*(ilora(expert_ranks=one) for one in lists)), asked)
    values = data[data["kind"] == "value"]
    assert set(values["ranks"]) == set(ways.values())


@small_encoders()
def test_one_expert_is_one_lora(tmp_path):
    """Of one expert the gate is always 1: it answers as LLaRA does, which has none."""
    llm = toy_llm(tmp_path)
    settings = {"llm": str(llm), "examples": 32, "batch_size": 16, "curve_rows": 0}
    split, scores = toy_split(), []
    for model, own in (("llara", {}), ("ilora", {"experts": 1})):
        kind = recommender_class(model)
        made = kind(kind.settings_class.build(settings | own))
        runtime = Runtime(0, "cpu", tmp_path / model, tmp_path / "cache", lambda _: None, False)
        made.fit(toy_training_data(split), runtime.at(tmp_path / model))
        scores.append(made.score(toy_queries(split), runtime))
    np.testing.assert_allclose(*scores, atol=1e-5)
