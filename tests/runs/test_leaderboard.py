import csv
import json

import numpy as np
import pytest

from recbench.runs.leaderboard import leaderboard
from recbench.runs.record import Training
from recbench.runs.rendering import render, run_table

GOOD, BAD = [1] * 12, [1, 1] + [0] * 10


def labels(table):
    return [row.label for row in table.rows]


def test_rows_are_ranked_and_compared_with_the_first(made):
    runs = [made(BAD, model="b"), made(GOOD, model="a")]
    (table,) = leaderboard(runs)
    assert labels(table) == ["a", "b"]
    assert table.rows[0].to_best is None
    assert table.rows[1].to_best.value == pytest.approx(-5 / 6)
    assert leaderboard([]) == []


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
    assert header.split()[-4:] == ["NDCG@10", "to", "first", "p"]
    assert json.loads(render([table], "json"))[0]["figure"] == "NDCG@10"


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
    averaged = table.rows[0].metrics["HitRatio@1"]
    one, other = runs[0].record.metrics["HitRatio@1"], runs[1].record.metrics["HitRatio@1"]
    assert averaged.value == pytest.approx((1 + 1 / 6) / 2)
    assert averaged.low == pytest.approx((one.low + other.low) / 2)
    assert averaged.high == pytest.approx((one.high + other.high) / 2)
    assert [run.record.seed for run in table.rows[0].runs] == [0, 1]


def test_the_language_model_is_always_named(made):
    (table,) = leaderboard([made(model="ilora", writes=True, settings={"llm": "tiny", "rank": 8})])
    assert labels(table) == ["ilora (llm=tiny)"]


def test_less_training_data_is_always_named(made):
    less, whole = made(training=Training(fraction=0.1)), made(model="sasrec")
    (table,) = leaderboard([less, whole])
    assert labels(table) == ["gru4rec (train_fraction=0.1)", "sasrec"]


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


def test_figures_stand_without_their_examples(made):
    runs = [made(GOOD, model="a"), made(BAD, model="b")]
    (runs[1].folder / "examples.parquet").unlink()
    (table,) = leaderboard(runs)
    assert table.rows[1].to_best is None
    lacking = next(line for line in render([table], "table").splitlines() if line.startswith("b "))
    assert lacking.split()[-2:] == ["-", "-"]  # the difference to the first row, and its p


@pytest.mark.parametrize("broken", [0, 1], ids=["the first row's", "a later row's"])
def test_figures_stand_with_damaged_examples(made, broken):
    runs = [made(GOOD, model="a"), made(BAD, model="b"), made(BAD, model="c")]
    path = runs[broken].folder / "examples.parquet"
    path.write_bytes(path.read_bytes()[:50])
    (table,) = leaderboard(runs)
    assert labels(table) == ["a", "b", "c"]
    lacking = [row.label for row in table.rows if row.damage]
    assert lacking == (["b", "c"] if broken == 0 else ["b"])
    assert all(str(path) in row.damage for row in table.rows if row.damage)
    assert [row.to_best is None for row in table.rows[1:]] == [True, broken == 0]


@pytest.fixture
def mixed(made):
    runs = [
        made(GOOD, model="gru4rec"),
        made(BAD, model="ilora", writes=True, caption="mechanism test", settings={"llm": "tiny"}),
    ]
    return leaderboard(runs)


def test_the_terminal_table(mixed):
    text = render(mixed, "table")
    assert "movielens, protocol paper: 6 examples, 2 draws of 4 candidates, pack pack" in text
    assert "ilora (llm=tiny): mechanism test" in text
    header = next(line for line in text.splitlines() if line.startswith("model"))
    assert header.split() == [
        *("model", "seeds", "ValidRatio", "HitRatio@1", "HitRatio@1|likelihood"),
        *("MRR", "MRR|likelihood", "HitRatio@1", "to", "first", "p"),
    ]
    scored = next(line for line in text.splitlines() if line.startswith("gru4rec"))
    # What a system cannot give is a dash: both likelihoods, and the difference to itself.
    assert scored.split().count("-") == 4
    one = mixed[0].rows[1].metrics["HitRatio@1"]
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
    assert first["NDCG@5|likelihood"] == ""
    (table,) = json.loads(render(mixed, "json"))
    assert table["pack"] == "pack"
    assert [row["model"] for row in table["rows"]] == ["gru4rec", "ilora"]
    assert table["rows"][1]["caption"] == "mechanism test"
    assert set(table["rows"][1]["metrics"]["HitRatio@1"]) == {"value", "low", "high", "n"}
    assert table["rows"][1]["to_first"]["p"] < 0.2
    assert (render([], "json"), render([], "table")) == ("[]", "")


def test_the_closing_table_of_a_run(made):
    text = run_table(made(writes=True, caption="mechanism test").record)
    assert "gru4rec on movielens, protocol paper: 2 examples" in text
    assert "HitRatio@1|valid" in text
    assert "6 s in all" in text
    assert text.endswith("mechanism test")
