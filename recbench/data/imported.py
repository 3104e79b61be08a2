"""Released splits made the user's own: read once, kept, and pinned by a card."""

from collections.abc import Callable
from pathlib import Path

from recbench.data.card import Rules
from recbench.data.dataset import Dataset, make_released
from recbench.data.overlaps import overlaps
from recbench.data.own import check_name, check_place, other_names, own_card, pinned
from recbench.data.readers import SPLITS, plain_split, presplit
from recbench.errors import UserError


def import_split(
    name: str,
    folder: Path,
    format_name: str | None,
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
        A key of `recbench.data.readers.SPLITS`; None to tell plain rows from RecBole's files.
    cache
        The user's cache folder.
    report
        Told what was assumed, and how many rows are repeated or known from training.
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
    format_name = format_name or format_in(folder)
    raw = SPLITS[format_name](folder)
    flaws = (*raw.notes, *overlaps(raw.rows).sentences())
    for flaw in flaws:
        report(flaw)
    size = raw.rows.candidates
    bringing = "" if size is None else f" whose rows bring {size} candidates"
    card = own_card(
        name,
        folder,
        format_name,
        description=f"a finished split{bringing}, imported from {folder.name}",
        licence="that of the release",
        noun=noun,
        verb=verb,
        formats={},
        protocols={"released": Rules()},
        finished=True,
        candidates=size,
        known_flaws=flaws,
    )
    dataset = make_released(card, raw.catalogue, raw.rows)
    for line in other_names(dataset, cache):
        report(line)
    return pinned(card, dataset, cache)


def format_in(folder: Path) -> str:
    """
    Tell plain rows from RecBole's pre-split files.

    Returns
    -------
    str
        ``"rows"`` or ``"recbole"``.

    Raises
    ------
    UserError
        If both or neither lie there.
    """
    plain = any(plain_split.file_of(folder, one) for one in plain_split.BEGINNINGS)
    recbole = bool(presplit.found_in(folder))
    if plain and recbole:
        raise UserError(
            f"{folder}: expected either .jsonl or .inter files of a split, found both; leave one"
        )
    if not plain and not recbole:
        raise UserError(f"{folder}: {_nothing_in(folder)}")
    return "rows" if plain else "recbole"


def _nothing_in(folder: Path) -> str:
    """Say what was expected of a folder without a split, and what takes the files that it holds."""
    if (folder / "train_data.df").is_file():
        return "expected train.jsonl, found the tables of LLaRA; take recbench data import-llara"
    if any(folder.glob("*.inter*")):
        return (
            "expected the parts of a split, found one .inter file; interactions are added by "
            "recbench data add NAME --recbole FOLDER"
        )
    return (
        "expected train.jsonl or RecBole's NAME.part1.inter, found none; name the folder that "
        "holds it"
    )
