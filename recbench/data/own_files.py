"""
A user's own files: where they lie, how they are written, and what is read of them.

What is found of columns and of the way of writing goes into the card (`raw_files`), so that the
files are read again as they were.
"""

import math
import shlex
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from recbench.data.card import RawFiles
from recbench.data.readers import OPENED, READERS
from recbench.data.readers.columns import Columns
from recbench.data.readers.finding import naming_remedies
from recbench.data.readers.histories import are_lists, history_column
from recbench.data.readers.raw import Raw
from recbench.data.readers.tabular import Tabular, columns_of
from recbench.data.written import SPACES, TO_BE_FOUND, UTF8, Written
from recbench.errors import DataError, UserError


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


@naming_remedies()
def as_written(files: Files) -> Files:
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


def how_written(files: Files) -> Iterator[str]:
    """Tell how the text files are written that are not as most are."""
    for file, written in ((files.interactions, files.written), (files.items, files.items_written)):
        usual = written.separator in ("", ",", "\t") and written.encoding in ("", UTF8)
        if file and not usual:
            between = f"{written.separator!r} between fields, " if written.separator else ""
            yield f"{file.name}: {between}{written.encoding}"


@naming_remedies()
def read(files: Files, name: str, min_rating: float | None) -> tuple[Raw, dict[str, str]]:
    """
    Read the files, and say what they call the column of each role that they have.

    Parameters
    ----------
    files
        From `as_written`.
    name
        What the dataset is to be called; a remedy may hold it.
    min_rating
        By which interactions are chosen; None where ratings change nothing: then they are left out
        if one cannot be read.

    Raises
    ------
    UserError
        For a column that is not there or holds several items a row; a `min_rating` that is not
        finite, or has no ratings to go by.
    DataError
        For a broken line.
    """
    opened = _opened(files)[0]
    if (histories := history_column(opened, files.columns.item)) is not None:
        raise _no_interactions(files, histories, name)
    raw, taken = _with_ratings(files, min_rating)
    if are_lists(raw.items.ids):
        raise _no_interactions(files, taken["item"], name)
    return raw, taken


def place_of_row(files: Files, row: int) -> str:
    """Say where an interaction (from 0) stands: file and line."""
    return f"{files.interactions.name}, {_opened(files)[0].place(row)}"


def _with_ratings(files: Files, min_rating: float | None) -> tuple[Raw, dict[str, str]]:
    """Read the files without their ratings only where these can be neither read nor needed."""
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
    options = raw_files(files, taken).options
    return READERS[files.format](files.interactions, files.items, **options), taken


def _opened(files: Files) -> tuple[Tabular, Tabular | None]:
    opened = OPENED[files.format]
    items = opened(files.items, files.items_written) if files.items else None
    return opened(files.interactions, files.written), items


def _no_interactions(files: Files, column: str, name: str) -> UserError:
    return UserError(
        f"{files.interactions}: column {column!r} holds several items a row, as a finished split "
        f"does and interactions do not: its files for training, validation and test "
        f"{_imported(files.interactions.parent, name)}; else leave that column out"
    )


def _imported(folder: Path, name: str) -> str:
    return f"are read by recbench data import-splits {shlex.quote(str(folder))} --name {name}"


def folder_of(file: Path) -> Path:
    """Return the folder in which a file lies, in full."""
    return file.expanduser().resolve().parent


def raw_files(files: Files, columns: dict[str, str]) -> RawFiles:
    """
    Describe the files for a card, with the columns that `read` has taken.

    Items are named from the folder of the interactions, in full where they lie elsewhere.
    """
    items = None
    if files.items is not None:
        beside = folder_of(files.items) == folder_of(files.interactions)
        items = files.items.name if beside else str(folder_of(files.items) / files.items.name)
    return RawFiles(
        interactions=files.interactions.name,
        items=items,
        columns=columns,
        written=files.written,
        items_written=files.items_written,
    )
