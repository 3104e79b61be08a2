"""
A user's own datasets: a card in the cache, written when the data are added.

Adding reads the files once, keeps what was prepared and pins its digest on the card
(``<cache>/own/<name>/card.toml``). From then on the prepared data are used; the files themselves
are read again only where the cache has lost them, and must then hold the same.
"""

import math
import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from recbench.atomic_write import atomic_file
from recbench.data.card import CARD, Card, Folder, RawFiles, Rules, cards, own_folder
from recbench.data.dataset import Dataset, make_dataset, store
from recbench.data.filters import filtered
from recbench.data.oddities import oddities
from recbench.data.prepare import pinned_key, prepared_folder
from recbench.data.readers import OPENED, READERS
from recbench.data.readers.columns import Columns
from recbench.data.readers.histories import are_lists, history_column
from recbench.data.readers.raw import Raw
from recbench.data.readers.tabular import Tabular, columns_of
from recbench.data.titles import plain_title
from recbench.data.toml_cards import card_text
from recbench.data.written import SPACES, TO_BE_FOUND, UTF8, Written
from recbench.errors import DataError, UserError, unknown

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_KEEP_ALL = Rules()
_PAPER = "The paper's way of asking, on data that it does not know."


@dataclass(frozen=True)
class Files:
    """
    Where a user's data are.

    Attributes
    ----------
    format
        A key of `recbench.data.readers.OPENED`.
    interactions, items
        The files; there may be none of items.
    columns
        What the user calls their columns.
    written, items_written
        How the two are written, as far as the user says it.
    """

    format: str
    interactions: Path
    items: Path | None
    columns: Columns = field(default_factory=Columns)
    written: Written = TO_BE_FOUND
    items_written: Written = TO_BE_FOUND


def atomic_files(folder: Path) -> tuple[Path, Path | None]:
    """
    Find the interactions and items of a folder in RecBole's layout.

    Raises
    ------
    UserError
        If it is no folder, or does not hold one ``.inter`` file, or one that is called as the
        folder.
    """
    folder = folder.expanduser().resolve()
    if not folder.is_dir():
        raise UserError(f"{folder}: expected a folder with an .inter file, found none")
    found = sorted(folder.glob("*.inter")) + sorted(folder.glob("*.inter.gz"))
    named = [file for file in found if file.name.removesuffix(".gz") == f"{folder.name}.inter"]
    if len(named or found) != 1:
        names = ", ".join(file.name for file in found) or "none"
        parts = f"; parts of one split {_imported(folder, 'NAME')}" if found else ""
        raise UserError(
            f"{folder}: expected one .inter file or {folder.name}.inter, found {names}{parts}"
        )
    interactions = (named or found)[0]
    items = interactions.with_name(interactions.name.replace(".inter", ".item"))
    return interactions, items if items.is_file() else None


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
    files = _as_written(files)
    _refuse_histories(files, name)
    raw, taken = _read(files, rules.min_rating)
    if are_lists(raw.items.ids):
        raise _no_interactions(files, taken["item"], name)
    flaws = _flaws(files, raw, taken)
    rules = rules.model_copy(update={"order": "file" if raw.times is None else "time"})
    card = Card(
        name=name,
        title=name,
        description=f"the user's own data, from {files.interactions.name}",
        licence="the user's own",
        citation="",
        homepage="",
        noun=noun,
        verb=verb,
        titles="plain",
        title_length=title_length,
        formats={files.format: _raw_files(files, taken)},
        sources=(
            Folder(kind="folder", path=str(_folder(files.interactions)), format=files.format),
        ),
        rules=rules,
        protocols={"next-item": rules, "paper": rules.model_copy(update={"note": _PAPER})},
        known_flaws=flaws,
    )
    dataset = make_dataset(card, raw)
    found = (f"{role} is '{column}'" for role, column in taken.items() if column)
    chosen = _what_is_left(dataset)  # refused before anything is said
    cut = _what_is_cut(raw, title_length)
    for line in (f"columns: {', '.join(found)}", *_how_written(files), *flaws, *cut, *chosen):
        report(line)
    return pinned(card, dataset, cache)


def _as_written(files: Files) -> Files:
    """Return the files with what is found of how they are written; refuse what says nothing."""
    opened, named, of_items = OPENED[files.format], files.written, files.items_written
    found = opened(files.interactions, named).written
    listed = opened(files.items, of_items).written if files.items else TO_BE_FOUND
    separators = {found.separator, listed.separator} - {""}
    separators |= {" "} if SPACES in separators else set()
    if named.separator and separators and named.separator not in separators:
        raise UserError(
            f"--separator {named.separator!r} splits line 1 of no file here: leave it out, or name "
            "another"
        )
    for option, useless in (
        ("--separator", named.separator and not separators),
        ("--encoding", named.encoding and not (found.encoding or listed.encoding)),
        ("--quotes", named.quotes and not separators),
        ("--columns", named.columns and not found.separator),
        ("--item-columns", of_items.columns and not listed.separator),
    ):
        if useless:
            raise UserError(f"{option} is of a text file, and there is none: leave it out")
    return replace(files, written=found, items_written=listed)


def _how_written(files: Files) -> Iterator[str]:
    """Tell how the text files are written that are not as most are."""
    for file, written in ((files.interactions, files.written), (files.items, files.items_written)):
        usual = written.separator in ("", ",", "\t") and written.encoding in ("", UTF8)
        if file and not usual:
            between = f"{written.separator!r} between fields, " if written.separator else ""
            yield f"{file.name}: {between}{written.encoding}"


def _read(files: Files, min_rating: float | None) -> tuple[Raw, dict[str, str]]:
    """
    Read the files, and say what they call the column of each role that they have.

    Ratings that cannot be read are left out, unless it is by them that interactions are chosen.
    """
    if min_rating is not None and not math.isfinite(min_rating):
        raise UserError(f"--min-rating must be a number, not {min_rating}")
    try:
        raw, taken = _as_they_are(files)
    except DataError as error:
        raw, taken = _as_they_are(replace(files, columns=replace(files.columns, rating="")))
        if min_rating is not None:
            raise DataError(f"{error}; mend it, or leave out --min-rating") from None
        note = f"The ratings are left out, as one cannot be read: {error}."
        return replace(raw, notes=(*raw.notes, note)), taken
    if min_rating is not None and not taken.get("rating"):
        raise UserError(
            f"{files.interactions} has no ratings for --min-rating to go by; name their column "
            "with --rating-column, or leave the option out"
        )
    return raw, taken


def _as_they_are(files: Files) -> tuple[Raw, dict[str, str]]:
    columns = columns_of(*_opened(files), files.columns)
    taken = {role: column for role, column in asdict(columns).items() if column is not None}
    if files.columns.rating == "":  # so must the card say, or the usual name would be taken
        taken["rating"] = ""
    options = _raw_files(files, taken).options
    return READERS[files.format](files.interactions, files.items, **options), taken


def _opened(files: Files) -> tuple[Tabular, Tabular | None]:
    opened = OPENED[files.format]
    items = opened(files.items, files.items_written) if files.items else None
    return opened(files.interactions, files.written), items


def _refuse_histories(files: Files, name: str) -> None:
    column = history_column(_opened(files)[0], files.columns.item)
    if column is not None:
        raise _no_interactions(files, column, name)


def _no_interactions(files: Files, column: str, name: str) -> UserError:
    return UserError(
        f"{files.interactions}: column {column!r} holds several items a row, as a finished split "
        f"does and interactions do not: its files for training, validation and test "
        f"{_imported(files.interactions.parent, name)}; else leave that column out"
    )


def _imported(folder: Path, name: str) -> str:
    return f"are read by recbench data import-splits {shlex.quote(str(folder))} --name {name}"


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


def check_name(name: str, cache: Path) -> None:
    """Raise UserError if a name is taken or cannot be a dataset's."""
    if not _NAME.fullmatch(name):
        raise UserError(
            f"'{name}' cannot name a dataset: letters, digits, dots, dashes and underscores, "
            "at most 64, can"
        )
    if name in cards(lambda _: None, cache) or own_folder(cache, name).exists():
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
        if name in cards(lambda _: None):
            raise UserError(f"'{name}' came with a package, and goes when that is uninstalled")
        own = (path.name for path in own_folder(cache, "").glob("*"))
        raise unknown("dataset of your own", name, own)
    shutil.rmtree(folder)
    shutil.rmtree(cache / "datasets" / name, ignore_errors=True)


def _flaws(files: Files, raw: Raw, columns: dict[str, str]) -> tuple[str, ...]:
    def place(row: int) -> str:
        return f"{files.interactions.name}, {_opened(files)[0].place(row)}"

    untimed = "No times: the order of the file is taken for the order of time."
    notes = raw.notes if raw.times is not None else (*raw.notes, untimed)
    return (*notes, *oddities(raw, columns, place))


def _folder(file: Path) -> Path:
    return file.expanduser().resolve().parent


def _raw_files(files: Files, columns: dict[str, str]) -> RawFiles:
    """Name the items from the folder of the interactions, in full where they lie elsewhere."""
    items = None
    if files.items is not None:
        beside = _folder(files.items) == _folder(files.interactions)
        items = files.items.name if beside else str(_folder(files.items) / files.items.name)
    return RawFiles(
        interactions=files.interactions.name,
        items=items,
        columns=columns,
        written=files.written,
        items_written=files.items_written,
    )
