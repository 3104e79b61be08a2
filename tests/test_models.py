"""A model that is found by its name keeps the contract, or is named with what it falls short in."""

import re
from types import SimpleNamespace

import pytest

from recbench import registry
from recbench.errors import PluginError, UserError
from recbench.models import as_json, check_words, ingredients_of, recommender_class
from recbench.recommender import Answerer, Recommender
from recbench.settings import Settings


class Incomplete(Recommender):
    summary, reference = "has no more than this", "none"


class Half(Answerer):
    """Writes, and ranks by half of what that takes."""

    settings_class = Settings

    def answer(self, *_):
        return []

    fit = save = load = score = answer


class Whole(Half):
    title_lengths = Half.answer


class Unset(Whole):
    settings_class = dict


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (Settings, "it is no class made from recbench's Recommender or Answerer"),
        (print, "it is no class made from recbench's Recommender or Answerer"),
        (Incomplete, "it lacks fit, load, save, score, settings_class"),
        (Half, "it lacks title_lengths"),
        (Unset, "its settings_class is no class made from recbench's Settings"),
    ],
)
def test_what_is_no_model_is_refused_with_what_it_lacks(monkeypatch, target, said):
    monkeypatch.setattr(registry, "load", lambda *_: target)
    with pytest.raises(PluginError, match=f"^{re.escape(said)}$"):
        recommender_class("mine")


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ({"runtime": frozenset({"widht"})}, "runtime of its settings names 'widht', which is none"),
        ({"added": frozenset({"widht"})}, "added of its settings names 'widht', which is none"),
        ({"runtime": ("width",)}, "runtime of its settings must be a frozenset, not ('width',)"),
        (
            {"passing": frozenset({"width"})},
            "passing of its settings must be a part of their runtime",
        ),
        (
            {"counts_with": {"width": ("widht", (1,))}},
            "counts_with of its settings names 'widht', which is none",
        ),
        ({"presets": {"big": {"widht": 9}}}, "its preset 'big' sets 'widht', which is no setting"),
    ],
)
def test_settings_that_speak_of_none_are_refused_before_anything_is_trained(
    monkeypatch, declared, said
):
    class Own(Settings):
        width: int = 8

    for name, value in declared.items():
        setattr(Own, name, value)
    monkeypatch.setattr(
        registry, "load", lambda *_: type("Mine", (Whole,), {"settings_class": Own})
    )
    with pytest.raises(PluginError, match=f"^{re.escape(said)}$"):
        recommender_class("mine")


def test_a_model_is_found_by_its_name(monkeypatch):
    assert recommender_class("popularity").__name__ == "Popularity"
    with pytest.raises(UserError, match="did you mean 'popularity'"):
        recommender_class("popularty")
    monkeypatch.setattr(registry, "load", lambda *_: Whole)
    assert recommender_class("mine") is Whole


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"caption": ""}, "it has no settings; its __init__ must call that of Recommender"),
        (
            {"caption": 3, "settings": Settings()},
            "its caption must be one line of text that can be printed, not 3",
        ),
        (
            {"caption": "a\nb", "settings": Settings()},
            r"its caption must be one line of text that can be printed, not 'a\nb'",
        ),
        (
            {"caption": "a\u00a0b", "settings": Settings()},
            r"its caption must be one line of text that can be printed, not 'a\xa0b'",
        ),
    ],
)
def test_what_names_a_run_is_text_and_settings(words, said):
    with pytest.raises(PluginError, match=re.escape(said)):
        check_words(SimpleNamespace(**words))
    check_words(SimpleNamespace(caption="", settings=Settings()))


def test_what_a_model_says_of_itself_fits_into_a_record():
    with pytest.raises(PluginError, match="its account must be JSON values"):
        as_json({"a": {1}}, "account")
    with pytest.raises(PluginError, match=r"its account must be a dict, not \[\]"):
        as_json([], "account")
    assert ingredients_of(SimpleNamespace(ingredients=lambda: {"a": 1})) == {"a": 1}


@pytest.mark.honesty
def test_what_a_model_says_of_itself_is_what_is_read_of_it():
    """Else its digest would be another one then, and nobody would trust the record."""
    said = {"sizes": (1, 2), "ranks": {10: "b", 2: "a"}}
    assert as_json(said, "account") == {"sizes": [1, 2], "ranks": {"10": "b", "2": "a"}}
    assert as_json({"mean": float("inf")}, "account") == {"mean": float("inf")}
    for odd in (float("nan"), "half a \ud83d"):
        with pytest.raises(PluginError, match="its ingredients must be JSON values: "):
            ingredients_of(SimpleNamespace(ingredients=lambda odd=odd: {"a": odd}))


@pytest.mark.parametrize("name", ["a/b", "..", "a\nb", "a\u00a0b"])
def test_a_name_that_no_folder_may_have_is_refused(monkeypatch, name):
    monkeypatch.setattr(registry, "load", lambda *_: Whole)
    with pytest.raises(PluginError, match=r"^its name cannot be used: expected "):
        recommender_class(name)
