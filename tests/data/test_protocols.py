import pytest
from pydantic import ValidationError

from recbench.data.protocols import NEXT_ITEM, PAPER, PROTOCOLS, Protocol, protocol
from recbench.errors import UserError


def test_the_two_protocols():
    assert list(PROTOCOLS) == ["paper", "next-item"]
    for each in PROTOCOLS.values():
        assert (each.history, each.candidates) == (10, 20)
        assert protocol(each.name) is each
    assert (PAPER.exclude, PAPER.distinct_titles) == ("history", False)
    assert (NEXT_ITEM.exclude, NEXT_ITEM.distinct_titles) == ("user", True)


def test_an_unknown_name_gets_the_nearest():
    with pytest.raises(UserError, match="unknown protocol 'next_item'; did you mean 'next-item'"):
        protocol("next_item")


def test_the_digest_covers_what_changes_questions():
    assert PAPER.model_copy(update={"summary": "other words"}).digest == PAPER.digest
    changes = {
        "split": "last-items",
        "ties": "item-hash",
        "history": 9,
        "min_train_history": 1,
        "candidates": 30,
        "exclude": "user",
        "distinct_titles": True,
    }
    assert set(changes) == set(Protocol.model_fields) - {"name", "summary"}
    digests = {PAPER.model_copy(update={key: value}).digest for key, value in changes.items()}
    assert len(digests | {PAPER.digest}) == len(changes) + 1


def test_a_protocol_is_frozen_and_knows_its_fields():
    with pytest.raises(ValidationError):
        PAPER.history = 3
    with pytest.raises(ValidationError):
        Protocol(**PAPER.model_dump(), windows=3)
