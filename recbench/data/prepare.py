"""
Raw files -> prepared dataset, once.

A folder that the user names comes first, then the sources of the card in their order. What the
card's own sources give is pinned by the card's digest, so it is cached under that digest and
found again without any source. What a user's folder gives is cached under a fingerprint of its
files (path, size, time of change): a folder that changed is read anew.
"""

import tempfile
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from recbench.data.card import Card, Download, InstalledCopy, RawFiles, card
from recbench.data.dataset import Dataset, make_dataset, store, stored
from recbench.data.download import fetched, unpacked
from recbench.data.readers import READERS
from recbench.data.readers.files import raw_file
from recbench.errors import RecbenchError, UserError
from recbench.settings import digest


def prepare(
    name: str, cache: Path, data_dir: Path | None, report: Callable[[str], None]
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
        A folder with the raw files in any format that the card names; None for the card's sources.
    report
        Told one line at each step that takes time, and what is odd about the data.

    Raises
    ------
    UserError
        For an unknown name, or a folder without the files.
    DataError
        For a broken line in a raw file.
    RecbenchError
        If no source can be had, or one gives other data than the card says.
    """
    wanted = card(name)
    key = wanted.digest[:16] if data_dir is None else _folder_key(wanted, data_dir)
    folder = cache / "datasets" / name / f"{key}-{wanted.fingerprint()[:8]}"
    if folder.is_dir():
        try:
            return stored(wanted, folder)
        except RecbenchError as error:
            report(f"{error}; preparing it again")
    if data_dir is None:
        dataset = _from_sources(wanted, cache, report)
    else:
        report(f"preparing {name} from {data_dir}")
        dataset = _from_folder(wanted, data_dir, _format_of(wanted, data_dir))
        if dataset.digest != wanted.digest:
            report(f"{data_dir} is not {wanted.title} as published: figures are not comparable")
    store(dataset, folder)
    return dataset


def _from_sources(wanted: Card, cache: Path, report: Callable[[str], None]) -> Dataset:
    for source in wanted.sources:
        if isinstance(source, Download):
            report(f"preparing {wanted.name} from {source.files[0].url}")
            dataset = _from_download(wanted, source, cache)
        else:
            copy = _installed(source)
            if copy is None:
                continue
            report(f"preparing {wanted.name} from the copy in {source.distribution}")
            dataset = _from_folder(wanted, copy, source.format)
        if dataset.digest != wanted.digest:
            raise RecbenchError(
                f"{source} no longer gives {wanted.title} as published "
                f"(digest {dataset.digest}); name a folder with --data-dir"
            )
        return dataset
    raise RecbenchError(f"no source of {wanted.name} is here; {_remedy(wanted)}")


def _from_folder(wanted: Card, folder: Path, format_name: str) -> Dataset:
    names = wanted.formats[format_name]
    raw = READERS[format_name](*(raw_file(folder, name) for name in _pair(names)))
    return make_dataset(wanted, raw)


def _pair(names: RawFiles) -> tuple[str, str]:
    return names.interactions, names.items


def _from_download(wanted: Card, source: Download, cache: Path) -> Dataset:
    archive = fetched(source.files[0], cache / "downloads", _remedy(wanted))
    with tempfile.TemporaryDirectory(suffix=".partial", dir=archive.parent) as unpacking:
        unpacked(archive, Path(unpacking))
        return _from_folder(wanted, Path(unpacking) / source.folder, source.format)


def _installed(source: InstalledCopy) -> Path | None:
    """Find the copy by the distribution's list of files; its code is not imported."""
    try:
        folder = Path(str(distribution(source.distribution).locate_file(source.folder)))
    except PackageNotFoundError:
        return None
    return folder if folder.is_dir() else None


def _format_of(wanted: Card, folder: Path) -> str:
    for name, names in wanted.formats.items():
        if all(raw_file(folder, file).is_file() for file in _pair(names)):
            return name
    pairs = " nor ".join(f"{n.interactions} with {n.items}" for n in wanted.formats.values())
    raise UserError(f"{folder} holds neither {pairs}; name the folder that does with --data-dir")


def _folder_key(wanted: Card, folder: Path) -> str:
    names = wanted.formats[_format_of(wanted, folder)]
    files = [raw_file(folder, name).resolve() for name in _pair(names)]
    stats = [file.stat() for file in files]
    return digest([[str(f), s.st_size, s.st_mtime_ns] for f, s in zip(files, stats, strict=True)])[
        :16
    ]


def _remedy(wanted: Card) -> str:
    packages = [s.distribution for s in wanted.sources if isinstance(s, InstalledCopy)]
    install = "".join(f"pip install {package} (it brings a copy), or " for package in packages)
    return f"{install}download it elsewhere and name its folder with --data-dir"
