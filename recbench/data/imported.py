"""Released splits made the user's own: read once, kept, and pinned by a card."""

from collections.abc import Callable
from pathlib import Path

from recbench.data.card import Card, Folder, Rules
from recbench.data.dataset import Dataset, make_released
from recbench.data.own import check_name, check_place, pinned
from recbench.data.readers import SPLITS
from recbench.errors import UserError


def import_split(
    name: str,
    folder: Path,
    format_name: str,
    cache: Path,
    report: Callable[[str], None],
    *,
    noun: tuple[str, str] = ("item", "items"),
    verb: str = "interacted with",
) -> Dataset:
    """
    Read a released split, keep it and write a card that pins it.

    Parameters
    ----------
    name
        As for `recbench.data.own.add`.
    folder
        With the files of the release.
    format_name
        A key of `recbench.data.readers.SPLITS`.
    cache
        The user's cache folder.
    report
        Told what was assumed.
    noun, verb
        What one item and several are called in a prompt, and what a user did with one.

    Raises
    ------
    UserError
        For a name that is taken or cannot be one; a folder that is no such release.
    DataError
        For a broken line or table. Nothing is then left behind.
    """
    check_name(name, cache)
    check_place(folder)
    if not folder.is_dir():
        raise UserError(f"{folder}: expected a folder, found none")
    raw = SPLITS[format_name](folder)
    for note in raw.notes:
        report(note)
    size = raw.rows.candidates
    bringing = "" if size is None else f" whose rows bring {size} candidates"
    card = Card(
        name=name,
        title=name,
        description=f"a finished split{bringing}, imported from {folder.name}",
        licence="that of the release",
        citation="",
        homepage="",
        noun=noun,
        verb=verb,
        titles="plain",
        formats={},
        sources=(
            Folder(kind="folder", path=str(folder.expanduser().resolve()), format=format_name),
        ),
        protocols={"released": Rules()},
        finished=True,
        candidates=size,
        known_flaws=raw.notes,
    )
    return pinned(card, make_released(card, raw.catalogue, raw.rows), cache)
