"""
Raw files -> prepared dataset, once.

A folder that the user names comes first, then the sources of the card in their order. What the
card's own sources give is pinned by the card's digest, so it is cached under that digest and
found again without any source. What a user's folder gives is cached under a fingerprint of its
files (path, size, time of change), and so is what a card without a digest finds on this machine:
files that changed are read anew. Where a user's folder holds what the card pins, it is kept under
the card's digest as well, so that the folder need not be named again.
"""

import json
import tempfile
from collections.abc import Callable
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from recbench.data.archive import unpacked
from recbench.data.card import Card, Download, Folder, InstalledCopy, RawFiles, card
from recbench.data.dataset import Dataset, make_dataset, make_released, store, stored
from recbench.data.download import fetched
from recbench.data.readers import READERS, SPLITS
from recbench.data.readers.files import raw_file
from recbench.errors import RecbenchError, UserError
from recbench.settings import digest


def prepare(
    name: str,
    cache: Path,
    data_dir: Path | None,
    report: Callable[[str], None],
    show_progress: bool = False,
) -> Dataset:
    """
    Return a dataset, from the cache if it has been prepared before.

    Parameters
    ----------
    name
        Of its card.
    cache
        The user's cache folder.
    data_dir
        A folder with the raw files in any format that the card names, gzipped or not, or with the
        zip archive as published; None for the card's sources.
    report
        Told one line at each step that takes time, and what is odd about the data.
    show_progress
        Whether to draw a bar on standard error while a file is downloaded.

    Raises
    ------
    UserError
        For an unknown name, or a folder without the files.
    DataError
        For a broken line in a raw file.
    RecbenchError
        If no source can be had, or one gives other data than the card says; so does a folder that
        is named for a user's own data, but a finished split.
    """
    wanted = card(name, cache)
    key = _own_key(wanted) if data_dir is None else _folder_key(wanted, data_dir)
    folder = prepared_folder(wanted, cache, key)
    dataset = _kept(wanted, folder, report)
    if dataset is None:
        dataset = _read(wanted, cache, data_dir, report, show_progress)
        if data_dir is not None and wanted.digest and dataset.digest != wanted.digest:
            if wanted.is_users_own and not wanted.finished:
                raise RecbenchError(_no_longer_added(wanted, data_dir, dataset.digest))
            report(f"{data_dir} is not {wanted.title} as published: figures are not comparable")
        _keep(dataset, folder, cache, report)
    return dataset


def _kept(wanted: Card, folder: Path, report: Callable[[str], None]) -> Dataset | None:
    """Return what was prepared before; None where that is nothing, or damaged, which is said."""
    if not folder.is_dir():
        return None
    try:
        return stored(wanted, folder)
    except RecbenchError as error:
        report(f"{error}; preparing it again")
        return None


def _read(
    wanted: Card,
    cache: Path,
    data_dir: Path | None,
    report: Callable[[str], None],
    show_progress: bool,
) -> Dataset:
    if data_dir is None:
        return _from_sources(wanted, cache, report, show_progress)
    report(f"preparing {wanted.name} from {data_dir}")
    return _from_user(wanted, data_dir, report)


def _keep(dataset: Dataset, folder: Path, cache: Path, report: Callable[[str], None]) -> None:
    """Keep what was prepared, under the card's digest as well where it is what the card pins."""
    wanted = dataset.card
    if not wanted.digest:
        report(f"the digest of {wanted.name} is not pinned yet; these data have {dataset.digest}")
    store(dataset, folder)
    pinned = prepared_folder(wanted, cache, pinned_key(wanted))
    if dataset.digest == wanted.digest and not pinned.is_dir():
        store(dataset, pinned)


def at_hand(name: str, cache: Path) -> bool:
    """Tell whether `prepare` gives a dataset without a download; raises as `card`."""
    wanted = card(name, cache)
    prepared = prepared_folder(wanted, cache, _own_key(wanted)).is_dir()
    return prepared or _own_place(wanted) is not None


def prepared_folder(wanted: Card, cache: Path, key: str) -> Path:
    """Return where a prepared dataset lies; `key` says from which files it was made."""
    return cache / "datasets" / wanted.name / f"{key}-{wanted.fingerprint()[:8]}"


def pinned_key(wanted: Card) -> str:
    """Return the key of what the card pins."""
    return (wanted.digest or "unpinned")[:16]


def _own_key(wanted: Card) -> str:
    """Return the key of what the card's own sources give; files that nothing pins may change."""
    place = None if wanted.digest else _own_place(wanted)
    return _files_key(_raw_files(wanted, *place)) if place else pinned_key(wanted)


def _own_place(wanted: Card) -> tuple[Path, str] | None:
    """Return the folder and format of the source that is read; None where it is a download."""
    for source in wanted.sources:
        if isinstance(source, Download):
            return None
        if folder := _here(wanted, source):
            return folder, source.format
    return None


def _from_sources(
    wanted: Card, cache: Path, report: Callable[[str], None], show_progress: bool
) -> Dataset:
    for source in wanted.sources:
        if isinstance(source, Download):
            report(f"preparing {wanted.name} from {_in_words(source)}")
            dataset = _from_download(wanted, source, cache, report, show_progress)
        elif folder := _here(wanted, source):
            report(f"preparing {wanted.name} from {_in_words(source)}")
            dataset = _from_folder(wanted, folder, source.format, report)
        else:
            continue
        if wanted.digest and dataset.digest != wanted.digest:
            raise RecbenchError(_changed(wanted, source, dataset.digest))
        return dataset
    raise RecbenchError(f"no source of {wanted.name} is here; {_remedy(wanted)}")


def _in_words(source: InstalledCopy | Folder | Download) -> str:
    if isinstance(source, Download):
        return " and ".join(file.url for file in source.files)
    return source.path if isinstance(source, Folder) else f"the copy in {source.distribution}"


def _changed(wanted: Card, source: InstalledCopy | Folder | Download, found: str) -> str:
    if isinstance(source, Folder):
        return _no_longer_added(wanted, source.path, found)
    return (
        f"{_in_words(source)} no longer gives {wanted.title} as published (digest {found}); "
        "name a folder with --data-dir"
    )


def _no_longer_added(wanted: Card, place: Path | str, found: str) -> str:
    return (
        f"the files of {wanted.name} in {place} are no longer what was added (digest {found}): "
        f"recbench data remove {wanted.name}, then add them anew"
    )


def _from_folder(
    wanted: Card, folder: Path, format_name: str, report: Callable[[str], None]
) -> Dataset:
    if wanted.finished:
        return _from_released(wanted, folder, format_name, report)
    names = wanted.formats[format_name]
    items = names.items and raw_file(folder, names.items)
    raw = READERS[format_name](raw_file(folder, names.interactions), items, **names.options)
    for note in raw.notes:
        report(f"{wanted.name}: {note}")
    return make_dataset(wanted, raw)


def _from_released(
    wanted: Card, folder: Path, format_name: str, report: Callable[[str], None]
) -> Dataset:
    raw = SPLITS[format_name](folder)
    for note in raw.notes:
        report(f"{wanted.name}: {note}")
    return make_released(wanted, raw.catalogue, raw.rows)


def _here(wanted: Card, source: InstalledCopy | Folder) -> Path | None:
    """Return the folder of a source; None where this machine has it not."""
    if isinstance(source, InstalledCopy):
        return _installed(source)
    folder = Path(source.path)
    if wanted.finished:
        return folder if folder.is_dir() else None
    files = _files(folder, wanted.formats[source.format])
    return folder if all(file.is_file() for file in files) else None


def _raw_files(wanted: Card, folder: Path, format_name: str) -> list[Path]:
    """Return the files in a folder that are read; of a finished split maybe others beside them."""
    if wanted.finished:
        return sorted(folder.glob("*"))
    return _files(folder, wanted.formats[format_name])


def _files(folder: Path, names: RawFiles) -> list[Path]:
    return [raw_file(folder, name) for name in names.files]


def _from_download(
    wanted: Card,
    source: Download,
    cache: Path,
    report: Callable[[str], None],
    show_progress: bool,
) -> Dataset:
    folder, remedy = cache / "downloads" / wanted.name, _remedy(wanted)
    files = [fetched(file, folder, remedy, report, show_progress) for file in source.files]
    if files[0].suffix != ".zip":
        return _from_folder(wanted, folder, source.format, report)
    return _from_archive(wanted, source, files[0], report)


def _from_archive(
    wanted: Card, source: Download, archive: Path, report: Callable[[str], None]
) -> Dataset:
    names = [f"{source.folder}/{name}" for name in wanted.formats[source.format].files]
    with tempfile.TemporaryDirectory(prefix="recbench-") as folder:
        unpacked(archive, [name.lstrip("/") for name in names], Path(folder))
        return _from_folder(wanted, Path(folder), source.format, report)


def _from_user(wanted: Card, folder: Path, report: Callable[[str], None]) -> Dataset:
    if wanted.finished:
        return _from_released(wanted, folder, wanted.sources[0].format, report)
    if format_name := _format_of(wanted, folder):
        return _from_folder(wanted, folder, format_name, report)
    return _from_archive(wanted, *_archive_in(wanted, folder), report)


def _installed(source: InstalledCopy) -> Path | None:
    folder = in_distribution(source.distribution, source.folder)
    return folder if folder is not None and folder.is_dir() else None


def in_distribution(name: str, path: str) -> Path | None:
    """
    Find a file or folder of an installed distribution, which is not imported.

    Parameters
    ----------
    name
        Of the distribution.
    path
        As its wheel has it, beginning with the package.
    """
    try:
        found = distribution(name)
    except PackageNotFoundError:
        return None
    place = Path(str(found.locate_file(path)))
    return place if place.exists() else _in_checkout(found, path)


def _in_checkout(found: Distribution, path: str) -> Path | None:
    """Look where a package is imported from whose installation is editable, inside its checkout."""
    url = json.loads(found.read_text("direct_url.json") or "{}").get("url", "")
    package, _, inside = path.partition("/")
    if not url.startswith("file:") or not package.isidentifier():
        return None
    checkout = Path(url2pathname(urlsplit(url).path)).resolve()
    spec = find_spec(package)
    for folder in (spec and spec.submodule_search_locations) or ():
        place = (Path(folder) / inside).resolve()
        if place.exists() and place.is_relative_to(checkout):
            return place
    return None


def _format_of(wanted: Card, folder: Path) -> str | None:
    """Return the format whose files are there, if any are."""
    for name, names in wanted.formats.items():
        if all(file.is_file() for file in _files(folder, names)):
            return name
    return None


def _archive_in(wanted: Card, folder: Path) -> tuple[Download, Path]:
    """Return the zip archive that is there as published, and what the card says of it."""
    for source in wanted.sources:
        if isinstance(source, Download) and len(source.files) == 1:
            archive = folder / source.files[0].name
            if archive.is_file():
                return source, archive
    pairs = [" with ".join(each.files) for each in wanted.formats.values()]
    lacks = f"holds neither {' nor '.join(pairs)}" if len(pairs) > 1 else f"lacks {pairs[0]}"
    raise UserError(f"{folder} {lacks}; name the folder that does with --data-dir")


def _folder_key(wanted: Card, folder: Path) -> str:
    format_name = _format_of(wanted, folder)
    if wanted.finished or format_name:
        return _files_key(_raw_files(wanted, folder, format_name or ""))
    return _files_key([_archive_in(wanted, folder)[1]])


def _files_key(files: list[Path]) -> str:
    """Return a fingerprint of those files that are there."""
    stats = [(str(file.resolve()), file.stat()) for file in files if file.is_file()]
    return digest([[path, s.st_size, s.st_mtime_ns] for path, s in stats])[:16]


def _remedy(wanted: Card) -> str:
    folders = [source.path for source in wanted.sources if isinstance(source, Folder)]
    if folders:
        return f"it was in {folders[0]}; if it has moved, name its folder with --data-dir"
    packages = [s.distribution for s in wanted.sources if isinstance(s, InstalledCopy)]
    install = "".join(f"pip install {package} (it brings a copy), or " for package in packages)
    named = [f.name for s in wanted.sources if isinstance(s, Download) for f in s.files]
    return (
        f"{install}download {' and '.join(named) or 'it'} elsewhere (see {wanted.homepage}) "
        "and name the folder with --data-dir"
    )
