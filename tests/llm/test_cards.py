from importlib.metadata import EntryPoint

import pytest

from recbench.errors import RecbenchError
from recbench.llm.cards import LanguageModelCard, card_of, language_models
from recbench.llm.weights.backbone import load_backbone


def test_every_card_can_be_read() -> None:
    found = language_models()
    assert {"tiny", "smollm2", "smollm2-135m"} <= found.keys()
    assert all(card.licence and card.terms for card in found.values())


def test_two_cards_are_never_the_same_weights() -> None:
    sources = [card.source for card in language_models().values()]
    assert len(set(sources)) == len(sources)


def test_the_card_of_the_built_in_model_says_what_it_is() -> None:
    card, (lm, _) = card_of("tiny"), load_backbone("tiny", "cpu")
    assert card is not None
    assert card.parameters == sum(each.numel() for each in lm.parameters())
    assert card.context == lm.config.max_position_embeddings


def test_a_name_without_a_card() -> None:
    assert card_of("owner/name") is None


def test_a_broken_card_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("odd", "recbench.questions.protocols:paper.toml", "recbench.language_models")
    monkeypatch.setattr("recbench.llm.cards.listed", lambda _: {"odd": point})
    told: list[str] = []
    assert language_models(told.append) == {}
    assert "the card of the language model 'odd'" in told[0]
    with pytest.raises(RecbenchError, match="language model 'odd'"):
        language_models()


def test_a_source_must_be_pinned() -> None:
    fields = {"name": "x", "title": "x", "licence": "x", "terms": "x"}
    numbers = {"parameters": 1, "context": 1}
    source = {"kind": "hub", "id": "owner/name", "revision": "main"}
    with pytest.raises(ValueError, match="revision"):
        LanguageModelCard.model_validate({**fields, **numbers, "source": source})
