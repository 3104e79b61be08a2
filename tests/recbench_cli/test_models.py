"""`recbench models`: the list, and what one model can be told."""

import json
import re
from typing import Any

import pytest

from recbench.models import recommender_class
from recbench_cli.parsing import settings_of


def test_language_models_are_listed_with_how_they_are_tuned(call):
    code, out, _ = call("models", "--llms")
    assert code == 0
    card = out.partition("smollm2: ")[2].partition("  licence: ")[0]
    assert "chat prompts\n  tuned with LoRA by: learning_rate=0.001  batch_size=16\n" in card
    _, page, _ = call("models", "--llms", "--format", "json")
    tiny = {"learning_rate": 3e-5, "batch_size": None, "examples": 1000}
    assert json.loads(page)["tiny"]["lora"] == tiny


def test_the_list_in_json(call):
    code, out, err = call("models", "--format", "json")
    assert (code, err) == (0, "")
    ours = {"class": "recbench_baselines.ilora:ILoRA", "package": "recbench"}
    assert json.loads(out)["ilora"] == ours


def test_a_model_is_explained(call):
    code, out, err = call("models", "ilora")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith("ilora: LLaRA with instance-wise LoRA experts")
    assert lines[1] == "Kong et al., NeurIPS 2024, arXiv 2408.10159"
    at = lines.index("  experts=4")
    assert (
        lines[at + 1] == "      K: how many, inside the one rank and equal unless said otherwise."
    )
    assert "  rank16: rank=16" in lines


@pytest.mark.parametrize("name", ["caser", "ilora", "tallrec"])
def test_what_is_printed_can_be_set(call, name):
    _, out, _ = call("models", name)
    lines = [line for line in out.splitlines() if re.match(r"  \w+=", line)]
    pairs = [pair for line in lines for pair in line.split()]
    settings = recommender_class(name).settings_class
    assert len(pairs) == len(settings.model_fields)
    assert settings.build(settings_of(pairs, None)) == settings()


def test_a_model_is_explained_in_json(call):
    _, out, _ = call("models", "caser", "--format", "json")
    page: dict[str, Any] = json.loads(out)
    assert page["model"] == "caser"
    assert page["reference"] == "Tang and Wang, WSDM 2018, arXiv 1809.07426"
    settings = {one["name"]: one["default"] for one in page["settings"]}
    assert settings == recommender_class("caser").settings_class().record()
    assert all(one["meaning"] for one in page["settings"])


def test_a_model_without_settings_has_none_to_explain(call):
    code, out, _ = call("models", "popularity")
    assert code == 0
    assert out.count("\n") == 2


def test_a_typo_gets_the_nearest_model(call):
    assert call("models", "ilroa") == (
        2,
        "",
        "error: unknown model 'ilroa'; did you mean 'ilora'?\n",
    )


def test_a_family_lists_its_models_and_what_is_left_out(call):
    code, out, err = call("models", "recbole")
    assert (code, err) == (0, "")
    assert out.startswith("recbole: sequential recommenders of RecBole 1.2.1")
    assert "\nmodels (recbole:MODEL):\n  BERT4Rec, " in out
    assert "a knowledge graph about the items is needed" in " ".join(out.split())
    page = json.loads(call("models", "recbole", "--format", "json")[1])
    assert "NARM" in page["models"]
    assert page["left_out"]["S3Rec"].startswith("features of items are needed")


def test_one_that_is_left_out_is_refused_with_the_reason(call):
    code, out, err = call("models", "recbole:ksr")
    assert (code, out) == (2, "")
    assert err.startswith("error: recbole:KSR cannot be run: a knowledge graph about the items")
