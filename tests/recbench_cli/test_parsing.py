import pytest

from recbench.errors import UserError
from recbench_cli.parsing import nouns_of, verb_of


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


def test_a_verb_is_words_of_one_line():
    assert verb_of(" listened to ") == "listened to"
    for text in ("", " ", "listened\nto"):
        with pytest.raises(UserError, match="--verb takes words in the past tense"):
            verb_of(text)
