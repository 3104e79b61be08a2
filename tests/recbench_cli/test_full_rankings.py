"""Language models that list no candidates rank the catalogue in one table with SASRec."""

import json

import pandas as pd
import pytest

from recbench.testing.toy_lm import toy_llm

SMALL = ("epochs=1", "embedding_dim=8", "batch_size=50")
TUNED = (
    *("examples=8", "batch_size=4", "micro_batch_size=4", "curve_rows=0", "targets=q_proj"),
    *("rank=2", "precision=float32"),
)
MODELS = {"sasrec": SMALL, "bigrec": TUNED, "constrained-beam": (*TUNED, "beams=4")}


@pytest.fixture
def ranked(call_here, raw_folder, tmp_path):
    """Run the three on the full rankings of one dataset."""
    llm = toy_llm(tmp_path / "llm")
    asked = ("--dataset", "movielens", "--protocol", "next-item", "--candidates", "all")
    for model, settings in MODELS.items():
        own = settings if model == "sasrec" else (*settings, f"llm={llm}")
        changes = [word for one in own for word in ("--set", one)]
        where = ("--data-dir", str(raw_folder), "--device", "cpu", "--no-audit")
        code, _, err = call_here("run", "--model", model, *asked, *where, *changes)
        assert code == 0, err
    return tmp_path / "results"


def test_they_stand_in_one_table_with_sasrec_and_are_verified(ranked, call_here, raw_folder):
    code, out, _ = call_here("leaderboard", "--format", "json")
    assert code == 0
    (table,) = json.loads(out)
    assert {row["model"] for row in table["rows"]} == set(MODELS)
    files = list(ranked.glob("*/*/*/*/record.json"))
    records = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    assert {one["model"] for one in records} == set(MODELS)
    assert len({(one["examples"], one["digests"]["split"]) for one in records}) == 1
    rows = [pd.read_parquet(file.with_name("examples.parquet")) for file in files]
    for other in rows[1:]:  # the same questions, in the same order
        for column in ("example", "user", "target_count", "history_length"):
            pd.testing.assert_series_equal(rows[0][column], other[column])
    code, out, err = call_here("verify", str(ranked), "--data-dir", str(raw_folder))
    assert code == 0, out + err
