from typing import get_args

import pytest

from recbench.questions.protocols import Protocol, protocols
from recbench.questions.protocols.words import EXCLUDED, NEGATIVES, ROWS, TIES, in_words


@pytest.mark.parametrize(
    ("field", "words"),
    [("split", ROWS), ("ties", TIES), ("negatives", NEGATIVES), ("exclude", EXCLUDED)],
)
def test_there_are_words_for_all_that_a_card_may_say(field, words):
    assert set(words) == set(get_args(Protocol.model_fields[field].annotation))


@pytest.mark.parametrize("name", protocols())
def test_every_topic_is_one_clause(name):
    words = in_words(protocols()[name])
    assert next(iter(words)) == "rows"
    assert all(text and "\n" not in text and not text.endswith(".") for text in words.values())
