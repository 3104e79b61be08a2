"""Which protocols can be asked of which dataset."""

from pathlib import Path

from recbench.data.card import Card, card
from recbench.errors import UserError, unknown
from recbench.questions.protocols import Protocol, protocol, protocols


def allows(known: Card, asked: Protocol) -> bool:
    """Tell whether a protocol can be asked of a dataset: by name, or any sound one."""
    return asked.card in known.protocols or not (asked.published or known.finished)


def default_protocol(name: str, cache: Path | None = None) -> str:
    """Return the protocol of a dataset if the user names none; raises as `card`."""
    return next(iter(card(name, cache).protocols), "next-item")


def protocol_of(
    dataset: str, name: str | None, cache: Path | None = None, **changes: str | None
) -> Protocol:
    """
    Read the protocol that is named, else the dataset's own; see `protocol` for `changes`.

    Raises
    ------
    UserError
        For an unknown name; as `check_allowed`, before any data are had.
    """
    asked = protocol(name or default_protocol(dataset, cache), **changes)
    check_allowed(card(dataset, cache), asked)
    return asked


def check_allowed(known: Card, asked: Protocol) -> None:
    """
    Refuse a protocol that cannot be asked of a dataset; see `allows`.

    Raises
    ------
    UserError
        With the protocols that can be asked, and what prints the reason.
    """
    if not allows(known, asked):
        allowed = [each.name for each in protocols(lambda _: None).values() if allows(known, each)]
        refusal = unknown(f"protocol of {known.name}", asked.card, allowed)
        raise UserError(f"{refusal}; why: recbench data show {known.name}")
