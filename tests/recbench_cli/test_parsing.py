import pytest

from recbench.errors import UserError
from recbench_cli.parsing import nouns_of


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


@pytest.mark.parametrize("text", ["", "/", " /games"])
def test_no_noun_is_refused(text):
    with pytest.raises(UserError, match="--noun takes one word or two"):
        nouns_of(text)
