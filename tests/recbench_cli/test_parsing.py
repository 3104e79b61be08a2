import pytest

from recbench.errors import UserError
from recbench_cli.parsing import nouns_of, settings_of, verb_of


@pytest.mark.parametrize(
    ("text", "nouns"),
    [
        ("game/games", ("game", "games")),
        ("game", ("game", "games")),
        (" company / companies ", ("company", "companies")),
        ("game/", ("game", "games")),
    ],
)
def test_a_noun_has_a_plural(text, nouns):
    assert nouns_of(text) == nouns


@pytest.mark.parametrize("text", ["", "/", " /games", "ga\nme", "game/ga\tmes"])
def test_no_noun_is_refused(text):
    with pytest.raises(UserError, match="--noun takes one word or two"):
        nouns_of(text)


def test_settings_are_pairs():
    assert settings_of(["rank = 16", "name=a=b", "empty="], "tiny") == {
        "llm": "tiny",
        "rank": "16",
        "name": "a=b",
        "empty": "",
    }


@pytest.mark.parametrize(
    ("changes", "llm", "said"),
    [
        (["a=1", "b=2", "a=3"], None, "setting 'a' is given twice: --set a=1 and --set a=3"),
        (["a=1", " a = 1"], None, "setting 'a' is given twice: --set a=1 and --set a=1"),
        (["llm=Y"], "X", "setting 'llm' is given twice: --llm X and --set llm=Y"),
    ],
)
def test_a_setting_is_given_once(changes, llm, said):
    with pytest.raises(UserError, match=said):
        settings_of(changes, llm)


def test_a_verb_is_words_of_one_line():
    assert verb_of(" listened to ") == "listened to"
    for text in ("", " ", "listened\nto"):
        with pytest.raises(UserError, match="--verb takes words in the past tense"):
            verb_of(text)
