"""Figures of others are shown where they are of the same model, dataset and protocol."""

import csv
import json
import tomllib
from importlib.resources import files

import pytest

from recbench.data.card import card, cards
from recbench.reproduction.paper import read_paper
from recbench.runs import published
from recbench.runs.leaderboard import leaderboard
from recbench.runs.record_parts import Training
from recbench.runs.rendering import render

GUIDED = {"llm": "tiny", "encoder": "sasrec"}
MOVIELENS = {"dataset_digest": card("movielens").digest}


def values(record, figure="HitRatio@1"):
    return [one.value for one in published.of(record, figure)]


@pytest.mark.parametrize(
    ("model", "settings", "dataset", "expected"),
    [
        ("llara", GUIDED, "movielens", [0.4526, 0.4421]),
        ("llara", {**GUIDED, "encoder": "gru4rec"}, "lastfm", [0.4918, 0.4344]),
        ("llara", {**GUIDED, "encoder": "caser"}, "steam", [0.4621, 0.4874]),
        ("llara", {**GUIDED, "encoder": "other"}, "steam", []),
        ("ilora", GUIDED, "movielens", [0.52747]),
        ("ilora", {**GUIDED, "encoder": "gru4rec"}, "movielens", []),
        ("tallrec", {"llm": "tiny"}, "steam", [0.4637]),
        ("sasrec", {"epochs": 3}, "movielens", [0.3444]),
        ("popularity", {}, "movielens", []),
        ("sasrec", {"epochs": 3}, "ml-1m", []),
    ],
)
def test_figures_are_of_the_model_with_its_encoder(made, model, settings, dataset, expected):
    pinned = card(dataset).digest if dataset in cards() else None
    record = made(
        model=model, settings=settings, dataset=dataset, dataset_digest=pinned or "any"
    ).record
    assert values(record) == expected


def test_beside_other_data_of_the_name_there_is_none(made):
    record = made(model="llara", settings=GUIDED, dataset_digest="of a user's folder").record
    assert published.of_other_data(record)
    assert values(record) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"protocol": "next-item"},
        {"protocol": "paper,candidates=30"},
        {"training": Training(fraction=0.1)},
        {"training": Training(dataset="lastfm", protocol="paper", split="0123")},
    ],
)
def test_of_another_question_there_is_none(made, changes):
    changes = MOVIELENS | changes
    record = made(model="llara", settings=GUIDED, **changes).record
    assert values(record) == []
    tables = leaderboard([made(model="llara", settings=GUIDED, seed=1, **changes)])
    assert "published" not in render(tables, "table")
    assert json.loads(render(tables, "json"))[0]["published_note"] == ""


def test_of_another_figure_there_is_none(made):
    record = made(model="sasrec", **MOVIELENS).record
    assert values(record)
    assert values(record, "HitRatio@5") == []


def test_every_format_has_them_with_their_source(made):
    guided = {"model": "llara", "settings": GUIDED, "writes": True}
    runs = [made(**one, **MOVIELENS) for one in (guided, {"model": "popularity"})]
    tables = leaderboard(runs)
    for form in ("table", "markdown"):
        text = render(tables, form)
        assert "0.453 (a), 0.442 (b)" in text
        assert "published: (a) LLaRA's repository, July 2024" in text
        assert "; (b) LLaRA's paper" in text
        assert "It was not the same question: " in text
        header = next(line for line in text.splitlines() if "seeds" in line)
        assert header.strip(" |").endswith("published")
    lines = csv.DictReader(render(tables, "csv").splitlines())
    found = {line["model"]: (line["published"], line["published in"]) for line in lines}
    guided = found.pop("llara (llm=tiny)")
    assert guided[0] == "0.4526; 0.4421"
    assert guided[1].startswith("LLaRA's repository, July 2024")
    assert "; LLaRA's paper" in guided[1]
    assert found == {"popularity": ("", "")}
    (table,) = json.loads(render(tables, "json"))
    rows = {row["model"]: row["published"] for row in table["rows"]}
    assert rows["popularity"] == []
    assert rows["llara"][0]["value"] == 0.4526
    assert rows["llara"][0]["source"].startswith("LLaRA's repository, July 2024")
    assert "not the same question" in table["published_note"]


def test_the_page_is_whole():
    page = tomllib.loads((files("recbench.runs") / "published.toml").read_text(encoding="utf-8"))
    named = {one["source"] for one in page["figures"]}
    named |= {cell.source for part in read_paper("ilora").parts for cell in part.cells}
    assert named - {""} == set(page["sources"])
    assert all(set(one["on"]) == {"movielens", "lastfm", "steam"} for one in page["figures"])
