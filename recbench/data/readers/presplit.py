"""
A finished split as RecBole takes it: ``<name>.part1.inter`` to ``part3`` and ``<name>.item``.

These are the files that RecBole's ``benchmark_filename`` names (also ``train``, ``valid`` and
``test``): atomic files (`recbench.data.readers.atomic`) with a row a target, ``item_id:token``, and
its history, ``item_id_list:token_seq``, ids with a space between them, oldest first. Of two files
the second is halved. Training rows that stand newest first, as many scripts write them, are turned
round, since sequences are pieced together of what follows one another. Items that ``<name>.item``
does not list have their id as title.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from recbench.data.catalogue import Catalogue, make_catalogue
from recbench.data.ragged import Ragged, chosen, ragged
from recbench.data.readers.atomic import opened
from recbench.data.readers.columns import Columns, column
from recbench.data.readers.files import raw_file
from recbench.data.readers.raw import Raw, alike, coded
from recbench.data.readers.released import RawSplit, SplitPart, halves, left_alone, rows_of
from recbench.data.readers.tabular import Tabular, with_titles
from recbench.data.released import pieced
from recbench.data.titles import plain_title
from recbench.errors import DataError, UserError

_WORDS = (("train", "training"), ("valid", "validation", "val", "dev"), ("test",))
_LIKE_HISTORIES = re.compile("list|seq|hist|past", re.IGNORECASE)
_OTHER_SEPARATORS = r"[,;|\[\](){}<>]"


class PartFiles(NamedTuple):
    """The files of a split, in the order train, validation, test, or train and what is asked."""

    name: str
    parts: list[Path]


def found_in(folder: Path) -> list[PartFiles]:
    """Return each dataset that lies in a folder in this layout; their parts may be unclear."""
    groups: dict[str, list[Path]] = {}
    for file in sorted([*folder.glob("*.inter"), *folder.glob("*.inter.gz")]):
        name, _, part = _stem(file).rpartition(".")
        if name and part:
            groups.setdefault(name, []).append(file)
    return [PartFiles(name, parts) for name, parts in groups.items() if len(parts) > 1]


def read(folder: Path) -> RawSplit:
    """
    Read the folder.

    Raises
    ------
    UserError
        If it holds several splits, parts whose order their names do not tell, or parts without
        histories.
    DataError
        With file, line and reason, for what is broken in them.
    """
    name, files = _chosen(folder)
    parts = [_part(file) for file in files]
    listed = raw_file(folder, f"{name}.item")
    raw = _with_titles(parts, opened(listed) if listed.is_file() else None)
    catalogue, codes = _numbered(raw)
    cuts = np.cumsum([len(part.ids) for part in parts])[:-1]
    learnt, *asked = (
        SplitPart(ragged(values, part.lengths))
        for values, part in zip(np.split(codes, cuts), parts, strict=True)
    )
    roles = ("trains", "validates", "tests") if len(files) > 2 else ("trains", "is asked about")
    said = ", ".join(f"{file.name} {role}" for file, role in zip(files, roles, strict=True))
    others = left_alone("Columns", (name for part in parts for name in part.others))
    notes = [f"RecBole's pre-split files: {said}.", *others, *raw.notes]
    if (turned := _oldest_first(learnt.rows)) is not None:
        learnt = SplitPart(turned)
        notes.append("The training rows stand newest first; they are taken in reverse.")
    if len(files) == 2:
        asked, note = halves(asked[0], files[1], "third")
        notes.append(note)
    return RawSplit(catalogue, rows_of(folder, learnt, *asked), tuple(notes))


def _oldest_first(rows: Ragged) -> Ragged | None:
    """Turn rows round that clearly stand newest first; None where they do not."""
    backwards = chosen(rows, np.arange(len(rows))[::-1])
    # A few rows follow one another by chance, in either direction.
    going_on, turned = (len(rows) - len(pieced(each)[0]) for each in (rows, backwards))
    return backwards if turned > max(10 * going_on, len(rows) / 4) else None


def _stem(file: Path) -> str:
    return file.name.removesuffix(".gz").removesuffix(".inter")


def _chosen(folder: Path) -> PartFiles:
    """Return the one split of a folder, or the one that is called as the folder, in order."""
    found = found_in(folder)
    named = [files for files in found if files.name == folder.resolve().name]
    if len(named or found) != 1:
        names = ", ".join(files.name for files in found) or "none"
        raise UserError(
            f"{folder}: expected the .inter files of one split, found those of {names}; leave one"
        )
    name, files = (named or found)[0]
    suffixes = [_stem(file).rpartition(".")[2].lower() for file in files]
    order = _by_word(suffixes) or _by_number(suffixes)
    if order is None:
        shown = ", ".join(file.name for file in files)
        raise UserError(
            f"{folder}: which of {shown} is which cannot be told; leave three, called "
            f"{name}.train.inter, {name}.valid.inter and {name}.test.inter"
        )
    return PartFiles(name, [files[at] for at in order])


def _by_word(suffixes: list[str]) -> list[int] | None:
    """Return where train, validation and test stand; None where the names say something else."""
    roles = [[at for at, one in enumerate(suffixes) if one in words] for words in _WORDS]
    order = [at for role in roles for at in role]
    clear = len(roles[0]) == 1 and all(len(role) < 2 for role in roles)
    return order if clear and len(order) == len(suffixes) else None


def _by_number(suffixes: list[str]) -> list[int] | None:
    """Return the order of two or three names that end in different numbers; else None."""
    parts = [re.fullmatch(r"(.*?)([0-9]{1,9})", one) for one in suffixes]
    if len(parts) > 3 or None in parts or len({part[1] for part in parts if part}) > 1:
        return None
    numbers = [int(part[2]) for part in parts if part]
    return np.argsort(numbers).tolist() if len(set(numbers)) == len(numbers) else None


@dataclass(frozen=True)
class _Part:
    """A file: the ids of its rows one after another, the target last, and each row's length."""

    item: str
    others: list[str]
    ids: pa.Array
    lengths: NDArray[np.int64]


def _part(file: Path) -> _Part:
    table = opened(file)
    item, listed = _columns(table)
    read = table.read({item: "id", listed: "text"})
    targets = pa.concat_arrays(read[item].cast(pa.string()).chunks)
    written = pa.concat_arrays(read[listed].chunks)
    _refuse_other_separators(table, written, targets)
    split = pc.split_pattern(written, " ")
    items, owners = split.flatten(), pc.list_parent_indices(split).to_numpy()
    kept = pc.not_equal(items, "").to_numpy(zero_copy_only=False)
    sizes = np.bincount(owners[kept], minlength=len(targets))
    # A target stands behind the items of its history, of which there may be none.
    ids = pa.concat_arrays([items.filter(pa.array(kept)), targets])
    order = np.argsort(np.append(owners[kept], np.arange(len(targets))), kind="stable")
    others = [name for name in table.names if name not in (item, listed)]
    return _Part(item, others, ids.take(pa.array(order)), sizes + 1)


def _columns(table: Tabular) -> tuple[str, str]:
    """Return the columns of targets and of histories; UserError if one of them is not there."""
    names = table.names
    item = column("item", names, table.file, None) or "item_id"
    listed = f"{item}_list"
    if item in names and names.count(listed) == 1:
        return item, listed
    if len(names) == 1:
        remedy = "write the files with a tab between fields"
    elif any(map(_LIKE_HISTORIES.search, names)):
        remedy = f"call the one with the targets '{item}' and the one with histories '{listed}'"
    else:
        remedy = (
            "parts of interactions are no rows: write them into one .inter file in a folder of its "
            "own, and recbench data add NAME --recbole FOLDER"
        )
    raise UserError(
        f"{table.file}: expected one column '{item}' with the targets and one '{listed}' with "
        f"their histories, found {', '.join(map(repr, names))}; {remedy}"
    )


def _refuse_other_separators(table: Tabular, histories: pa.Array, targets: pa.Array) -> None:
    """Refuse histories in which something else than spaces seems to part the ids."""
    odd, usual = (pc.match_substring_regex(one, _OTHER_SEPARATORS) for one in (histories, targets))
    if pc.any(odd).as_py() and not pc.any(usual).as_py():
        row = odd.index(True).as_py()
        raise DataError(
            f"{table.file}, {table.place(row)}: expected ids with a space between them, found "
            f"{histories[row].as_py()[:80]!r}"
        )


def _with_titles(parts: list[_Part], items: Tabular | None) -> Raw:
    """Return the items of all rows with their titles; whose they are does not matter."""
    used = coded(pa.chunked_array([part.ids for part in parts]))
    raw = Raw(used, used, None, None, used.ids, [str(each) for each in used.ids.tolist()])
    title = column("title", items.names, items.file, None) if items else None
    return with_titles(raw, items, Columns(item=parts[0].item, title=title))


def _numbered(raw: Raw) -> tuple[Catalogue, NDArray[np.int32]]:
    """Return all items, and the catalogue code of each item of the rows."""
    used, listed = alike(raw.items.ids, raw.item_ids)
    catalogue = make_catalogue(listed, [plain_title(title) for title in raw.titles])
    codes = np.searchsorted(catalogue.raw_ids, used).astype(np.int32)
    return catalogue, codes[raw.items.codes]
