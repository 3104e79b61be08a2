"""
A user's own datasets: a card in the cache, written when the data are added.

Adding reads the files once, keeps what was prepared and pins its digest on the card
(``<cache>/own/<name>/card.toml``). From then on the prepared data are used; the files themselves
are read again only where the cache has lost them, and must then hold the same.
"""

import re
import shutil
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from recbench.atomic_write import atomic_file
from recbench.data import own_files
from recbench.data.card import CARD, Card, Folder, Rules, cards, own_folder
from recbench.data.dataset import Dataset, make_dataset, store
from recbench.data.filters import filtered
from recbench.data.oddities import oddities
from recbench.data.own_files import Files
from recbench.data.prepare import pinned_key, prepared_folder
from recbench.data.readers.raw import Raw
from recbench.data.titles import plain_title
from recbench.data.toml_cards import card_text
from recbench.errors import UserError, unknown
from recbench.plain_text import printable
from recbench.registry import listed

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_KEEP_ALL = Rules()
_PAPER = "The paper's way of asking, on data that it does not know."


def add(
    name: str,
    files: Files,
    cache: Path,
    report: Callable[[str], None],
    *,
    noun: tuple[str, str] = ("item", "items"),
    verb: str = "interacted with",
    rules: Rules = _KEEP_ALL,
    title_length: int | None = None,
) -> Dataset:
    """
    Read a user's files, keep what was prepared and write a card that pins it.

    Parameters
    ----------
    name
        Free, of letters, digits, dots, dashes and underscores.
    files
        The data.
    cache
        The user's cache folder.
    report
        Told which columns were taken and what is odd about the data.
    noun, verb
        What one item and several are called in a prompt, and what a user did with one.
    rules
        Which interactions every split leaves out; their order is found here, whatever they say.
    title_length
        As `Card` has it.

    Raises
    ------
    UserError
        For a name that is taken or cannot be one; a path that is not UTF-8; a column or file that
        is not there; rows of a finished split; rules that leave nothing.
    DataError
        For a broken line. Nothing is then left behind.
    """
    check_name(name, cache)
    check_place(files.interactions)
    check_place(files.items or files.interactions)
    files = own_files.as_written(files)
    raw, taken = own_files.read(files, name, rules.min_rating)
    flaws = _flaws(files, raw, taken)
    rules = rules.model_copy(update={"order": "file" if raw.times is None else "time"})
    card = own_card(
        name,
        own_files.folder_of(files.interactions),
        files.format,
        description=f"the user's own data, from {files.interactions.name}",
        licence="the user's own",
        noun=noun,
        verb=verb,
        title_length=title_length,
        formats={files.format: own_files.raw_files(files, taken)},
        rules=rules,
        protocols={"next-item": Rules(), "paper": Rules(note=_PAPER)},  # else as `rules` has it
        known_flaws=flaws,
    )
    dataset = make_dataset(card, raw)
    found = (f"{role} is '{column}'" for role, column in taken.items() if column)
    said = [f"columns: {', '.join(found)}", *own_files.how_written(files), *flaws]
    said += [
        *_what_is_cut(raw, title_length),
        *_what_is_left(dataset),
        *other_names(dataset, cache),
    ]
    for line in said:  # only now that nothing can be refused any more
        report(line)
    return pinned(card, dataset, cache)


def own_card(
    name: str,
    folder: Path,
    format_name: str,
    *,
    description: str,
    known_flaws: Iterable[str],
    **fields: Any,
) -> Card:
    """
    Make the card of data that a user has in a folder; `fields` are its others.

    What names files and columns is written as it is shown: these may be called by any signs.
    """
    return Card(
        name=name,
        title=name,
        citation="",
        homepage="",
        titles="plain",
        sources=(
            Folder(kind="folder", path=str(folder.expanduser().resolve()), format=format_name),
        ),
        description=printable(description),
        known_flaws=tuple(map(printable, known_flaws)),
        **fields,
    )


def _what_is_cut(raw: Raw, length: int | None) -> list[str]:
    if length is None:
        return []
    cut = sum(len(plain_title(title)) > length for title in raw.titles)
    return [f"{cut} of {len(raw.titles)} titles are cut to {length} characters."]


def _what_is_left(dataset: Dataset) -> list[str]:
    """Say how much the rules leave, in the words of the options; refuse what leaves nothing."""
    rules = dataset.card.rules
    changed = rules.model_dump(exclude_defaults=True, exclude={"order"})
    asked = " ".join(f"--{key.replace('_', '-')} {value}" for key, value in changed.items())
    try:
        left = filtered(dataset, rules)
    except UserError:
        raise UserError(f"{asked} leaves no interaction of these data; ask for less") from None
    if not asked:
        return []
    return [
        f"{asked} leaves {len(left)} of {len(dataset)} interactions, "
        f"{len(left.catalogue)} of {len(dataset.catalogue)} items."
    ]


def other_names(dataset: Dataset, cache: Path) -> list[str]:
    """Say under which names these data are there already: a table tells them by what they are."""
    known = cards(report=lambda _: None, cache=cache).values()  # a broken card is none of theirs
    return [
        f"These are the data of {other.name}: one table takes runs on both for those of one row, "
        "and refuses a seed that comes twice."
        for other in known
        if other.digest == dataset.digest
    ]


def check_name(name: str, cache: Path) -> None:
    """Raise UserError if a name is taken or cannot be a dataset's."""
    if not _NAME.fullmatch(name):
        raise UserError(
            f"'{name}' cannot name a dataset: letters, digits, dots, dashes and underscores, "
            "at most 64, can"
        )
    if name in listed("datasets") or own_folder(cache, name).exists():
        if own_folder(cache, name).is_dir():
            raise _taken(name)
        raise UserError(f"the name '{name}' is taken; take another")


def _taken(name: str) -> UserError:
    return UserError(f"the name '{name}' is taken; recbench data remove {name}, or take another")


def check_place(path: Path) -> None:
    """Raise UserError if a card, which is UTF-8, cannot say where the data are."""
    try:
        str(path.expanduser().resolve()).encode()
    except UnicodeEncodeError:
        raise UserError(f"{path}: expected a path in UTF-8; rename the file or folder") from None


def pinned(card: Card, dataset: Dataset, cache: Path) -> Dataset:
    """
    Keep a prepared dataset, then write its card with the digests; return it with that card.

    Raises
    ------
    UserError
        If another process has taken the name in between.
    """
    card = card.model_copy(
        update={"digest": dataset.digest, "catalogue_digest": dataset.catalogue.digest}
    )
    text = card_text(card)
    store(dataset, prepared_folder(card, cache, pinned_key(card)))
    file = own_folder(cache, card.name) / CARD
    with atomic_file(file) as partial:
        partial.write_text(text, encoding="utf-8")
        if file.exists():  # another process was quicker, maybe with other data
            raise _taken(card.name)
    return replace(dataset, card=card)


def remove(name: str, cache: Path) -> None:
    """
    Forget a user's dataset: its card and what was prepared, never the user's files.

    Raises
    ------
    UserError
        If it is none of the user's own.
    """
    folder = own_folder(cache, name)
    if not _NAME.fullmatch(name) or not folder.is_dir():
        if name in listed("datasets"):
            raise UserError(f"'{name}' came with a package, and goes when that is uninstalled")
        own = (path.name for path in own_folder(cache, "").glob("*"))
        raise unknown("dataset of your own", name, own)
    shutil.rmtree(folder)
    shutil.rmtree(cache / "datasets" / name, ignore_errors=True)


def _flaws(files: Files, raw: Raw, columns: dict[str, str]) -> tuple[str, ...]:
    untimed = "No times: the order of the file is taken for the order of time."
    notes = raw.notes if raw.times is not None else (*raw.notes, untimed)
    return (*notes, *oddities(raw, columns, partial(own_files.place_of_row, files)))
