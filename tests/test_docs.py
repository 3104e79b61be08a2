"""What the documentation says that the code must bear out."""

import re
import tomllib
from inspect import signature
from pathlib import Path
from statistics import fmean
from textwrap import dedent
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from recbench.by_hand.loaded_run import LoadedRun
from recbench.by_hand.loading import load_run
from recbench.by_hand.recommendation import Ranked
from recbench.data.card import RawFiles
from recbench.data.readers import READERS
from recbench.data.readers.columns import Columns
from recbench.outside.about import Maker, read_maker
from recbench.outside.formats import FORMATS
from recbench.runs.record import documentation
from recbench.runs.store import read_record
from recbench_cli.recommend import recommend as recommend_command

DOCS = Path(__file__).parents[1] / "docs"


def blocks(page: str, language: str) -> list[str]:
    text = (DOCS / page).read_text(encoding="utf-8")
    return [dedent(block) for block in re.findall(rf" *```{language}\n(.*?)```", text, re.DOTALL)]


def test_the_fields_of_the_record_are_those_of_the_code():
    """If not: build the documentation, or write `documentation()` there."""
    assert (DOCS / "_record_fields.md").read_text(encoding="utf-8") == documentation()


def test_the_page_on_records_leads_to_them():
    assert "_record_fields.md" in (DOCS / "records.md").read_text(encoding="utf-8")


def test_the_files_of_a_card_of_ones_own_are_as_the_page_says():
    (read,) = [tomllib.loads(one) for one in blocks("extending.md", "toml") if "[formats" in one]
    for name, files in read["formats"].items():
        assert name in READERS
        assert Columns(**RawFiles.model_validate(files).columns).title == "title"


def test_what_a_maker_may_say_is_what_the_page_says(tmp_path):
    (text,) = blocks("outside.md", "toml")
    (tmp_path / "about.toml").write_text(text, encoding="utf-8")
    assert read_maker(tmp_path / "about.toml").model_fields_set == set(Maker.model_fields)


def test_the_page_on_answers_names_every_format():
    page = (DOCS / "outside.md").read_text(encoding="utf-8")
    assert all(f"**`{name}`**" in page for name in FORMATS if name != "plain")


def test_the_entry_points_of_the_page_are_doors():
    ours = tomllib.loads((DOCS.parent / "pyproject.toml").read_text(encoding="utf-8"))
    pages = [*blocks("extending.md", "toml"), *blocks("protocols.md", "toml")]
    named = {door for page in pages for door in entry_points(tomllib.loads(page))}
    assert named == {door for door in entry_points(ours) if door.startswith("recbench.")}


def entry_points(read: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = read.get("project", {}).get("entry-points", {})
    return found


def test_the_metric_of_the_page_gives_what_it_says():
    (code,) = [one for one in blocks("extending.md", "python") if "Metric" in one]
    made: dict[str, Any] = {}
    exec(code, made)
    ranks = np.array([1, 2, 3], dtype=np.int32)
    sampled = SimpleNamespace(scores=np.zeros((3, 4)), rank=ranks)
    (values,) = made["TopHalf"]().values(sampled).values()
    assert values.tolist() == [1.0, 1.0, 0.0]
    assert made["TopHalf"]().values(SimpleNamespace(scores=None, rank=ranks)) == {}


WORDS = ("encoder", "gate", "expert", "LoRA", "adapter", "projector", "control", "preset", "card")
"""Of the README and the pages behind it, which a newcomer cannot know."""


def test_the_page_of_terms_explains_what_a_newcomer_meets():
    lines = (DOCS / "terms.md").read_text(encoding="utf-8").splitlines()
    explained = {one.strip() for line in lines for one in line.split("|")[1:2]}
    assert set(WORDS) <= explained
    assert "docs/terms.md" in (DOCS.parent / "README.md").read_text(encoding="utf-8")


@pytest.mark.honesty
def test_which_published_runs_have_no_weights_of_experts_is_what_the_page_says():
    page = " ".join((DOCS / "records.md").read_text(encoding="utf-8").split())
    assert (
        "of the published runs of `ilora` the one after 8,000 rows of `tiny` and the one with "
        "SmolLM2 were made before these were kept"
    ) in page
    without = []
    for file in (DOCS.parent / "results").glob("*/*/ilora/*/examples.parquet"):
        if "expert_weights" not in pq.read_schema(file).names:
            settings = read_record(file.parent).settings
            without.append((settings["llm"], settings["examples"]))
    assert sorted(without) == [("smollm2", 2000), ("tiny", 8000)]


def cost_of(model: str, rows: int | None = None) -> tuple[str, str, list[str]]:
    """Return mean seconds of tuning and GiB as written, and in what each training computed."""
    folder = DOCS.parent / "results" / "movielens" / "paper" / model
    records = [read_record(one) for one in folder.iterdir()]
    found = [one for one in records if one.settings.get("examples") == rows]
    seconds = fmean(one.training_seconds for one in found)
    memory = fmean(one.trained.peak_memory.host for one in found) / 2**30
    precisions = [one.trained.provenance.precision for one in found]
    return f"{seconds:,.0f} s", f"{memory:.2f} GiB".removeprefix("0"), precisions


@pytest.mark.honesty
def test_what_language_models_cost_is_that_of_their_records() -> None:
    page = " ".join((DOCS / "studies.md").read_text(encoding="utf-8").split())
    seconds, memory, _ = cost_of("sasrec")
    assert f"where SASRec takes {seconds} and {memory}" in page
    for model, name in (("ilora", "iLoRA takes"), ("llara", "LLaRA")):
        seconds, memory, precisions = cost_of(model, 1000)
        assert f"{name} {seconds} and {memory}" in page
        assert precisions == ["float32"] * 5
        seconds, memory, precisions = cost_of(model, 8000)
        assert f"{name} {seconds} and {memory}" in page
        assert precisions == ["bfloat16"]


def test_the_page_on_recommending_by_hand_is_of_the_code(monkeypatch):
    (code,) = blocks("recommend.md", "python")
    asked: list[Any] = []
    found = SimpleNamespace(items=[SimpleNamespace(title="a", score=0.5)])

    def loaded(path: str) -> Any:
        asked.append(signature(load_run).bind(path))
        recommend = signature(LoadedRun.recommend)
        return SimpleNamespace(
            recommend=lambda *words, **how: (
                asked.append(recommend.bind(None, *words, **how)) or found
            )
        )

    monkeypatch.setattr("recbench.by_hand.loading.load_run", loaded)
    exec(code, {})
    assert len(asked) == 2
    assert {"title", "score"} <= set(Ranked.model_fields)
    page = (DOCS / "recommend.md").read_text(encoding="utf-8")
    parameters = set(signature(recommend_command).parameters)
    named = {"set": "changes"}
    options = {named.get(one, one) for one in re.findall("(?<=--)[a-z]+", page)}
    assert options - {"model", "dataset", "results", "format"} <= parameters
