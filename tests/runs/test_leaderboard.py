import csv
import json
import re
from dataclasses import replace

import numpy as np
import pytest

from recbench.data.card import card
from recbench.errors import UserError
from recbench.runs.compare import compare
from recbench.runs.leaderboard import leaderboard, meant_by, rows_of
from recbench.runs.notes import notes
from recbench.runs.record_parts import Training
from recbench.runs.rendering import render, run_table

GOOD, BAD = [1] * 12, [1, 1] + [0] * 10


def labels(table):
    return [row.label for row in table.rows]


def test_rows_are_ranked_and_compared_with_the_best_other(made):
    runs = [made(BAD, model="b"), made(GOOD, model="a")]
    (table,) = leaderboard(runs)
    assert labels(table) == ["a", "b"]
    assert [row.to_best.value for row in table.rows] == pytest.approx([5 / 6, -5 / 6])
    assert [row.to_best.may_be_best for row in table.rows] == [True, False]
    assert leaderboard([]) == []
    (alone,) = leaderboard(runs[:1])
    assert alone.rows[0].to_best is None


def test_full_rankings_are_ordered_and_compared_by_the_first_ten(made):
    often_first, always_second = [1] * 3 + [99] * 17, [2] * 20
    runs = [
        made(full=True, ranks=often_first, model="first"),
        made(full=True, ranks=always_second, model="second"),
    ]
    (table,) = leaderboard(runs)
    assert labels(table) == ["second", "first"]
    assert table.rows[1].to_best.value == pytest.approx(3 / 20 - 1 / np.log2(3))
    header = next(line for line in render([table], "table").splitlines() if "seeds" in line)
    assert "NDCG@10 to the best other" in header
    assert json.loads(render([table], "json"))[0]["figure"] == "NDCG@10"


def test_full_rankings_of_few_items_are_ordered_by_the_first_place(made):
    ranks = {"first": [1, 9, 9, 1], "second": [2, 2, 2, 2]}
    runs = [made(full=True, ranks=one, items=10, model=name) for name, one in ranks.items()]
    (table,) = leaderboard(runs)
    assert labels(table) == ["first", "second"]
    text = render([table], "table")
    assert "Rows stand by HitRatio@1" in text
    assert "@10" not in text


def test_of_a_full_ranking_counts_what_its_rows_leave_to_rank(made):
    ranks = {"first": [1, 4, 4, 1], "second": [2, 2, 2, 2]}
    runs = [
        made(full=True, ranks=one, items=70, ranked=4, model=name) for name, one in ranks.items()
    ]
    (table,) = leaderboard(runs)
    assert labels(table) == ["first", "second"]  # NDCG@10 would rank them by all four places
    for form in ("table", "csv", "json"):
        text = render([table], form)
        assert ("@5" in text, "@10" in text) == (False, False)
    assert "HitRatio@3" in render([table], "csv")
    assert "@5" not in run_table(rows_of(runs[:1])[0])
    for refused in (lambda: leaderboard(runs, cutoffs=[4]), lambda: compare(runs, "HitRatio@4")):
        with pytest.raises(UserError, match="K must be from 1 to 3, not 4"):
            refused()


def test_the_first_k_of_k_candidates_are_not_reported(made):
    runs = [made(GOOD), made(GOOD, model="ilora", writes=True)]
    for form in ("table", "csv", "json"):
        text = render(leaderboard(runs), form)
        assert ("@5" in text, "@10" in text) == (False, False)
    assert "HitRatio@3" in render(leaderboard(runs), "csv")
    assert "HitRatio@5" in runs[0].record.metrics  # evidence stays as it is
    assert "@5" not in run_table(rows_of(runs[:1])[0])


@pytest.fixture
def seven(made):
    """Two models of nine candidates, one of which writes, and a full ranking."""
    shape = {"draws": 1, "candidates": 9, "ranks": [1, 2, 7, 8, 2, 7]}
    return [
        made(**shape),
        made(**shape, model="ilora", writes=True),
        made(full=True, ranks=[1, 20, 30], pack="all", protocol="paper,candidates=all"),
    ]


def test_own_k_are_worked_out_from_the_stored_ranks(seven):
    tables = leaderboard(seven, cutoffs=(7, 2))
    scored, written = tables[0].rows
    assert scored.estimates["HitRatio@7"].figure.value == pytest.approx(5 / 6)
    assert scored.estimates["HitRatio@7"].figure.low < 5 / 6
    assert "HitRatio@7" not in written.estimates
    assert written.estimates["HitRatio@7|likelihood"].figure.value == pytest.approx(5 / 6)
    text = render(tables, "table", (7, 2))
    header = next(line for line in text.splitlines() if line.startswith("model"))
    names = [name for name in header.split() if "@" in name]
    assert names[2:10] == [
        *("HitRatio@7", "HitRatio@7|likelihood", "NDCG@7", "NDCG@7|likelihood"),
        *("HitRatio@2", "HitRatio@2|likelihood", "NDCG@2", "NDCG@2|likelihood"),
    ]
    first = next(csv.DictReader(render(tables, "csv", (7, 2)).splitlines()))
    assert float(first["HitRatio@7"]) == pytest.approx(5 / 6)
    shown = json.loads(render(tables, "json", (7, 2)))[0]["rows"][0]["metrics"]
    assert shown["NDCG@7"]["n"] == 6


def test_a_k_is_shown_where_it_says_something_and_refused_where_it_nowhere_does(seven):
    few, many = leaderboard(seven, cutoffs=(30,))
    assert not any(name.endswith("@30") for row in few.rows for name in row.estimates)
    assert many.rows[0].estimates["HitRatio@30"].figure.value == 1
    with pytest.raises(UserError, match=r"^K must be from 1 to 98, not 99: among the first 99 of"):
        leaderboard(seven, cutoffs=(7, 99))
    with pytest.raises(UserError, match=r"^K must be from 1 to 8, not 9"):
        leaderboard(seven[:2], cutoffs=(9,))
    assert leaderboard([], cutoffs=(9,)) == []


@pytest.mark.honesty
def test_what_shows_two_of_many_may_not_show_one_of_two(made):
    """The rule knows how many rows there are: a lead that tells two apart does not tell fifteen."""
    lead, behind = [1] * 12 + [0] * 28, [1] * 2 + [0] * 38
    two = [made(lead, model="a"), made(behind, model="b")]
    many = [*two, *(made(behind, model=f"c{i:02}") for i in range(13))]
    beaten = next(row.to_best for row in leaderboard(two)[0].rows if row.label == "b")
    among = next(row.to_best for row in leaderboard(many)[0].rows if row.label == "b")
    assert beaten.low > among.low
    (table,) = leaderboard(many)
    assert "one-sided 0.00357 (0.05 over the other 14" in render([table], "table")


@pytest.mark.honesty
def test_one_run_counts_once(made, tmp_path):
    run = made(GOOD)
    again = made(GOOD, results=tmp_path / "elsewhere")
    with pytest.raises(UserError, match="are the same row and seed, which counts once"):
        leaderboard([run, again])


@pytest.mark.honesty
def test_a_single_training_is_said_to_be_one(made):
    runs = [
        made(GOOD, model="a"),
        *(made(BAD, model="b", seed=seed) for seed in range(3)),
        made(BAD, model="popularity", random_training=False),
    ]
    text = render(leaderboard(runs), "table")
    cells = {line.split("  ")[0]: line for line in text.splitlines() if "  " in line}
    assert "1 (this training)" in cells["a"]
    assert " 3 " in cells["b"]
    assert " any " in cells["popularity"]
    assert "a: a single training is judged, as it is: nothing is said of another seed" in text


@pytest.mark.honesty
@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        ({"trained_by": {"figure_version": 7}}, {}, "figure versions"),
        ({"trained_by": {"device": "cuda:0"}}, {}, "device kinds"),
        ({"trained_by": {"precision": "bfloat16"}}, {}, "precisions"),
        ({"asked_by": {"device": "cuda:0"}}, {"asked_by": {"device": "cpu"}}, "device kinds"),
        ({"asked_by": {"precision": "bfloat16"}}, {}, "precisions"),
        (
            {"trained_by": {"plugin": "other 1.0"}},
            {"trained_by": {"plugin": "other 1.1"}},
            "plug-in versions",
        ),
    ],
)
def test_a_row_whose_runs_were_not_computed_alike_is_marked(made, one, other, said):
    (table,) = leaderboard([made(GOOD, seed=0, **one), made(GOOD, seed=1, **other)])
    assert table.rows[0].mixed == said
    assert f"gru4rec: runs of several {said}" in render([table], "markdown")
    (table,) = leaderboard([made(GOOD, model="b", seed=0), made(GOOD, model="b", seed=1)])
    assert table.rows[0].mixed == ""


def test_the_version_of_recbench_alone_marks_no_row(made):
    by = [{"trained_by": {"plugin": f"recbench {version}"}} for version in ("0.1.0", "0.2.0")]
    (table,) = leaderboard([made(GOOD, seed=seed, **one) for seed, one in enumerate(by)])
    assert table.rows[0].mixed == ""


@pytest.mark.honesty
def test_a_run_that_was_not_audited_is_marked(made):
    audited, not_audited = made(GOOD, model="a"), made(GOOD, model="b", audit=None)
    text = render(leaderboard([audited, not_audited]), "table")
    assert "\nb: not audited\n" in text
    assert "a: not audited" not in text
    assert "not audited: no copy was asked again" in run_table(rows_of([not_audited])[0])


@pytest.mark.honesty
def test_what_only_writes_has_a_dash_for_every_rank(made):
    written = made(GOOD, model="endpoint", writes=True, only=True, audit=None)
    runs = [made(GOOD), made(BAD, model="ilora", writes=True), written]
    (table,) = leaderboard(runs, cutoffs=[2])
    row = next(row for row in table.rows if row.label == "endpoint")
    assert row.to_best is not None
    assert row.estimates.keys() == {
        *("HitRatio@1", "HitRatio@1|valid", "SharedTitleRatio", "ValidRatio"),
    }
    text = render([table], "table", [2])
    head, line = (
        next(one for one in text.splitlines() if one.startswith(name))
        for name in ("model", "endpoint  ")
    )
    cells = dict(zip(re.split("  +", head), re.split("  +", line), strict=False))
    names = ("HitRatio@2", "HitRatio@1|likelihood", "HitRatio@2|likelihood", "MRR|likelihood")
    assert {cells[name] for name in names} == {"-"}
    assert "endpoint: not audited" in text
    alone = render(leaderboard([written]), "table")
    assert "likelihood" not in alone
    assert "MRR" not in alone


def test_a_baseline_is_named_beforehand(made):
    runs = [made(GOOD, model="a"), made(BAD, model="b"), made(BAD, model="c")]
    (table,) = leaderboard(runs, baseline="b")
    assert table.baseline == "b"
    found = {row.label: row.to_baseline for row in table.rows}
    assert found["b"] is None
    assert [found[label].difference.value for label in "ac"] == pytest.approx([5 / 6, 0.0])
    (csv_a, *_) = csv.DictReader(render([table], "csv").splitlines())
    (as_json,) = json.loads(render([table], "json"))
    ends = [found["a"].low, found["a"].high]
    assert [float(csv_a[f"to_baseline {end}"]) for end in ("low", "high")] == ends
    assert [as_json["rows"][0]["to_baseline"][end] for end in ("low", "high")] == ends
    assert "HitRatio@1 to b" in render([table], "table")
    assert leaderboard(runs, baseline="sasrec")[0].baseline == ""


@pytest.mark.honesty
def test_every_user_once_where_users_have_several_rows(made):
    # One user has five rows, all right; another one, wrong: 5/6 of the rows, half of the users.
    (table,) = leaderboard([made([1] * 10 + [0, 0], users=[1, 1, 1, 1, 1, 2])])
    text = render([table], "table")
    assert "HitRatio@1, each user once" in text
    assert " 0.833 [" in text
    assert " 0.500 [" in text
    assert "each user once" not in render(leaderboard([made(GOOD)]), "table")
    assert "\nHitRatio@1, each user once: 0.500 [" in run_table(table.rows[0])


@pytest.mark.honesty
def test_no_two_rows_have_one_label(made):
    """A later setting that is None, or another split of what was learnt from elsewhere."""
    settings = [{"epochs": 3}, {"epochs": 3, "new": None}]
    learnt = [Training(dataset="lastfm", protocol="paper", split=one) for one in "ab"]
    for changes in ([{"settings": one} for one in settings], [{"training": one} for one in learnt]):
        hits = [GOOD, BAD]
        runs = [made(hit, model="m", **one) for hit, one in zip(hits, changes, strict=True)]
        (table,) = leaderboard(runs)
        assert len(set(labels(table))) == 2
        assert [row.to_best.value for row in table.rows] == pytest.approx([5 / 6, -5 / 6])


@pytest.mark.honesty
def test_a_table_says_what_is_impossible_to_tell(made):
    cells = [(model, seed) for model in range(8) for seed in range(2)]
    hits = np.random.default_rng(0).random((16, 8)) < 0.5
    runs = [made(hit, model=f"m{m}", seed=s) for hit, (m, s) in zip(hits, cells, strict=True)]
    assert "more than there is" in render(leaderboard(runs), "table")


def test_a_version_of_a_protocol_is_shown(made):
    (table,) = leaderboard([made(protocol="temporal", protocol_version=2)])
    assert "protocol temporal v2:" in render([table], "table")
    changed = made(full=True, ranks=[1, 2], protocol="temporal,candidates=all", protocol_version=2)
    assert "protocol temporal v2,candidates=all:" in render(leaderboard([changed]), "table")


def test_what_is_constant_by_construction_has_no_interval(made):
    (table,) = leaderboard([made(GOOD)])
    line = next(one for one in render([table], "table").splitlines() if one.startswith("gru4rec"))
    assert line.split()[4] == "1.000"
    assert line.split()[5] == "1.000"
    assert line.split()[6].startswith("[")  # the hit ratio is measured


@pytest.mark.parametrize(
    ("change", "apart"),
    [
        ({"pack": "other"}, "another candidate pack"),
        ({"split": "other"}, "another split"),
        ({"dataset_digest": "other"}, "another dataset digest"),
        ({"protocol": "next-item"}, ""),
        ({"dataset": "lastfm", "dataset_digest": "other"}, ""),
    ],
)
def test_other_questions_stand_in_other_tables(made, change, apart):
    first, second = leaderboard([made(model="a"), made(model="b", **change)])
    assert {first.apart, second.apart} == {"", apart}
    assert len(first.rows) == len(second.rows) == 1
    text = render([first, second], "markdown")
    assert (f"Not comparable with the table above: {apart}." in text) == bool(apart)


def test_seeds_are_averaged_only_inside_a_row(made):
    runs = [
        made(GOOD, seed=0),
        made(BAD, seed=1),
        made(BAD, seed=0, settings={"epochs": 4}),
        made(BAD, seed=0, matching="substring"),
    ]
    (table,) = leaderboard(runs)
    assert labels(table) == [
        "gru4rec (epochs=3, matching=exact)",
        "gru4rec (epochs=3, matching=substring)",
        "gru4rec (epochs=4, matching=exact)",
    ]
    averaged = table.rows[0].estimates["HitRatio@1"]
    assert averaged.figure.value == pytest.approx((1 + 1 / 6) / 2)
    assert averaged.seed_sd == pytest.approx(np.std([1, 1 / 6], ddof=1))
    assert [run.record.seed for run in table.rows[0].runs] == [0, 1]


def test_the_language_model_is_always_named(made):
    (table,) = leaderboard([made(model="ilora", writes=True, settings={"llm": "tiny", "rank": 8})])
    assert labels(table) == ["ilora (llm=tiny)"]


def test_a_label_means_its_row_whatever_stands_beside_it(made):
    def run(**changes):
        return made(model="ilora", writes=True, settings={"llm": "tiny", "rank": 8} | changes)

    usual, large, shuffled = (
        run(),
        run(rank=16),
        made(
            model="ilora",
            writes=True,
            settings={"llm": "tiny", "rank": 8},
            control="shuffled-history",
        ),
    )
    runs = [usual, large, shuffled]
    assert meant_by(runs, "ilora (llm=tiny, rank=8)") == [usual]
    assert meant_by(runs, "ilora (rank=16)") == [large]
    assert meant_by([usual, shuffled], "ilora (llm=tiny)") == [usual]
    control = "ilora (rank=8, control=shuffled-history)"
    assert meant_by(runs, control) == [shuffled]
    assert meant_by(runs, "ilora (rank=4)") == meant_by(runs, "sasrec (rank=8)") == []
    with pytest.raises(UserError, match=r"several rows .*tiny, rank=16\); .* name one"):
        meant_by(runs, "ilora (llm=tiny)")
    (table,) = leaderboard([usual, large], baseline="ilora (rank=16)")
    assert table.baseline == "ilora (llm=tiny, rank=16)"


def test_a_list_stands_in_a_label_as_it_is_set(made):
    runs = [made(model="ilora", settings={"expert_ranks": one}) for one in ([4, 2], [3, 3])]
    (table,) = leaderboard(runs)
    assert sorted(labels(table)) == ["ilora (expert_ranks=3,3)", "ilora (expert_ranks=4,2)"]
    assert meant_by(runs, "ilora (expert_ranks=4,2)") == runs[:1]


def test_less_training_data_is_always_named(made):
    less, whole = made(training=Training(fraction=0.1)), made(model="sasrec")
    (table,) = leaderboard([less, whole])
    assert labels(table) == ["gru4rec (train_fraction=0.1)", "sasrec"]


@pytest.mark.parametrize(
    ("examples", "label"),
    [(2000, "tallrec (llm=smollm2, examples=2000)"), (None, "tallrec (llm=smollm2)")],
)
def test_how_many_rows_a_language_model_saw_is_always_named(made, examples, label):
    """A part of them, also where a table has one row of the model; nothing where it saw all."""
    settings = {"llm": "smollm2", "examples": examples, "rank": 8}
    (table,) = leaderboard([made(model="tallrec", settings=settings), made(model="sasrec")])
    assert label in labels(table)


def test_a_row_says_what_its_tuning_has_seen_how_long_it_took_and_where(made):
    def tuned(run, rows, seconds):
        fit = {"curve": [{"rows": 512, "HitRatio@1": 0.1}, {"rows": rows, "HitRatio@1": 0.2}]}
        trained = run.record.trained.model_copy(update={"fit": fit, "seconds": seconds})
        return replace(run, record=run.record.model_copy(update={"trained": trained}))

    runs = [
        made([1, 1], model="sasrec"),
        tuned(made([1, 0], model="one"), 8000, 1800.0),
        *(tuned(made([0, seed], model="two", seed=seed), 600, 3600.0 + seed) for seed in (0, 36)),
    ]
    text = render(leaderboard(runs), "table")
    (line,) = [one for one in text.splitlines() if one.startswith("Examples seen in tuning: ")]
    hardware = runs[1].record.trained.provenance.device.hardware
    assert line.partition(": ")[2] == (
        f"one: 8,000 in 0.50 h on {hardware}; two: 600 in 1.00 h a training on {hardware}"
    )
    assert "Examples seen" not in render(leaderboard(runs[:1]), "table")


def test_where_a_model_learnt_is_always_named(made):
    training = Training(dataset="lastfm", protocol="paper", split="0123", refitted=("encoder x",))
    (table,) = leaderboard([made(training=training), made(model="sasrec")])
    assert labels(table) == ["gru4rec (train_dataset=lastfm)", "sasrec"]


def test_rows_that_differ_in_the_words_of_their_prompts_are_told_apart(made):
    runs = [
        made(training=Training(words=words)) for words in ("item/items, saw", "film/films, saw")
    ]
    (table,) = leaderboard(runs)
    assert labels(table) == [
        "gru4rec (train_words=film/films, saw)",
        "gru4rec (train_words=item/items, saw)",
    ]


def test_rows_that_differ_in_what_they_were_made_from_are_told_apart(made):
    digests = [f"{first}{'0' * 63}" for first in "ab"]
    runs = [made(ingredients={"llm": one, "encoder": {"layers": 2}}) for one in digests]
    (table,) = leaderboard(runs)
    assert labels(table) == [f"gru4rec (llm digest={one[:8]})" for one in digests]


def test_ingredients_that_follow_from_a_choice_are_not_named(made):
    """Another language model has another digest: to say so once is enough."""
    runs = [
        made(model="llara", settings={"llm": name}, ingredients={"llm": name[0] * 64})
        for name in ("small", "large")
    ]
    (table,) = leaderboard(runs)
    assert sorted(labels(table)) == ["llara (llm=large)", "llara (llm=small)"]


@pytest.fixture
def mixed(made):
    data = {"dataset_digest": card("movielens").digest}
    written = {"writes": True, "caption": "mechanism test", "settings": {"llm": "tiny"}}
    runs = [made(GOOD, model="gru4rec", **data), made(BAD, model="ilora", **written, **data)]
    return leaderboard(runs)


def test_the_terminal_table(mixed):
    text = render(mixed, "table")
    assert "movielens, protocol paper: 6 examples, 2 draws of 4 candidates, pack pack" in text
    assert "ilora (llm=tiny): mechanism test" in text
    header = next(line for line in text.splitlines() if line.startswith("model"))
    assert header.split() == [
        *("model", "seeds", "ValidRatio", "HitRatio@1", "HitRatio@1|likelihood"),
        *("MRR", "MRR|likelihood", "seed", "SD"),
        *("HitRatio@1", "to", "the", "best", "other", "may", "be", "best", "published"),
    ]
    scored = next(line for line in text.splitlines() if line.startswith("gru4rec"))
    # What a system cannot give is a dash: both likelihoods, and the spread of a single seed.
    assert scored.split().count("-") == 3
    one = mixed[0].rows[1].estimates["HitRatio@1"].figure
    assert f"{one.value:.3f} [{one.low:.3f}, {one.high:.3f}]" in text


def test_markdown_is_one_table_with_its_bars_escaped(mixed):
    lines = render(mixed, "markdown").splitlines()
    rows = [line for line in lines if line.startswith("|")]
    assert len(rows) == 4
    assert r"HitRatio@1\|likelihood" in rows[0]
    assert len({row.replace(r"\|", "").count("|") for row in rows}) == 1


def test_csv_and_json_hold_every_figure(mixed):
    header, *rows = csv.reader(render(mixed, "csv").splitlines())
    assert len(rows) == 2
    assert {len(row) for row in rows} == {len(header)}
    first = dict(zip(header, rows[0], strict=True))
    assert (first["model"], first["n"], first["HitRatio@1"]) == ("gru4rec", "6", "1.0")
    assert first["NDCG@3|likelihood"] == ""
    (table,) = json.loads(render(mixed, "json"))
    assert table["pack"] == "pack"
    assert [row["model"] for row in table["rows"]] == ["gru4rec", "ilora"]
    assert table["rows"][1]["caption"] == "mechanism test"
    figure = table["rows"][1]["metrics"]["HitRatio@1"]
    assert set(figure) == {"value", "low", "high", "n", "seed_sd", "se", "df"}
    assert table["rows"][1]["to_best"]["value"] < 0
    assert (first["draws"], first["seeds"], first["may_be_best"]) == ("2", "1", "True")
    assert float(first["to_best"]) == -table["rows"][1]["to_best"]["value"]
    assert (render([], "json"), render([], "table")) == ("[]", "")


@pytest.mark.honesty
@pytest.mark.parametrize("form", ["table", "markdown", "latex"])
def test_rows_that_were_left_out_are_counted(made, form):
    runs = [made(GOOD, model=model) for model in ("a", "b", "c", "d")]
    runs.append(made(GOOD, model="a", control="shuffled-history"))
    runs.append(made(GOOD, model="a", protocol="next-item"))
    (table,) = leaderboard(runs[:2], there=runs)
    said = "2 more rows were asked the same and left out here: with them as well"
    assert said in " ".join(render([table], form).split())
    (found,) = json.loads(render([table], "json"))
    assert found["rows_left_out"] == 2
    first = next(csv.DictReader(render([table], "csv").splitlines()))
    assert (first["compared rows"], first["rows left out"]) == ("2", "2")
    assert leaderboard(runs[:1], there=runs[:2])[0].unshown == 1
    assert "left out" not in render(leaderboard(runs[:4], there=runs), form)
    assert leaderboard(runs[:2])[0].unshown == 0


def test_csv_says_of_what_is_published_that_it_was_another_question(mixed):
    first, *_ = csv.DictReader(render(mixed, "csv").splitlines())
    assert first["published"]
    assert "It was not the same question" in first["published note"]


def test_the_closing_table_of_a_run(made):
    data = {"dataset_digest": card("movielens").digest}
    text = run_table(rows_of([made(writes=True, caption="mechanism test", **data)])[0])
    assert "movielens, protocol paper: 2 examples" in text
    assert "HitRatio@1|valid" in text
    assert "6 s in all" in text
    assert text.endswith("mechanism test")


@pytest.mark.honesty
def test_other_data_of_a_known_name_are_said_wherever_a_row_is_shown(made):
    said = "the data are not movielens as published: figures are not comparable with those of"
    runs = [made(GOOD, model="a"), made(BAD, model="b")]
    for form in ("table", "markdown", "csv", "json"):
        assert said in render(leaderboard(runs), form)
    assert f"a, b: {said}" in render(leaderboard(runs), "table")
    assert said in run_table(rows_of(runs)[0])
    own = made(GOOD, dataset="shop-of-mine")
    published = made(GOOD, model="c", dataset_digest=card("movielens").digest)
    for run in (own, published):  # what no card of ours pins is what its name says
        assert "not comparable" not in render(leaderboard([run]), "table")
        assert "not comparable" not in run_table(rows_of([run])[0])


@pytest.mark.honesty
def test_each_caption_of_a_row_is_shown_with_its_seeds(made):
    said = ["", "one teacher", "another", "one teacher"]
    runs = [made(GOOD, seed=seed, caption=caption) for seed, caption in enumerate(said)]
    text = render(leaderboard(runs), "table")
    assert "gru4rec: one teacher (seed 1, 3)\n" in text
    assert "gru4rec: another (seed 2)\n" in text
    text = render(leaderboard(runs[1::2]), "table")
    assert "gru4rec: one teacher\n" in text


@pytest.mark.parametrize("sign", ["\n", "\x1b[2J", "\u202e"])
def test_a_label_is_one_line_whatever_a_setting_says(made, sign):
    rows = [made(settings={"name": f"a{sign}sasrec  5  1.000"}), made(settings={f"b{sign}": 1})]
    (table,) = leaderboard(rows)
    assert all(row.label.isprintable() for row in table.rows)
    assert len({row.label for row in table.rows}) == 2


def test_a_control_is_a_row_of_its_own_and_never_the_best(made):
    runs = [made(BAD), made(GOOD, control="shuffled-history"), made(BAD, model="other")]
    (table,) = leaderboard(runs)
    assert labels(table) == ["gru4rec", "other", "gru4rec (control=shuffled-history)"]
    assert [row.to_best and row.to_best.may_be_best for row in table.rows] == [True, True, None]
    assert table.differences.value.shape == (2, 2)
    text = render([table], "table")
    assert "(control=shuffled-history): a control, not a result to rank: every history in a" in text
    found = json.loads(render([table], "json"))[0]["rows"]
    assert found[2]["to_best"] is None
    assert [row["control"] for row in found] == [None, None, "shuffled-history"]
    assert [bool(row["no_result"]) for row in found] == [False, False, True]


def test_a_control_is_compared_with_the_baseline_that_it_is_of(made):
    runs = [made(GOOD), made(BAD, control="shuffled-history")]
    (table,) = leaderboard(runs)
    assert table.differences is None
    (table,) = leaderboard(runs, baseline="gru4rec")
    assert table.baseline == "gru4rec"
    assert table.rows[1].to_baseline.difference.value == pytest.approx(-5 / 6)
    text = render([table], "table")
    assert "HitRatio@1 to gru4rec" in text
    assert "simultaneous 95% intervals" in text
    assert "may be best" not in text


def test_nothing_is_published_beside_a_control(made):
    shown = {"model": "sasrec", "draws": 1, "dataset_digest": card("movielens").digest}
    (table,) = leaderboard([made(**shown), made(**shown, control="shuffled-history")])
    found = json.loads(render([table], "json"))[0]["rows"]
    assert [bool(row["published"]) for row in found] == [True, False]


def test_the_first_rows_alone_stand_apart_and_are_no_result(made):
    few = {"pack": "few", "split": "few", "limit": 6}
    runs = [made(GOOD, **few), made(BAD, model="other", **few), made(GOOD)]
    whole, first = leaderboard(runs)
    assert labels(whole) == ["gru4rec"]
    assert labels(first) == ["gru4rec (first_rows=6)", "other (first_rows=6)"]
    assert first.apart == "another --limit"
    assert [row.to_best for row in first.rows] == [None, None]
    assert "not a result: the first 6 test rows alone were asked about" in render([first], "table")
    assert "not a result" in run_table(first.rows[0])


@pytest.mark.honesty
def test_a_row_of_which_one_run_was_not_audited_says_so(made):
    runs = [made(seed=0), made(seed=1, audit=None)]
    assert "not audited" in "\n".join(notes(rows_of(runs)))
    assert "not audited" not in "\n".join(notes(rows_of(runs[:1])))


def test_a_row_whose_runs_learnt_from_other_data_is_marked(made) -> None:
    one, other = made(GOOD, seed=0), made(GOOD, seed=1)
    learnt = other.record.trained.model_copy(update={"data": "other data"})
    other = replace(other, record=other.record.model_copy(update={"trained": learnt}))
    (table,) = leaderboard([one, other])
    assert table.rows[0].mixed == "digests of what was learnt from"
