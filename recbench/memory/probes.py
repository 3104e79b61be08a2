"""
Beginnings of a dataset's files, which only who has read them can go on with, and their controls.

Di Palma et al., "Do LLMs memorize recommendation datasets?", SIGIR 2025, arXiv 2505.10212, ask for
titles by their ids and for the items of users. Here a model is shown some lines and writes the next
one. Titles of neighbours may also be guessed (the second part of a film, an alphabet), so each
probe has a control that shows the same with other ids: what is written there all the same was no
memory of the file.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from recbench.data.dataset import Dataset
from recbench.data.titles import UNKNOWN, normalised
from recbench.errors import UserError
from recbench.seeding import generator

SEPARATOR = "::"
"""Between the fields of a line, as MovieLens has it."""


@dataclass(frozen=True)
class Probe:
    """A text to go on behind, and what the file goes on with: the field behind the separator."""

    text: str
    expected: str


@dataclass(frozen=True)
class Probes:
    """
    Probes of one kind.

    Attributes
    ----------
    what
        Is asked for, in words.
    real, control
        The same number of each, in the same order.
    """

    what: str
    real: tuple[Probe, ...]
    control: tuple[Probe, ...]


def of_items(dataset: Dataset, rows: int, lines: int) -> Probes:
    """
    Ask for the title of an item behind its neighbours by id.

    In the control every title has the id of the one half a catalogue away.

    Parameters
    ----------
    dataset
        Any, with more items than `lines`.
    rows
        How many items at most, a seeded sample; those whose title is also shown are none of them.
    lines
        Neighbours that are shown, those before it.

    Raises
    ------
    UserError
        If there is no such item.
    """
    ids, titles = dataset.catalogue.raw_ids.tolist(), dataset.catalogue.titles
    items = len(ids)
    keys = [normalised(title) for title in titles]

    def is_told(place: int) -> bool:
        return keys[place] in {UNKNOWN, *keys[place - lines : place]}

    random = generator(0, "memory of items", dataset.catalogue.digest)
    places = [one for one in random.permutation(np.arange(lines, items)) if not is_told(one)]
    if not places:
        raise UserError(f"no item has {lines} others before it; show fewer with --lines")

    def probe(place: int, shift: int) -> Probe:
        shown = range(place - lines, place + 1)
        of = {one: ids[(one + shift) % items] for one in shown}
        told = [f"{of[one]}{SEPARATOR}{titles[one]}" for one in shown[:-1]]
        text = _template("items").format(
            **_about(dataset, "items"), lines="\n".join(told), asked=of[place]
        )
        return Probe(text, titles[place])

    chosen = sorted(places[:rows])
    return Probes(
        "title of an item, behind its neighbours",
        tuple(probe(one, 0) for one in chosen),
        tuple(probe(one, items // 2) for one in chosen),
    )


def of_users(dataset: Dataset, rows: int, lines: int) -> Probes:
    """
    Ask for the next item of a user, by id, in the order of the file.

    A user goes by its number from 1, which is the id where ids have no gaps. In the control all
    ids are dealt out anew over the catalogue, the same in every line.

    Parameters
    ----------
    dataset
        Any, with a user of more interactions than `lines`.
    rows
        How many users at most, a seeded sample, one place of each; where the next item is also
        shown is none of them.
    lines
        Items that are shown, those before it.

    Raises
    ------
    UserError
        If there is no such user.
    """
    random = generator(0, "memory of users", dataset.digest)
    ids = dataset.catalogue.raw_ids
    others = random.permutation(len(ids))
    found = []
    for user, codes in _pieces(dataset, random, lines):
        if codes[-1] not in codes[:-1]:
            found.append((user, codes))
        if len(found) == rows:
            break
    if not found:
        raise UserError(f"no user has another item behind {lines} others; show fewer with --lines")

    def probe(user: int, codes: NDArray[np.int64]) -> Probe:
        *shown, asked = ids[codes].tolist()
        told = "\n".join(f"{user + 1}{SEPARATOR}{one}" for one in shown)
        about = _about(dataset, "interactions")
        return Probe(_template("users").format(**about, lines=told, user=user + 1), str(asked))

    return Probes(
        "next item of a user, by id",
        tuple(probe(user, codes) for user, codes in found),
        tuple(probe(user, others[codes]) for user, codes in found),
    )


def _pieces(
    dataset: Dataset, random: np.random.Generator, lines: int
) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Yield users in random order, each with `lines` items and the next one, at a random place."""
    order = np.argsort(dataset.users, kind="stable")
    counts = np.bincount(dataset.users)
    starts = np.cumsum(counts) - counts
    for user in random.permutation(np.flatnonzero(counts > lines)).tolist():
        place = int(random.integers(lines, counts[user])) + starts[user]
        yield user, dataset.items[order[place - lines : place + 1]].astype(np.int64)


def _about(dataset: Dataset, which: str) -> dict[str, str]:
    """Name the dataset and its file, as the first format of its card does."""
    known = next(iter(dataset.card.formats.values()), None)
    file = None if known is None else getattr(known, which)
    return {"dataset": dataset.card.title, "file": file or which}


def _template(name: str) -> str:
    file = files("recbench.memory") / "prompts" / f"{name}.txt"
    return file.read_text(encoding="utf-8").removesuffix("\n")
