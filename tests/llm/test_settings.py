from pathlib import Path

import pytest
from recbench_baselines.tallrec import TALLRec, TALLRecSettings

from recbench.errors import UserError
from recbench.llm.settings import LanguageModelSettings


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


def test_settings_that_came_later_name_a_row_only_where_they_are_set() -> None:
    plain = LanguageModelSettings().identity()
    assert not {"prompt_style", "title_tokens", "objective"} & set(plain)
    changed = LanguageModelSettings.build({"title_tokens": "8", "objective": "text"}).identity()
    assert changed == {**plain, "title_tokens": 8, "objective": "text"}


def test_a_title_has_at_least_four_tokens() -> None:
    with pytest.raises(UserError, match=r"'title_tokens': .* greater than or equal to 4"):
        LanguageModelSettings.build({"title_tokens": 3})


def test_a_chat_is_an_ingredient(toy_folder: Path) -> None:
    def ingredients(**values: str) -> dict[str, str]:
        return TALLRec(TALLRecSettings.build({"llm": str(toy_folder), **values})).ingredients()

    assert set(ingredients()) == {"code", "llm", "prompts"}
    assert ingredients(prompt_style="chat") == {**ingredients(), "prompt_style": "chat"}
