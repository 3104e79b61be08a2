"""A dataset on one page: its card and its statistics, as text."""

from collections.abc import Iterable
from textwrap import fill
from typing import Any

from pydantic import BaseModel

from recbench.data.card import Card
from recbench.data.statistics import Statistics
from recbench.data.time_units import UNITS

_WIDTH = 100


def overview(card: Card, statistics: Statistics | None, why: str = "") -> str:
    """
    Write everything that is known of a dataset.

    Parameters
    ----------
    card
        Its card.
    statistics
        Of the prepared data; None where they cannot be had.
    why
        The reason then, one line.
    """
    blocks = [
        f"{card.name}: {card.title}. {card.description}",
        _listed("licence", [card.licence]),
        _listed("citation", [card.citation]),
        _listed("homepage", [card.homepage]),
        _listed("in prompts", _words_of_prompts(card)),
        _listed("sources", map(_fields, card.sources)),
        _listed("files", [f"{name}: {_fields(files)}" for name, files in card.formats.items()]),
        _listed(
            "protocols", [f"{name}: {_fields(card.rules_for(name))}" for name in card.protocols]
        ),
        _listed("known flaws", card.known_flaws),
        _listed("statistics", _counted(statistics) if statistics else [f"none: {why}"]),
    ]
    return "\n".join(block for block in blocks if block)


def _words_of_prompts(card: Card) -> list[str]:
    words = [f"{card.noun[0]}, {card.noun[1]}; a user {card.verb} them"]
    if card.title_length is not None:
        words.append(f"titles of at most {card.title_length} characters")
    return words


def _listed(heading: str, entries: Iterable[str]) -> str:
    """Write the entries under their heading; nothing where there is none."""
    lines = [
        fill(
            " ".join(entry.split()),
            _WIDTH,
            initial_indent="  ",
            subsequent_indent="    ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        for entry in entries
        if entry.strip()
    ]
    return "\n".join([heading, *lines]) if lines else ""


def _fields(part: BaseModel) -> str:
    """Write the fields that were set, the note last and without its name."""
    values = part.model_dump(mode="json", exclude_unset=True)
    note = values.pop("note", "")
    named = _words(values)
    return f"{named}. {note}" if named and note else named or note


def _words(value: Any) -> str:
    if isinstance(value, dict):
        said = ((name, _words(one)) for name, one in value.items() if one not in ("", []))
        return "; ".join(f"{name} {words}" for name, words in said)
    if isinstance(value, list):
        return ", ".join(map(_words, value))
    words = str(value)
    return words if any(map(str.isalnum, words)) else repr(words)  # a separator


def _counted(numbers: Statistics) -> list[str]:
    unit = numbers.time_unit
    times = f"{numbers.first} to {numbers.last}, read as {UNITS[unit]}" if unit else "none"
    count = numbers.complete_users
    complete = f"; {count:,} of them touched every item" if count else ""
    return [
        f"users: {numbers.users:,}{complete}",
        f"items: {numbers.items:,}, {numbers.items_met:,} of them with an interaction",
        f"interactions: {numbers.interactions:,}",
        f"density: {numbers.density:.3%}",
        f"interactions of a user: {numbers.shortest:,} to {numbers.longest:,}, "
        f"median {numbers.median:,.1f}, mean {numbers.mean:,.1f}",
        f"time: {times}",
        f"titles: {numbers.titles:,} different; items without one: {numbers.untitled:,}",
    ]
