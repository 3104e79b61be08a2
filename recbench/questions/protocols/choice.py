"""Which protocols can be asked of which dataset."""

from collections.abc import Mapping
from pathlib import Path

from recbench.data.card import Card, card
from recbench.errors import UserError, unknown
from recbench.questions.protocols import Protocol, protocol, protocols


def allows(known: Card, asked: Protocol) -> bool:
    """Tell whether a protocol can be asked of a dataset: by name, or any sound one."""
    return asked.card in known.protocols or not (asked.published or known.finished)


def fits(known: Card, asked: Protocol) -> bool:
    """Tell whether a protocol takes the candidates that rows bring where the dataset's do."""
    if known.candidates is None or asked.full:
        return not asked.given
    return asked.given and asked.candidates == known.candidates


def default_protocol(name: str, cache: Path | None = None) -> str:
    """Return the protocol of a dataset if the user names none; raises as `card`."""
    return next(iter(card(name, cache).protocols), "next-item")


def protocol_of(
    dataset: str, name: str | None, cache: Path | None = None, **changes: str | None
) -> Protocol:
    """
    Read the protocol that is named, else the dataset's own; see `protocol` for `changes`.

    Where rows bring their candidates, these are asked unless all items are to be ranked.

    Raises
    ------
    UserError
        For an unknown name; as `check_allowed`, before any data are had.
    """
    known, named = card(dataset, cache), name or default_protocol(dataset, cache)
    asked = protocol(named, **changes)
    if known.candidates is not None and not asked.full:
        asked = protocol(_given(named, known.candidates, changes), **changes)
    check_allowed(known, asked)
    return asked


def means(asked: str, recorded: str) -> bool:
    """
    Tell whether a run's protocol is the one that is asked for, both by name.

    That the rows brought their candidates may be left unsaid.

    Examples
    --------
    >>> means("released,history=5", "released,candidates=6,negatives=given,history=5")
    True
    >>> means("released", "released,history=5")
    False
    """
    (card_name, *said), (own, *changes) = asked.split(","), recorded.split(",")
    unsaid = {change.partition("=")[0] for change in changes if change not in said}
    may_be = {"candidates", "negatives"} if brought(recorded) else set()
    return card_name == own and set(said) <= set(changes) and unsaid <= may_be


def brought(recorded: str) -> bool:
    """Tell of a run's protocol, by its name, whether the rows brought their candidates."""
    return "negatives=given" in recorded.split(",")


def _given(name: str, size: int, changes: Mapping[str, str | None]) -> str:
    """Let a protocol, named with changes or without, ask the given candidates if none says else."""
    given = {"candidates": size, "negatives": "given"}
    said = {change.partition("=")[0].strip() for change in name.split(",")[1:]}
    said |= {option for option, value in changes.items() if value is not None}
    return ",".join([name, *(f"{k}={value}" for k, value in given.items() if k not in said)])


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
    if asked.given and known.candidates is None:
        raise UserError(
            f"no candidates are given with {known.name}; take --negatives uniform or popular"
        )
    if not fits(known, asked):
        raise UserError(
            f"each row of {known.name} brings its {known.candidates} candidates, and no others "
            "are drawn; leave out --candidates and --negatives, or give --candidates all"
        )
