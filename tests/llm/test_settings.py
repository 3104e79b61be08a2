from pathlib import Path
from typing import Any

import pytest
from recbench_baselines.bigrec import BIGRecSettings
from recbench_baselines.ilora import ILoRASettings
from recbench_baselines.lora_ensemble import LoRAEnsembleSettings
from recbench_baselines.prefixrec import PrefixRecSettings
from recbench_baselines.tallrec import TALLRec, TALLRecSettings

from recbench.errors import UserError
from recbench.llm.settings import ALL_LINEAR, HybridSettings, LanguageModelSettings
from recbench.settings import Settings


@pytest.mark.parametrize(
    ("values", "style", "named"),
    [
        ({}, "plain", {}),
        ({"prompt_style": "plain"}, "plain", {}),
        ({"prompt_style": "chat"}, "chat", {"prompt_style": "chat"}),
        ({"llm": "smollm2"}, "chat", {}),
        ({"llm": "smollm2", "prompt_style": "chat"}, "chat", {}),
        ({"llm": "smollm2", "prompt_style": "plain"}, "plain", {"prompt_style": "plain"}),
        ({"llm": "gemma3-270m"}, "plain", {}),
        ({"llm": "some/model", "prompt_style": "none"}, "plain", {}),
        ({"llm": "some/model", "prompt_style": "plain"}, "plain", {}),
    ],
)
def test_the_style_is_the_cards_and_what_is_otherwise_names_a_row(
    values: dict[str, str], style: str, named: dict[str, str]
) -> None:
    settings = LanguageModelSettings.build(values)
    assert settings.style == style
    identity = settings.identity()
    assert {key: identity[key] for key in ("prompt_style",) if key in identity} == named
    again = LanguageModelSettings.build(identity)
    assert (again.style, again.identity()) == (style, identity)
    assert LanguageModelSettings.build(settings.record()) == settings


RATES = {
    "tiny": {"learning_rate": 3e-5, "batch_size": 64, "examples": 1000},
    "smollm2": {"learning_rate": 1e-3, "batch_size": 16, "examples": 8000},
    "some/model": {"learning_rate": 8e-4, "batch_size": 64, "examples": 8000},
}


@pytest.mark.parametrize("llm", RATES)
def test_a_card_says_how_its_model_is_tuned_where_nobody_else_does(llm: str) -> None:
    def rates(values: dict[str, Any], preset: str | None = None) -> dict[str, Any]:
        record = LanguageModelSettings.build({"llm": llm, **values}, preset).record()
        return {name: record[name] for name in RATES[llm]}

    assert rates({}) == RATES[llm]
    assert rates({"batch_size": "32"}) == RATES[llm] | {"batch_size": 32}
    assert rates({}, "paper") == {"learning_rate": 8e-4, "batch_size": 128, "examples": None}
    assert LanguageModelSettings.defaults(llm=llm) == LanguageModelSettings(llm=llm).record()
    # A prefix is no LoRA: it has a rate and batches of its own.
    usual = PrefixRecSettings.build({"llm": llm})
    assert (usual.batch_size, usual.examples) == (64, RATES[llm]["examples"])
    prefixes = {PrefixRecSettings.build({"llm": one}).learning_rate for one in RATES}
    assert prefixes == {PrefixRecSettings.build({}).learning_rate}


def test_a_record_from_when_a_preset_set_what_an_adapter_has_is_read() -> None:
    record = LanguageModelSettings.build({}, "paper").record() | {"adapter": "tuned", "peft": None}
    with pytest.raises(UserError, match="has its own; leave out dropout"):
        LanguageModelSettings.build(record)
    read = LanguageModelSettings.build(LanguageModelSettings.as_recorded(record))
    assert (read.adapter, read.dropout, read.learning_rate) == ("tuned", 0.0, 8e-4)
    plain = record | {"adapter": None}
    assert LanguageModelSettings.as_recorded(plain) == plain


class NeedsOne(LanguageModelSettings):
    needed: int


class SlowRate(LanguageModelSettings):
    learning_rate: float = 1e-4


def test_settings_of_a_plugin_are_built_upon() -> None:
    assert "needed" not in NeedsOne.defaults()
    built = NeedsOne.build({"needed": 3, "llm": "smollm2"})
    assert built.identity()["needed"] == 3
    assert (built.learning_rate, built.batch_size) == (1e-3, 16)
    # A default of its own is of what it learns, and no language model's.
    assert {SlowRate.build({"llm": llm}).learning_rate for llm in RATES} == {1e-4}
    assert SlowRate.build({"llm": "smollm2"}).batch_size == 16
    assert SlowRate.defaults(llm="smollm2")["learning_rate"] == 1e-4


def test_a_preset_with_a_rate_of_its_own_keeps_it() -> None:
    paper = TALLRecSettings.build({"llm": "smollm2"}, "paper")
    assert (paper.learning_rate, paper.batch_size) == (1e-4, 128)


def test_how_many_rows_a_card_names_holds_for_whatever_is_tuned_but_the_rate_is_loras() -> None:
    settings = PrefixRecSettings.build({"llm": "tiny"})
    assert (settings.examples, settings.learning_rate) == (1000, 1e-2)
    assert PrefixRecSettings.build({"llm": "tiny", "examples": 8000}).examples == 8000
    assert PrefixRecSettings.defaults(llm="tiny")["examples"] == 1000


def test_a_rate_of_the_card_that_is_said_names_the_same_row() -> None:
    said = LanguageModelSettings.build({"llm": "smollm2", "learning_rate": "0.001"})
    assert said == LanguageModelSettings.build({"llm": "smollm2"})
    assert said.identity()["learning_rate"] == 1e-3


def test_settings_that_came_later_name_a_row_only_where_they_are_set() -> None:
    plain = LanguageModelSettings().identity()
    assert not {"prompt_style", "title_tokens", "objective"} & set(plain)
    changed = LanguageModelSettings.build({"title_tokens": "8", "objective": "text"}).identity()
    assert changed == {**plain, "title_tokens": 8, "objective": "text"}


def test_the_rows_of_the_curve_name_a_row_where_they_end_the_training() -> None:
    def named(**values: int | None) -> dict[str, Any]:
        return LanguageModelSettings.build(values).identity()

    assert named(curve_rows=8) == named(curve_rows=0) == named()
    stopped = {rows: named(patience=2, curve_rows=rows) for rows in (8, 64)}
    assert stopped[8] == named() | {"patience": 2, "curve_rows": 8}
    assert stopped[64] == named(patience=2) != stopped[8]
    assert LanguageModelSettings.build(stopped[8]).identity() == stopped[8]


def test_no_training_ends_by_a_curve_that_is_not_drawn() -> None:
    with pytest.raises(UserError, match=r"'patience': curve_rows=0 leaves .*leave out one of"):
        LanguageModelSettings.build({"patience": "2", "curve_rows": "0"})


def test_a_title_has_at_least_four_tokens() -> None:
    with pytest.raises(UserError, match=r"'title_tokens': .* greater than or equal to 4"):
        LanguageModelSettings.build({"title_tokens": 3})


@pytest.mark.parametrize(
    ("kind", "values", "said"),
    [
        (LanguageModelSettings, {"adapter": "a", "peft": "b"}, "'peft': .*leave out adapter or"),
        (PrefixRecSettings, {"adapter": "a"}, "'adapter': .*leave it out"),
        (LoRAEnsembleSettings, {"peft": "b"}, "'peft': .*leave it out"),
        (TALLRecSettings, {"peft": "b", "rank": "64", "alpha": "1"}, "'peft': .* of rank, alpha; "),
        (TALLRecSettings, {"peft": "b", "alpha": "32"}, "'peft': .*leave out alpha, or peft"),
        (HybridSettings, {"adapter": "a", "rank": "64"}, "'rank': .*leave out rank or adapter"),
        (HybridSettings, {"adapter": "a", "dropout": "0.1"}, "'dropout': .* its own; leave out"),
        (ILoRASettings, {"adapter": "a", "alpha": "16"}, "'alpha': the adapter in 'a' has its own"),
        (ILoRASettings, {"peft": "a", "targets": "all-linear"}, "'peft': .*leave out targets, or"),
    ],
)
def test_what_would_not_be_used_is_refused(
    kind: type[Settings], values: dict[str, str], said: str
) -> None:
    with pytest.raises(UserError, match=said):
        kind.build(values)
    nothing = {name: "none" for name in values if name in {"adapter", "peft"}}
    assert kind.build(nothing) == kind.build({})


@pytest.mark.parametrize("read", ["adapter", "peft"])
def test_beside_what_is_read_lora_has_one_name_whatever_a_preset_says(read: str) -> None:
    plain = HybridSettings.build({read: "a"})
    assert HybridSettings.build({read: "a"}, "rank16") == plain
    assert HybridSettings.build({read: "a", "rank": "8", "targets": ALL_LINEAR}) == plain
    paper = BIGRecSettings.build({read: "a"}, "paper")
    assert (paper.epochs, paper.alpha, paper.dropout) == (50, 32, 0)
    assert BIGRecSettings.build(paper.record()) == BIGRecSettings.build(paper.identity()) == paper
    assert BIGRecSettings.build({read: "none"}, "paper").alpha == 16


@pytest.mark.parametrize("read", ["adapter", "peft"])
def test_the_rank_of_experts_counts_beside_what_is_read(read: str) -> None:
    assert ILoRASettings.build({read: "a", "rank": "16"}).ranks == (4, 4, 4, 4)
    assert ILoRASettings.build({read: "a"}, "rank16").ranks == (4, 4, 4, 4)
    assert LoRAEnsembleSettings.build({"adapter": "a", "rank": "2"}).ranks == (2, 2, 2, 2)


def test_a_chat_is_an_ingredient(toy_folder: Path) -> None:
    def ingredients(**values: str) -> dict[str, str]:
        return TALLRec(TALLRecSettings.build({"llm": str(toy_folder), **values})).ingredients()

    assert set(ingredients()) == {"code", "llm", "prompts"}
    assert ingredients(prompt_style="chat") == {**ingredients(), "prompt_style": "chat"}


def test_a_mean_over_tokens_has_a_version_of_its_own(toy_folder: Path) -> None:
    """Up to version 2 it hung on how many rows were computed at once."""

    def code(objective: str) -> int:
        settings = TALLRecSettings.build({"llm": str(toy_folder), "objective": objective})
        found: int = TALLRec(settings).ingredients()["code"]
        return found

    assert [code(name) for name in ("title", "listwise", "text")] == [2, 2, 3]
